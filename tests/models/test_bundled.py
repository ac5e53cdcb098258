"""The model that the package carries: named, listed, opened from where it was installed, the default, and replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bump_edge import (
    BackendUnavailableError,
    GenerationOptions,
    Interaction,
    ModelCorruptError,
    ModelNotFoundError,
    Profiler,
    ProfilerOptions,
    Settings,
    Store,
    UsageError,
    generate,
)
from bump_edge.models import add, bundled, list_models, open_model, open_writer, registry, remove, resolve, verify
from bump_edge.models.stand_in import StandIn
from bump_edge.settings import load
from tests.cli.run import DEFAULT, ROOT, environment, error, lines
from tests.conformance.samples import GUITARS
from tests.models.test_models import tiny
from tests.real_models import smollm2_onnx

NAME = "bump-small"
HISTORY = ROOT / "examples" / "history.jsonl"
SHORT = ("--max-tokens", "40", "--repetition-penalty", "1.1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real small model as a release puts it into the package: its files, with their manifest."""
    home = tmp_path_factory.mktemp("released")
    add(smollm2_onnx(), at(home), name=NAME, licence="Apache-2.0")
    return home / "models" / NAME


def at(home: Path, model: str | None = None) -> Settings:
    return Settings(home=home, db=home / "x.db", model=model, json=False)


def linked(folder: Path, target: Path) -> Path:
    """The files of `folder` at `target`: they are large, and nobody writes to them."""
    return Path(shutil.copytree(folder, target, copy_function=os.link))


