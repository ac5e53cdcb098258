"""An encoder among the models: added, listed, verified, refused where it does not belong."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bump_edge import ModelCorruptError, ModelError, ModelNotFoundError, Settings, open_encoder, open_model
from bump_edge.models import add, list_models, remove, resolve, verify
from tests.encoder.small import vector, write_encoder, write_manifest


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", db=tmp_path / "x.db", model="extractive", json=False)


def left_behind(settings: Settings) -> list[str]:
    return sorted(p.name for p in settings.models.iterdir()) if settings.models.exists() else []


@pytest.mark.parametrize("manifest", [True, False])
def test_from_adding_to_removing(settings: Settings, tmp_path: Path, manifest: bool) -> None:
    source = write_encoder(tmp_path / "Sees", manifest=manifest)
    spec = add(source, settings, licence=None if manifest else "mit")
    assert (spec.name, spec.backend, spec.kind) == ("sees", "onnx", "encoder")
    found = verify("sees", settings)
    assert (found.licence, found.extra["kind"]) == ("apache-2.0" if manifest else "mit", "encoder")
    assert list_models(settings) == [resolve("see", settings)] == [spec]
    with open_encoder("sees", settings) as encoder:
        assert encoder.name == "sees"
        assert encoder(["lacquer"])[0] == pytest.approx(vector("lacquer"), abs=1e-5)
    with open_encoder(str(source), settings) as at_path:
        assert at_path(["lacquer"])[0] == pytest.approx(vector("lacquer"), abs=1e-5)
    with pytest.raises(ModelError, match="sentence encoder, which writes no profiles"):
        open_model("sees", settings)
    with pytest.raises(ModelError, match="sentence encoder, which writes no profiles"):
        open_model(str(source), settings)
    remove("sees", settings)
    with pytest.raises(ModelNotFoundError):
        open_encoder("sees", settings)


def test_a_model_that_writes_is_no_encoder(settings: Settings) -> None:
    with pytest.raises(ModelError, match="'extractive' is a profiler, no sentence encoder"):
        open_encoder("extractive", settings)


def test_a_changed_byte_after_adding(settings: Settings, tmp_path: Path) -> None:
    spec = add(write_encoder(tmp_path / "e"), settings)
    assert spec.path is not None
    file = spec.path / "model.onnx"
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelCorruptError, match="was changed or damaged"):
        verify("e", settings)
    with pytest.raises(ModelCorruptError, match="was changed or damaged"):
        open_encoder("e", settings)(["lacquer"])
    file.write_bytes(content[:-1])
    with pytest.raises(ModelCorruptError):
        open_encoder("e", settings)


def test_what_is_not_added(settings: Settings, tmp_path: Path) -> None:
    whole = write_encoder(tmp_path / "lies")
    write_manifest(whole, kind="profiler")
    with pytest.raises(ModelCorruptError, match="says that it is a profiler"):
        add(whole, settings)
    content = orjson.loads((whole / "manifest.json").read_bytes()) | {"kind": "encoder"}
    files = [f for f in content["files"] if f["name"] != "tokenizer.json"]
    (whole / "manifest.json").write_bytes(orjson.dumps(content | {"files": files}))
    with pytest.raises(ModelCorruptError, match=r"tokenizer\.json is missing"):  # the manifest leaves it out
        add(whole, settings)
    for missing in ("model.onnx", "tokenizer.json", "encoder.json"):
        folder = write_encoder(tmp_path / f"no-{missing}", manifest=False)
        (folder / missing).unlink()
        with pytest.raises(ModelCorruptError, match=r"is missing|no model that a backend runs"):
            add(folder, settings)
    folder = write_encoder(tmp_path / "cut", manifest=False)
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-7])
    with pytest.raises(ModelCorruptError, match="a part is missing"):
        add(folder, settings)
    assert left_behind(settings) == []
