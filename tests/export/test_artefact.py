"""An artefact is there as a whole or not at all."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from bump_edge.errors import ModelCorruptError, ModelError, UsageError
from bump_edge.models.manifest import check_hashes, read_manifest
from export.artefact import Artefact, writing

ROOT = Path(__file__).resolve().parents[2]


def write(target: Path, text: str = "one", *, force: bool = False) -> None:
    with writing(target, force=force) as artefact:
        (artefact.folder / "model.gguf").write_text(text)
        (artefact.scratch / "on the way").write_text("x")
        artefact.finish(backend="gguf", source="base", licence="mit", extra={"kind": "profiler"})


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_written_with_a_manifest_that_the_runtime_reads(tmp_path: Path) -> None:
    write(tmp_path / "My Model")
    assert entries(tmp_path) == ["My Model"]
    assert entries(tmp_path / "My Model") == ["manifest.json", "model.gguf"]
    manifest = read_manifest(tmp_path / "My Model")
    assert manifest is not None
    assert (manifest.name, manifest.licence, manifest.source) == ("my-model", "mit", "base")
    assert manifest.extra["kind"] == "profiler"
    check_hashes(tmp_path / "My Model", manifest)
    (tmp_path / "My Model" / "model.gguf").write_text("onf")
    with pytest.raises(ModelCorruptError, match="sha256"):
        check_hashes(tmp_path / "My Model", manifest)


def test_the_same_twice_is_the_same_bytes(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write(tmp_path / place / "m")
    assert (tmp_path / "a/m/manifest.json").read_bytes() == (tmp_path / "b/m/manifest.json").read_bytes()


def test_nothing_is_replaced_without_force(tmp_path: Path) -> None:
    write(tmp_path / "m")
    with pytest.raises(UsageError, match="already: replace it with --force"):
        write(tmp_path / "m", "two")
    assert (tmp_path / "m/model.gguf").read_text() == "one"
    write(tmp_path / "m", "two", force=True)
    assert (tmp_path / "m/model.gguf").read_text() == "two"
    assert entries(tmp_path) == ["m"]


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_force_replaces_only_what_was_exported(tmp_path: Path, what: str) -> None:
    target = tmp_path / "m"
    if what == "file":
        target.write_text("mine")
    elif what == "folder":
        target.mkdir()
        (target / "photo").write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    before = entries(tmp_path)
    with pytest.raises(UsageError, match="is no"):
        write(target, force=True)
    assert entries(tmp_path) == before


@pytest.mark.parametrize("error", [ModelError("broken"), KeyboardInterrupt(), ValueError("odd")])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path / "m")

    def fail(artefact: Artefact) -> None:
        (artefact.folder / "model.gguf").write_text("half")
        raise error

    with pytest.raises(type(error)), writing(tmp_path / "m", force=True) as artefact:
        fail(artefact)
    assert entries(tmp_path) == ["m"]
    assert (tmp_path / "m/model.gguf").read_text() == "one"
    with pytest.raises(ModelError, match="was not finished"), writing(tmp_path / "n"):
        pass
    assert entries(tmp_path) == ["m"]


KILLED = """
import sys, time
from pathlib import Path
from export.artefact import writing
with writing(Path(sys.argv[1]), force=True) as artefact:
    (artefact.folder / "model.gguf").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def test_a_killed_export_leaves_no_target_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    write(tmp_path / "old")
    for name in ("m", "old"):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / name)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        assert (tmp_path / name).exists() == (name == "old")
        assert len([e for e in entries(tmp_path) if e.startswith(f".{name}.exporting-")]) == 1
        write(tmp_path / name, "meanwhile", force=True)  # what still runs is left alone
        assert [e for e in entries(tmp_path) if e.startswith(f".{name}.")]
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert (tmp_path / name / "model.gguf").read_text() == "meanwhile"
        write(tmp_path / name, "two", force=True)
        assert (tmp_path / name / "model.gguf").read_text() == "two"
    assert entries(tmp_path) == ["m", "old"]


def test_a_kill_between_the_two_renames_is_made_good(tmp_path: Path) -> None:
    write(tmp_path / "m")
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    from export.artefact import _host

    work = tmp_path / f".m.exporting-{_host()}-{int(gone.stdout)}-abc"
    work.mkdir()
    (tmp_path / "m").rename(work / "old")
    with pytest.raises(UsageError, match="already"), writing(tmp_path / "m"):
        pass
    assert (tmp_path / "m/model.gguf").read_text() == "one"  # put back
    assert entries(tmp_path) == ["m"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no right to mount a small disk here")
    try:
        yield place
    finally:
        assert ctypes.CDLL(None).umount2(str(place).encode(), 2) == 0


def test_a_full_disk_is_a_clear_error_and_leaves_the_old_one(small_disk: Path) -> None:
    write(small_disk / "m")
    with pytest.raises(ModelError, match=r"No space left on device; free some space.*Nothing was left behind"):
        write(small_disk / "m", "x" * 2_000_000, force=True)
    assert entries(small_disk) == ["m"]
    assert (small_disk / "m/model.gguf").read_text() == "one"


def test_a_limit_on_the_size_of_files_is_a_full_disk_too(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from tests.export.test_artefact import write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: write(Path(sys.argv[1]), 'x' * 200_000)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.startswith("ModelError")
    assert "File too large; free some space" in done.stdout
    assert entries(tmp_path) == []


def test_a_manifest_has_no_dates(tmp_path: Path) -> None:
    write(tmp_path / "m")
    first = orjson.loads((tmp_path / "m/manifest.json").read_bytes())
    time.sleep(0.01)
    write(tmp_path / "m", force=True)
    assert orjson.loads((tmp_path / "m/manifest.json").read_bytes()) == first
    assert first["added_at"] is None
