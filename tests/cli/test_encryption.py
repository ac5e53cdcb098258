"""``bump-edge encrypt``, ``decrypt`` and ``key``, as programs."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run import ROOT, error, lines, run
from tests.store.keychain import BACKEND, FILE, kept

HISTORY = ROOT / "examples" / "history.jsonl"


class Program:
    """Runs commands in one home with one keychain; stderr must be quiet where they succeed."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.chain = folder / "keychain.json"
        self.db = self.home / "bump-edge.db"

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", **extra: str) -> subprocess.CompletedProcess[bytes]:
        chain = {"PYTHON_KEYRING_BACKEND": BACKEND, FILE: str(self.chain)}
        return run(self.home, *arguments, stdin=stdin, **(chain | extra))

    def ok(self, *arguments: str | Path, **extra: str) -> Any:
        done = self(*arguments, "--json", **extra)
        assert done.returncode == 0, done.stderr
        (answer,) = lines(done)
        return answer


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_a_store_is_encrypted_used_rotated_and_decrypted(program: Program) -> None:
    written = program.ok("profile", "--history", HISTORY)
    done = program("encrypt")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith(f"{program.db} is encrypted now; its key: keychain\n")
    assert "bump-edge key export" in done.stderr.decode()
    assert b"Telecaster" not in program.db.read_bytes()
    assert program.ok("show")["text"] == written["text"]
    doctor = program("doctor")
    assert (doctor.returncode, doctor.stderr) == (0, b"")
    assert b"sound, encrypted, mode 0600" in doctor.stdout
    again = program.ok("encrypt")
    assert (again["changed"], again["encrypted"]) == (False, True)
    (old,) = kept(program.chain)
    rotated = program.ok("key", "rotate")
    assert (rotated["changed"], rotated["key"], rotated["key_destroyed"]) == (True, "keychain", True)
    assert old not in kept(program.chain)
    refused = program("decrypt", "--json")
    assert (refused.returncode, error(refused)["code"]) == (2, "usage")
    plain = program.ok("decrypt", "--yes")
    assert (plain["encrypted"], plain["key"]) == (False, None)
    assert kept(program.chain) == {}
    assert program.ok("show")["text"] == written["text"]
    assert sorted(f.name for f in program.home.iterdir()) == ["bump-edge.db"]


def test_a_key_in_the_environment(program: Program) -> None:
    key = {"BUMP_EDGE_KEY": "a passphrase"}
    program.ok("ingest", HISTORY, **key)
    assert not program.chain.exists()
    assert program.ok("list", **key)["user_id"] == "local"
    for extra, reason in (({}, "missing"), ({"BUMP_EDGE_KEY": "wrong"}, "wrong")):
        done = program("list", "--json", **extra)
        assert done.returncode == 6
        found = error(done)
        assert (found["code"], found["details"]["reason"]) == ("key", reason)
        assert done.stderr.count(b"\n") == 1  # SQLCipher's own log stays away
    rotated = program.ok("key", "rotate", **key, BUMP_EDGE_NEW_KEY="ab" * 32)
    assert (rotated["key"], rotated["key_destroyed"]) == ("environment", None)
    assert program("list", **key).returncode == 6
    assert program("list", BUMP_EDGE_KEY="ab" * 32).returncode == 0
    moved = program("key", "rotate", BUMP_EDGE_KEY="ab" * 32)
    assert "BUMP_EDGE_KEY no longer opens it" in moved.stderr.decode()
    assert program("list").returncode == 0
    plain = program("decrypt", "--yes", BUMP_EDGE_KEY="")
    assert plain.returncode == 0
    assert program("list", **key).returncode == 6


def test_a_recovery_key_on_paper_and_in_a_file(program: Program, tmp_path: Path) -> None:
    program.ok("encrypt")
    program.ok("ingest", HISTORY)
    paper = program("key", "export", "-").stdout.decode()
    file = tmp_path / "recovery.txt"
    assert program.ok("key", "export", file) == {"file": str(file)}
    assert file.read_text() == paper
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert program("key", "export", file).returncode == 2
    assert program("key", "export", file, "--yes").returncode == 0
    program.chain.unlink()
    lost = program("list", "--json")
    assert error(lost)["details"]["reason"] == "missing"
    mistyped = program("key", "import", "-", "--json", stdin=paper.replace(paper[30:36], "AAAAAA").encode())
    assert (mistyped.returncode, error(mistyped)["code"]) == (2, "usage")
    assert program("key", "import", file).returncode == 0
    assert program("list").returncode == 0
    assert program("list", BUMP_EDGE_KEY=paper.strip()).returncode == 0


def test_forgetting_a_user_says_what_became_of_older_copies(program: Program) -> None:
    program.ok("encrypt")
    program.ok("ingest", HISTORY)
    before = dict(kept(program.chain))
    done = program("forget", "--everything", "--yes")
    assert done.returncode == 0, done.stderr
    assert b"no older copy of it can be read" in done.stdout
    assert not set(before) & set(kept(program.chain))
    key = {"BUMP_EDGE_KEY": "a passphrase"}
    other = program.home / "other.db"
    program.ok("ingest", HISTORY, "--db", other, **key)
    receipt = program.ok("forget", "--everything", "--yes", "--db", other, **key)
    assert (receipt["clean"], receipt["shredded"]) == (True, False)


def test_what_there_is_to_say_without_a_store_or_a_keychain(program: Program) -> None:
    assert program("decrypt", "--yes").returncode == 3
    assert program("key", "export", "-").returncode == 3
    program.ok("ingest", HISTORY)
    done = program("key", "rotate", "--json")
    assert (done.returncode, error(done)["details"]["reason"]) == (6, "not_encrypted")
    done = program("encrypt", "--json", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    assert (done.returncode, error(done)["details"]["reason"]) == (6, "no_keychain")
    assert program("list").returncode == 0
    (program.home / "bump-edge.db-new").write_bytes(b"half a copy")
    doctor = program("doctor")
    assert doctor.returncode == 1
    assert b"left by a conversion that was interrupted" in doctor.stdout
    cleared = program("decrypt", "--yes")
    assert b"cleared away 1 file of" in cleared.stderr
    assert program("doctor").returncode == 0
