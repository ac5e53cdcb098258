"""The registry of models: what can be added, what is refused, and what is left behind when it goes wrong (nothing)."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bump_edge import (
    GenerationOptions,
    ModelCorruptError,
    ModelError,
    ModelNotFoundError,
    Settings,
    UsageError,
    generate,
)
from bump_edge.models import add, list_models, open_model, remove, resolve, verify
from bump_edge.models.download import file_name
from bump_edge.models.manifest import MANIFEST, read_manifest
from tests.conformance.samples import GUITARS
from tests.real_models import smollm2_gguf, smollm2_onnx

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", db=tmp_path / "x.db", model="extractive", json=False)


def tiny(path: Path, *, filler: int = 0) -> Path:
    """A sound GGUF header with one tensor of `32 + filler` numbers; too small to run, big enough to add."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text)) + text.encode()

    count = 32 + filler
    meta = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "general.license": "mit"}
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(meta))
    for key, value in meta.items():
        data += string(key) + struct.pack("<I", 8) + string(value)
    data += string("token_embd.weight") + struct.pack("<IQIQ", 1, count, 0, 0)
    data += bytes(-len(data) % 32) + bytes(4 * count)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def left_behind(settings: Settings) -> list[str]:
    return sorted(p.name for p in settings.models.iterdir()) if settings.models.exists() else []


def test_a_real_gguf_file_from_adding_to_removing(settings: Settings) -> None:
    told: list[tuple[str, int, int | None]] = []
    spec = add(smollm2_gguf(), settings, notify=lambda *what: told.append(what))
    assert (spec.name, spec.backend) == ("smollm2-135m-instruct.q4_1", "gguf")
    assert told[-1][1] == told[-1][2] == smollm2_gguf().stat().st_size
    assert resolve("smollm2", settings) == resolve("SmolLM2-135M-Instruct.Q4_1", settings) == spec
    manifest = verify(spec.name, settings)
    assert manifest.licence == "apache-2.0"
    assert manifest.source == smollm2_gguf().name
    assert str(smollm2_gguf().parent) not in (settings.models / spec.name / MANIFEST).read_text()
    assert list_models(settings) == [spec]
    backend = open_model("smollm2", settings, context_tokens=512, batch_size=1)
    assert backend.model == spec.name
    assert backend.fingerprint()["sha256"] == manifest.files[0].sha256
    assert generate(backend, [GUITARS], GenerationOptions(max_tokens=3))[0].text
    backend.close()
    remove(spec.name, settings)
    assert left_behind(settings) == []
    with pytest.raises(ModelNotFoundError, match="models add"):
        resolve("smollm2", settings)


def test_a_real_onnx_folder(settings: Settings) -> None:
    spec = add(smollm2_onnx(), settings, name="small", licence="Apache-2.0")
    assert (spec.backend, verify("small", settings).licence) == ("onnx", "Apache-2.0")
    backend = open_model("small", settings, context_tokens=512)
    by_path = open_model(str(smollm2_onnx()), settings, context_tokens=512)
    assert dict(backend.fingerprint()) == dict(by_path.fingerprint())
    assert (
        generate(backend, [GUITARS], GenerationOptions(max_tokens=3))[0].text
        == generate(by_path, [GUITARS], GenerationOptions(max_tokens=3))[0].text
    )
    backend.close()
    by_path.close()


def test_one_changed_byte_is_found(settings: Settings, tmp_path: Path) -> None:
    spec = add(tiny(tmp_path / "A Model.gguf"), settings)
    assert spec.name == "a-model"
    assert spec.path is not None
    content = bytearray(spec.path.read_bytes())
    content[-1] ^= 1
    spec.path.write_bytes(content)
    with pytest.raises(ModelCorruptError, match=r"A Model\.gguf .* has the sha256"):
        verify("a-model", settings)
    spec.path.write_bytes(content[:-1])
    for check in (lambda: verify("a-model", settings), lambda: open_model("a-model", settings)):
        with pytest.raises(ModelCorruptError, match=f"has {len(content) - 1} bytes"):
            check()
    spec.path.unlink()
    with pytest.raises(ModelCorruptError):
        open_model("a-model", settings)