@pytest.fixture
def carried(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This package, as if it carried that model."""
    path = linked(folder, tmp_path / "bundled")
    monkeypatch.setattr(registry, "CARRIED", path)
    monkeypatch.setenv("BUMP_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BUMP_EDGE_MODEL", raising=False)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return at(tmp_path / "home")


def cut(folder: Path) -> None:
    """Lose the last byte of the weights."""
    weights = folder / "model.onnx.data"
    size = weights.stat().st_size
    weights.unlink()
    with weights.open("wb") as file:
        file.truncate(size - 1)


def garbled(folder: Path) -> None:
    """Keep the length of the graph, but not what it says."""
    graph = folder / "model.onnx"
    size = graph.stat().st_size
    graph.unlink()
    graph.write_bytes(b"\xff" * size)


def without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def test_without_one_the_extractive_backend_is_the_default(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "CARRIED", tmp_path / "nothing")
    assert bundled() is None
    assert resolve(None, settings).name == open_writer(settings, fallback=False).model == "extractive"
    with pytest.raises(ModelNotFoundError, match="there is no model 'bundled': expected one of extractive"):
        resolve("bundled", settings)
    for action in (verify, remove):
        with pytest.raises(ModelNotFoundError, match="no model 'bundled' was added"):
            action("bundled", settings)


@pytest.mark.usefixtures("carried")
def test_what_it_is_called(settings: Settings, tmp_path: Path) -> None:
    spec = resolve(None, settings)
    assert (spec.name, spec.backend, spec.bundled) == (NAME, "onnx", True)
    assert spec == bundled()
    for reference in ("bundled", NAME, "Bump-Small", "bump"):
        assert resolve(reference, settings) == spec
    assert list_models(settings) == []
    assert verify(NAME, settings) == verify("bundled", settings) == spec.manifest
    with pytest.raises(ModelNotFoundError, match=f"expected one of extractive, {NAME}, or the path"):
        resolve("huge", settings)
    for name in (NAME, "bundled"):
        with pytest.raises(UsageError, match="is the model that came with bump-edge"):
            remove(name, settings)
    source = tiny(tmp_path / "a.gguf")
    with pytest.raises(UsageError, match="name this one otherwise with --name"):
        add(source, settings, name=NAME, force=True)
    with pytest.raises(UsageError, match="not 'extractive' or 'bundled'"):
        add(source, settings, name="bundled")
    add(source, settings, name="bump-other")
    with pytest.raises(ModelNotFoundError, match=f"'bump' may be bump-other, {NAME}"):
        resolve("bump", settings)
    assert resolve("bump-o", settings).name == "bump-other"


def test_a_name_that_was_taken_before_stays_that_models(
    settings: Settings, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    mine = add(tiny(tmp_path / "a.gguf"), settings, name=NAME)
    request.getfixturevalue("carried")
    assert resolve(NAME, settings) == mine
    assert verify(NAME, settings) == mine.manifest
    assert resolve(None, settings).bundled
    assert resolve("bundled", settings).bundled
    remove(NAME, settings)
    assert resolve(NAME, settings).bundled


@pytest.mark.usefixtures("carried")
def test_the_order_is_flag_environment_file_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().model is None
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text('model = "extractive"\n')
    assert load().model == "extractive"
    monkeypatch.setenv("BUMP_EDGE_MODEL", "bundled")
    assert load().model == "bundled"
    assert load(model="extractive").model == "extractive"
    monkeypatch.setenv("BUMP_EDGE_MODEL", "")
    assert load().model == "extractive"


def test_it_writes_and_nothing_is_written_beside_it(carried: Path, settings: Settings) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in carried.iterdir()}
    backend = open_writer(settings, fallback=False)
    named = open_model("bundled", settings, context_tokens=512)
    assert backend.model == named.model == NAME
    assert dict(backend.fingerprint()) == dict(named.fingerprint())
    short = GenerationOptions(max_tokens=3)
    assert generate(backend, [GUITARS], short)[0].text == generate(named, [GUITARS], short)[0].text
    backend.close()
    named.close()
    assert {p.name: p.stat().st_mtime_ns for p in carried.iterdir()} == before
    assert not settings.home.exists()


@pytest.mark.parametrize("damage", [cut, garbled, without_manifest])
def test_one_that_does_not_open_is_replaced_and_the_manifest_says_so(
    carried: Path, settings: Settings, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(carried)
    with Store(tmp_path / "s.db") as store:
        store.ingest([Interaction(item="green tea"), Interaction(item="green tea pot")])
        with Profiler(store) as profiler:
            profile = profiler.profile()
            assert isinstance(profiler.backend, StandIn)
        assert profile.model == profile.manifest["backend"] == "extractive"
        called = "bundled" if damage is without_manifest else NAME
        assert profile.manifest["fallback"] == {"requested": called, "error": "model_corrupt"}
        assert str(tmp_path) not in str(profile.as_dict())
        # as the extractive backend wrote it, it is up to date for that one
        with Profiler(store, "extractive") as profiler:
            assert profiler.profile().version == profile.version
            assert "fallback" not in profiler.profile(force=True).manifest
        for backend, options in (("bundled", ProfilerOptions()), (None, ProfilerOptions(fallback=False))):
            with pytest.raises(ModelCorruptError):
                Profiler(store, backend, options=options)
    if damage is not garbled:  # whose file has its length
        with pytest.raises(ModelCorruptError, match="install bump-edge again"):
            open_model(None, settings)
    with pytest.raises(ModelCorruptError, match="install bump-edge again"):
        verify("bundled", settings)


@pytest.fixture(scope="module")
def site(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the model in it, as an installation has it."""
    site = tmp_path_factory.mktemp("site")
    package = Path(registry.__file__).parents[1]
    shutil.copytree(package, site / "bump_edge", ignore=shutil.ignore_patterns("__pycache__", "bundled"))
    linked(folder, site / "bump_edge" / "models" / "bundled")
    return site


def program(
    site: Path, home: Path, *arguments: str | Path, path: str = "", **extra: str
) -> subprocess.CompletedProcess[bytes]:
    """Run ``bump-edge ARGUMENTS`` of the package in `site`, with no model named."""
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "bump_edge", *map(str, arguments)],
        capture_output=True, cwd=site, timeout=120, check=False, stdin=subprocess.DEVNULL,
        env=environment(home, **DEFAULT | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | extra),
    )  # fmt: skip


def test_the_program_writes_with_it_unless_told_otherwise(site: Path, tmp_path: Path) -> None:
    lies = {p: p.stat().st_mtime_ns for p in site.rglob("*")}
    (profile,) = lines(program(site, tmp_path, "profile", "--history", HISTORY, *SHORT, "--json"))
    manifest = profile["manifest"]
    assert manifest["backend"] == "onnx"
    # zero-shot, this model rarely writes a sentence that the history bears out
    assert NAME in (profile["model"], manifest.get("fallback", {}).get("requested"))
    assert "error" not in manifest.get("fallback", {})
    for arguments, extra in ((("--model", "extractive"), {}), ((), {"BUMP_EDGE_MODEL": "extractive"})):
        (other,) = lines(program(site, tmp_path, "profile", "--json", *arguments, **extra))
        assert (other["model"], other["manifest"]["backend"]) == ("extractive", "extractive")
        assert "fallback" not in other["manifest"]
    (tmp_path / "config.toml").write_text('model = "extractive"\n')
    assert lines(program(site, tmp_path, "profile", "--json")) == [other]
    assert {p: p.stat().st_mtime_ns for p in site.rglob("*")} == lies


