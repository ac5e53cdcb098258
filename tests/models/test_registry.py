"""Adding, finding, verifying and removing models; nothing half-written, nothing tampered with goes unseen."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bump_edge import models
from bump_edge.errors import ModelCorruptError, ModelError, ModelNotFoundError, UsageError
from bump_edge.models.registry import clean_name
from bump_edge.settings import Settings
from tests.real_models import smollm2_gguf, smollm2_onnx

NAME = "smollm2-135m-instruct.q4_1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", db=tmp_path / "s.db", model="extractive", json=False)


@pytest.fixture
def added(settings: Settings) -> models.ModelSpec:
    return models.add(smollm2_gguf(), settings)


def left_behind(settings: Settings) -> list[str]:
    return sorted(p.name for p in settings.models.iterdir()) if settings.models.exists() else []


def test_a_gguf_file_is_added_listed_found_and_removed(settings: Settings, added: models.ModelSpec) -> None:
    assert (added.name, added.backend) == (NAME, "gguf")
    assert added.bytes == smollm2_gguf().stat().st_size
    assert added.manifest["source"] == smollm2_gguf().name
    assert str(smollm2_gguf().parent) not in json.dumps(dict(added.manifest))
    assert [s.name for s in models.list_models(settings)] == ["extractive", NAME]
    assert models.resolve("smollm2", settings) == models.resolve(NAME, settings) == added
    assert models.verify("smollm2", settings) == added
    models.remove("smollm2", settings)
    assert left_behind(settings) == []


def test_a_folder_is_added_and_its_own_manifest_is_believed_only_after_hashing(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "profiler"
    folder.mkdir()
    for file in smollm2_onnx().iterdir():
        os.link(file, folder / file.name) if file.stat().st_size > 1e6 else (folder / file.name).write_bytes(
            file.read_bytes()
        )
    hashes = {f.name: {"sha256": hashlib.sha256(f.read_bytes()).hexdigest()} for f in folder.iterdir()}
    claim = {"files": hashes, "licence": "Apache-2.0", "figures": {"ndcg": 1.3}}
    (folder / "manifest.json").write_text(json.dumps(claim))
    spec = models.add(folder, settings)
    assert (spec.name, spec.backend, spec.manifest["figures"]) == ("profiler", "onnx", {"ndcg": 1.3})
    assert spec.manifest["licence"] == "Apache-2.0"
    models.verify("profiler", settings)
    claim["files"]["genai_config.json"]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(claim))
    with pytest.raises(ModelCorruptError, match="genai_config"):
        models.add(folder, settings, name="lying")
    assert left_behind(settings) == ["profiler"]


def test_one_changed_byte_is_found(settings: Settings, added: models.ModelSpec) -> None:
    assert added.path is not None
    with added.path.open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)[0]
        file.seek(50_000_000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(ModelCorruptError, match="has changed since it was added"):
        models.verify(NAME, settings)
    with added.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelCorruptError, match="bytes"):
        models.open_model(NAME, settings)


def test_a_change_of_the_source_does_not_change_the_model(settings: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(smollm2_gguf().read_bytes())
    models.add(copy, settings)
    copy.write_bytes(b"something else")
    models.verify("copy", settings)


def test_an_existing_model_is_replaced_only_by_force(settings: Settings, added: models.ModelSpec) -> None:
    with pytest.raises(UsageError, match="--force"):
        models.add(smollm2_gguf(), settings)
    models.add(smollm2_gguf(), settings, force=True, licence="other")
    assert models.resolve(NAME, settings).manifest["licence"] == "other"
    assert left_behind(settings) == [NAME]


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "UPPER", "extractive", "x" * 101, "a\nb"])
def test_names_that_lead_elsewhere_are_refused(settings: Settings, name: str) -> None:
    with pytest.raises(UsageError, match="model"):
        models.add(smollm2_gguf(), settings, name=name)
    assert left_behind(settings) == []


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda p: p.write_bytes(b""), ModelCorruptError),
        (lambda p: p.write_bytes(b"not a model" * 1000), ModelCorruptError),
        (lambda p: p.write_bytes(smollm2_gguf().read_bytes()[:1000]), ModelCorruptError),
        (lambda p: p.write_bytes(smollm2_gguf().read_bytes()[:-1000]), ModelCorruptError),
        (lambda p: p.mkdir(), ModelNotFoundError),
        (lambda _p: None, ModelNotFoundError),
    ],
    ids=["empty", "no gguf", "cut early", "cut late", "a folder without a model", "missing"],
)
def test_what_is_no_model_is_refused(settings: Settings, tmp_path: Path, make, error: type[Exception]) -> None:
    source = tmp_path / "model.gguf"
    make(source)
    with pytest.raises(error):
        models.add(source, settings)
    assert left_behind(settings) == []


def test_a_checkpoint_is_told_from_a_model(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelNotFoundError, match=r"safetensors.*export"):
        models.add(tmp_path / "ckpt", settings)


def test_links_inside_a_folder_are_refused(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    for file in smollm2_onnx().iterdir():
        (folder / file.name).symlink_to(file)
    with pytest.raises(ModelCorruptError, match="links"):
        models.add(folder, settings)


def test_the_hash_that_was_asked_for_is_checked(settings: Settings) -> None:
    with pytest.raises(ModelCorruptError, match="expected"):
        models.add(smollm2_gguf(), settings, sha256="0" * 64)
    assert left_behind(settings) == []
    digest = hashlib.sha256(smollm2_gguf().read_bytes()).hexdigest()
    assert models.add(smollm2_gguf(), settings, sha256=digest.upper()).name == NAME


def test_a_download_needs_https_and_a_hash(settings: Settings) -> None:
    with pytest.raises(UsageError, match="sha256"):
        models.add("https://models.invalid/m.gguf", settings)
    with pytest.raises(UsageError, match="https"):
        models.add("http://models.invalid/m.gguf", settings, sha256="0" * 64)
    said: list[str] = []
    with pytest.raises(ModelNotFoundError, match="cannot be fetched"):
        models.add("https://models.invalid/m.gguf", settings, sha256="0" * 64, on_event=said.append)
    assert said == ["fetching https://models.invalid/m.gguf"]
    assert left_behind(settings) == []


def test_a_full_disk_leaves_nothing_behind(settings: Settings) -> None:
    # A limit on the size of files stops a write as a full disk does: with an OSError in the middle of the copy.
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from bump_edge import models; from bump_edge.settings import Settings\n"
        "from bump_edge.errors import ModelError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))\n"
        f"s = Settings(home=Path({str(settings.home)!r}), db=Path('x'), model='', json=False)\n"
        f"try: models.add({str(smollm2_gguf())!r}, s)\n"
        "except ModelError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nothing was kept" in done.stdout
    assert left_behind(settings) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10_000_000


def test_ambiguous_and_unknown_references_say_what_there_is(settings: Settings, added: models.ModelSpec) -> None:
    models.add(smollm2_gguf(), settings, name="smollm2-copy")
    with pytest.raises(ModelNotFoundError, match=r"could be .*smollm2-copy"):
        models.resolve("smollm2", settings)
    with pytest.raises(ModelNotFoundError, match="models add"):
        models.resolve("qwen", settings)
    with pytest.raises(ModelError):
        models.remove("extractive", settings)


def test_a_manifest_that_lies_or_escapes_is_refused(settings: Settings, added: models.ModelSpec) -> None:
    file = settings.models / NAME / "manifest.json"
    good = json.loads(file.read_text())
    for change in (
        {"format": 99},
        {"files": {"../../etc/passwd": {"bytes": 1, "sha256": "0"}}},
        {"files": {}},
        {"backend": "shell"},
        {"files": {"model.gguf": {"bytes": "many", "sha256": "0"}}},
    ):
        file.write_text(json.dumps(good | change))
        with pytest.raises(ModelCorruptError):
            models.resolve(NAME, settings)
    file.write_text("{")
    with pytest.raises(ModelCorruptError, match="cannot be read"):
        models.resolve(NAME, settings)


def test_names_are_made_from_files() -> None:
    assert clean_name("SmolLM2-135M-Instruct.Q4_1.gguf") == NAME
    assert clean_name("My Model (v2)") == "my-model-v2"
    with pytest.raises(UsageError):
        clean_name("模型.gguf")