def test_the_source_is_copied_not_linked(settings: Settings, tmp_path: Path) -> None:
    source = tiny(tmp_path / "a.gguf")
    spec = add(source, settings)
    assert spec.path is not None
    with source.open("r+b") as file:
        file.write(b"XXXX")
    verify("a", settings)
    assert spec.path.stat().st_nlink == 1


def test_a_name_that_is_taken(settings: Settings, tmp_path: Path) -> None:
    first = add(tiny(tmp_path / "a.gguf"), settings)
    with pytest.raises(UsageError, match="--force"):
        add(tiny(tmp_path / "b.gguf", filler=32), settings, name="a")
    assert read_manifest(settings.models / "a") == first.manifest
    second = add(tmp_path / "b.gguf", settings, name="a", force=True)
    assert read_manifest(settings.models / "a") == second.manifest
    assert left_behind(settings) == ["a"]
    verify("a", settings)


@pytest.mark.parametrize("name", ["", "..", "a/b", "../a", ".hidden", "A", "a b", "extractive", "a..b", "é", "a" * 101])
def test_names_cannot_lead_elsewhere(settings: Settings, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be named"):
        add(tiny(tmp_path / "a.gguf"), settings, name=name)
    for action in (verify, remove):
        with pytest.raises(ModelNotFoundError):
            action(name, settings)
    assert left_behind(settings) == []


def test_what_a_reference_may_mean(settings: Settings, tmp_path: Path) -> None:
    assert resolve("extractive", settings).path is None
    for name in ("small-a", "small-b", "large"):
        add(tiny(tmp_path / "a.gguf"), settings, name=name)
    assert resolve("large", settings).name == resolve("l", settings).name == "large"
    with pytest.raises(ModelNotFoundError, match="small-a, small-b"):
        resolve("small", settings)
    add(tmp_path / "a.gguf", settings, name="small")
    assert resolve("small", settings).name == "small"
    with pytest.raises(ModelNotFoundError, match="extractive, large, small, small-a, small-b"):
        resolve("huge", settings)
    for nothing in ("", str(tmp_path / "none.gguf"), "none/at/all"):
        with pytest.raises(ModelNotFoundError):
            resolve(nothing, settings)
    at_path = resolve(str(tmp_path / "a.gguf"), settings)
    assert (at_path.name, at_path.backend, at_path.manifest) == ("a", "gguf", None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04 no model", "begins with b'PK"),
        (b"GGUF" + bytes(100), "its version is 0"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "claims"),
    ],
)
def test_a_file_that_is_no_model(settings: Settings, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelCorruptError, match=said):
        add(path, settings)
    assert left_behind(settings) == []


def test_a_truncated_file(settings: Settings, tmp_path: Path) -> None:
    path = tiny(tmp_path / "a.gguf")
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelCorruptError):
            add(path, settings)
    assert left_behind(settings) == []


def test_folders_that_are_no_model(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    folder.mkdir()
    with pytest.raises(ModelCorruptError, match=r"neither genai_config\.json nor one \.gguf"):
        add(folder, settings)
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelCorruptError, match="safetensors"):
        add(folder, settings)
    with pytest.raises(ModelNotFoundError):
        add(tmp_path / "nowhere", settings)
    shutil.copytree(smollm2_onnx(), tmp_path / "linked", ignore=shutil.ignore_patterns("*.data"))
    (tmp_path / "linked" / "model.onnx.data").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="a symbolic link"):
        add(tmp_path / "linked", settings)
    assert left_behind(settings) == []


