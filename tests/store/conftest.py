from collections.abc import Iterator
from pathlib import Path

import pytest

from bump_edge.store import Store
from tests.store import keychain as chain

ENCRYPTED_TOO = {"test_history", "test_profiles", "test_search", "test_sources"}
"""Modules whose tests run over plain and over encrypted stores."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ENCRYPTED_TOO:
        metafunc.parametrize("kind", ["plain", "encrypted"], indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether every new store of a test is plain or encrypted."""
    chosen = getattr(request, "param", "plain")
    if chosen == "encrypted":
        monkeypatch.setenv("BUMP_EDGE_KEY", "5a" * 32)
    return str(chosen)


@pytest.fixture
def path(tmp_path: Path, kind: str) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def store(path: Path, kind: str) -> Iterator[Store]:
    with Store(path) as opened:
        assert opened.encrypted == (kind == "encrypted")
        yield opened


@pytest.fixture
def keychain(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A keychain for this process and those that it starts; the file that it lies in."""
    import keyring

    file = tmp_path_factory.mktemp("keychain") / "entries.json"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", chain.BACKEND)
    monkeypatch.setenv(chain.FILE, str(file))
    before = keyring.get_keyring()
    keyring.set_keyring(chain.FileKeychain())
    yield file
    keyring.set_keyring(before)