def test_the_program_lists_and_keeps_it(site: Path, folder: Path, tmp_path: Path) -> None:
    shown = {m["name"]: m for m in lines(program(site, tmp_path, "models", "list", "--json"))}
    assert list(shown) == ["extractive", NAME]
    assert (shown[NAME]["bundled"], shown["extractive"]["bundled"]) == (True, False)
    assert shown[NAME]["manifest"]["licence"] == "Apache-2.0"
    assert f"\n{NAME}\tonnx\t90 MB\tbundled\n" in program(site, tmp_path, "models", "list").stdout.decode()
    for names in ((), (NAME,), ("bundled",)):
        (verified,) = lines(program(site, tmp_path, "models", "verify", *names, "--json"))
        assert verified["name"] == NAME
    done = program(site, tmp_path, "models", "remove", NAME, "--yes")
    assert done.returncode == 2
    assert b"came with bump-edge" in done.stderr
    (report,) = lines(program(site, tmp_path, "doctor", "--json"))
    assert report["model"] == {"name": NAME, "ok": True, "says": "written by the backend onnx, bundled"}
    (report,) = lines(program(site, tmp_path, "doctor", "--model", folder, "--json"))
    assert report["model"] == {"name": NAME, "ok": True, "says": "written by the backend onnx"}


def test_the_program_says_when_it_is_damaged(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "site"
    shutil.copytree(site, other, copy_function=os.link)
    cut(other / "bump_edge" / "models" / "bundled")
    home = tmp_path / "home"
    done = program(other, home, "profile", "--history", HISTORY, "--json")
    assert done.returncode == 0
    told = f"the bundled model '{NAME}' does not open, and the extractive backend writes instead: model.onnx.data"
    assert done.stderr.decode().startswith(told)
    (profile,) = lines(done)
    assert profile["manifest"]["fallback"] == {"requested": NAME, "error": "model_corrupt"}
    for named in (("--model", "bundled"), ("--model", NAME), ("--no-fallback",)):
        done = program(other, home, "profile", *named, "--json")
        assert (done.returncode, error(done)["code"], done.stdout) == (5, "model_corrupt", b"")
    done = program(other, home, "doctor", "--json")
    assert (done.returncode, lines(done)[0]["model"]["ok"]) == (1, False)
    assert "until then the extractive backend writes" in lines(done)[0]["model"]["says"]
    without_manifest(other / "bump_edge" / "models" / "bundled")
    done = program(other, home, "models", "list", "--json")
    assert [m["name"] for m in lines(done)] == ["extractive"]
    assert b"install bump-edge again" in done.stderr


def test_where_its_runtime_does_not_load(site: Path, tmp_path: Path) -> None:
    """As on a system for which there is no wheel, or where a library that it needs is missing."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "onnxruntime_genai.py").write_text('raise ImportError("libgomp.so.1: cannot open")\n')
    path = str(tmp_path / "broken")
    home = tmp_path / "home"
    done = program(site, home, "profile", "--history", HISTORY, "--json", path=path)
    assert done.returncode == 0
    assert b"libgomp.so.1: cannot open" in done.stderr
    (profile,) = lines(done)
    assert profile["manifest"]["fallback"] == {"requested": NAME, "error": BackendUnavailableError.code}
    done = program(site, home, "profile", "--model", "bundled", "--json", path=path)
    assert (done.returncode, error(done)["code"]) == (5, BackendUnavailableError.code)
    done = program(site, home, "doctor", "--json", path=path)
    assert done.returncode == 1
    assert lines(done)[0]["model"]["says"].startswith("its backend onnx does not run here")


@pytest.mark.skipif(not registry.CARRIED.is_dir(), reason="this checkout has no weights")
def test_what_this_checkout_carries_is_whole(settings: Settings) -> None:
    spec = resolve("bundled", settings)
    assert spec.manifest is not None
    assert registry.check_name(spec.name) == spec.name
    verify("bundled", settings)
    there = {p.name: p.stat().st_size for p in registry.CARRIED.iterdir()}
    # a file of the model that the manifest leaves out is none that anybody would see change
    besides = there.keys() - {f.name for f in spec.manifest.files} - {"manifest.json"}
    assert {Path(name).suffix for name in besides} <= {".md", ".txt", ""}
    assert {"MODEL_CARD.md", "LICENSE"} <= there.keys()
    assert max(there.values()) < 95_000_000
    backend = open_model("bundled", settings)
    assert generate(backend, [GUITARS], GenerationOptions(max_tokens=3))[0].text
    backend.close()