def exported(folder: Path) -> Path:
    """A folder as the export stage writes it."""
    file = tiny(folder / "weights.gguf")
    files = [{"name": file.name, "size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}]
    manifest = {
        "format": 1, "name": "trained", "backend": "gguf", "files": files, "source": "run-7", "licence": "apache-2.0",
        "figures": {"reward": 1.31}, "seed": 4,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / "notes.txt").write_text("not part of the model")
    return folder


def test_an_exported_folder_keeps_its_figures(settings: Settings, tmp_path: Path) -> None:
    spec = add(exported(tmp_path / "out"), settings)
    assert spec.name == "out"
    manifest = verify("out", settings)
    assert (manifest.figures, manifest.extra, manifest.source) == ({"reward": 1.31}, {"seed": 4}, "run-7")
    assert sorted(p.name for p in (settings.models / "out").iterdir()) == [MANIFEST, "weights.gguf"]
    file = tmp_path / "out" / "weights.gguf"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelCorruptError, match="was changed or damaged"):
        add(tmp_path / "out", settings, name="again")
    assert left_behind(settings) == ["out"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"backend": "cobol"},
        {"files": [{"name": "../x", "size": 1, "sha256": "0" * 64}]}, {"files": []},
        {"files": [{"name": "weights.gguf", "size": 1, "sha256": "no hex"}]}, {"files": 3},
        {"files": [{"name": "weights.gguf", "size": "1", "sha256": "0" * 64}]},
        {"max_interactions": 0}, {"max_interactions": "18"}, {"max_interactions": True},
    ],
)  # fmt: skip
def test_a_manifest_that_says_nonsense(settings: Settings, tmp_path: Path, change: dict[str, object]) -> None:
    folder = exported(tmp_path / "out")
    content = json.loads((folder / MANIFEST).read_text()) | change
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ModelCorruptError, match=r"manifest\.json"):
        add(folder, settings)
    assert left_behind(settings) == []


def test_a_sha256_that_was_asked_for(settings: Settings, tmp_path: Path) -> None:
    path = tiny(tmp_path / "a.gguf")
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ModelCorruptError, match="another file was meant"):
        add(path, settings, sha256="0" * 64)
    with pytest.raises(UsageError, match="64 hex digits"):
        add(path, settings, sha256="abc")
    assert left_behind(settings) == []
    assert add(path, settings, sha256=right.upper()).name == "a"


FULL = """
import resource, signal, sys
from pathlib import Path
from bump_edge import BumpEdgeError, Settings
from bump_edge.models import add
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
home = Path(sys.argv[2])
try:
    add(sys.argv[1], Settings(home=home, db=home / "x.db", model="extractive", json=False))
except BumpEdgeError as error:
    print(error.code, error.message)
"""


def test_a_full_disk_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    """The system refuses to write past 200 kB, as a full disk does."""
    source = tiny(tmp_path / "big.gguf", filler=1_000_000)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(source), str(settings.home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("model the model cannot be written to"), done.stderr
    assert "Nothing was left behind" in done.stdout
    assert left_behind(settings) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 200_000


def test_models_that_cannot_be_written_or_read(settings: Settings, tmp_path: Path) -> None:
    settings.home.mkdir()
    settings.models.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot be written"):
        add(tiny(tmp_path / "a.gguf"), settings)
    assert list_models(settings) == []


def test_leftovers_of_an_interrupted_add_go_after_a_day(settings: Settings, tmp_path: Path) -> None:
    for name, age in ((".adding-old", 25), (".removed-old", 25), (".adding-new", 1)):
        folder = settings.models / name
        folder.mkdir(parents=True)
        now = folder.stat().st_mtime
        os.utime(folder, (now - age * 3600, now - age * 3600))
    add(tiny(tmp_path / "a.gguf"), settings)
    assert left_behind(settings) == [".adding-new", "a"]
    assert [m.name for m in list_models(settings)] == ["a"]


def test_two_at_once_leave_one_whole_model(settings: Settings, tmp_path: Path) -> None:
    source = tiny(tmp_path / "a.gguf", filler=3_000_000)
    code = FULL.replace("resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))", "")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(source), str(settings.home)], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert sum(s == b"" for s in said) >= 1
    assert all(s == b"" or s.startswith(b"usage there is a model 'a' already") for s in said)
    verify("a", settings)
    assert left_behind(settings) == ["a"]


def test_an_address_needs_https_and_a_sha256(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--sha256"):
        add("https://example.org/a.gguf", settings)
    for address in ("http://example.org/a.gguf", "ftp://example.org/a.gguf", "file:///etc/passwd.gguf"):
        with pytest.raises(UsageError, match="over https only"):
            add(address, settings, sha256="0" * 64)
    assert left_behind(settings) == []
    assert file_name("https://example.org/x/My%20Model.gguf?download=true") == "My Model.gguf"
