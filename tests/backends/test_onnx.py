"""The onnx backend when parts of its folder are missing or damaged, and its sampler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from bump_edge import (
    GenerationError,
    GenerationOptions,
    ModelCorruptError,
    ModelNotFoundError,
    UsageError,
    generate,
)
from bump_edge.backends.onnx import OnnxBackend
from bump_edge.backends.onnx_folder import check_folder
from bump_edge.backends.sampler import Sampler
from tests.conformance.samples import GUITARS
from tests.real_models import smollm2_onnx

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the real folder; its big files are links, which a test replaces before it changes them."""
    copy = tmp_path / "model"
    copy.mkdir()
    for file in smollm2_onnx().iterdir():
        os.link(file, copy / file.name) if file.stat().st_dev == copy.stat().st_dev else shutil.copy(file, copy)
    return copy


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_a_sound_folder_is_described(folder: Path) -> None:
    found = check_folder(folder)
    assert (found.architecture, found.context_tokens, found.ends) == ("llama", 8192, {2})
    assert found.files == (
        "genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json",
    )  # fmt: skip
    assert "<|im_start|>" in found.special


def test_an_answer_that_repeats_itself_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = OnnxBackend(smollm2_onnx(), threads=1)
    stuck = cycle(backend._tokenizer.encode(" recordings,"))
    monkeypatch.setattr(Sampler, "pick", lambda *_: next(stuck))
    (written,) = generate(backend, [GUITARS], GenerationOptions(max_tokens=100))
    backend.close()
    assert written.text == "recordings" + ", recordings" * 6
    assert (written.finish, written.tokens) == ("length", 13)


@pytest.mark.parametrize(
    "name", ["genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_every_part_is_missed(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        rewrite(path, b"" if damage == "empty" else content[:-2])
    with pytest.raises(ModelCorruptError, match=name.replace(".", r"\.")):
        OnnxBackend(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "expected an object for model"),
        ({"model": {"decoder": {}, "context_length": 5}}, "names no model file"),
        ({"model": {"decoder": {"filename": "../../etc/passwd"}, "context_length": 5, "eos_token_id": 2}}, "outside"),
        (
            {"model": {"decoder": {"filename": "tokenizer.json"}, "context_length": 5, "eos_token_id": 2}},
            "no ONNX model",
        ),
        ({"model": {"decoder": {"filename": "model.onnx"}, "context_length": "long"}}, "context_length"),
        ({"model": {"decoder": {"filename": "model.onnx"}, "context_length": 5}}, "eos_token_id"),
    ],
)
def test_a_config_that_says_nonsense(folder: Path, change: dict[str, object], said: str) -> None:
    rewrite(folder / "genai_config.json", json.dumps(change).encode())
    with pytest.raises(ModelCorruptError, match=said):
        check_folder(folder)


def library_that_marks(folder: Path) -> Path:
    """A shared library in `folder` that makes the file ``ran`` beside it when it is loaded; that file."""
    mark = folder / "ran"
    source = folder / "evil.c"
    source.write_text(
        f'#include <stdio.h>\n__attribute__((constructor)) static void run(void) {{ fopen("{mark}", "w"); }}'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(folder / "evil.so"), str(source)], check=True)
    source.unlink()
    return mark


@pytest.mark.parametrize("key", ["custom_ops_library", "library_path"])
def test_a_folder_that_brings_code_is_refused(folder: Path, key: str) -> None:
    mark = library_that_marks(folder)
    config = json.loads((folder / "genai_config.json").read_bytes())
    config["model"]["decoder"]["session_options"] = {key: "evil.so"}
    rewrite(folder / "genai_config.json", json.dumps(config).encode())
    with pytest.raises(ModelCorruptError, match=key):
        OnnxBackend(folder)
    assert not mark.exists()
    if key == "custom_ops_library":  # the gate can fail: the runtime by itself loads it
        code = "import sys, onnxruntime_genai as og\ntry:\n    og.Model(sys.argv[1])\nexcept Exception:\n    pass"
        subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, check=False)
        assert mark.exists()


def test_what_the_check_cannot_see_is_still_an_error(folder: Path) -> None:
    config = json.loads((folder / "genai_config.json").read_text())
    config["model"]["type"] = "lamah"
    rewrite(folder / "genai_config.json", json.dumps(config).encode())
    with pytest.raises(ModelCorruptError, match="cannot load model"):
        OnnxBackend(folder)


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        OnnxBackend(tmp_path / "nothing")
    with pytest.raises(UsageError, match="provider"):
        OnnxBackend(smollm2_onnx(), provider="tpu")
    with pytest.raises(UsageError, match="64 to 8192"):
        OnnxBackend(smollm2_onnx(), context_tokens=9000)


OURS = "from bump_edge.backends.onnx import OnnxBackend as open_; from bump_edge import GenerationOptions, generate"
RUN = """
import sys
from pathlib import Path
from tests.conformance.samples import GUITARS
from tests.real_models import smollm2_onnx
{ours}
backend = open_(smollm2_onnx(), context_tokens=512)
generate(backend, [GUITARS], GenerationOptions(max_tokens=2))
"""
BARE = (
    "import onnxruntime_genai; from tests.real_models import smollm2_onnx; onnxruntime_genai.Model(str(smollm2_onnx()))"
)


@pytest.mark.network
def test_nothing_is_collected_and_nothing_is_written(tmp_path: Path) -> None:
    """The runtime's telemetry keeps a device id and what it did not send yet in the cache directory. Ours leaves none.

    The bare runtime, without a network, shows that the test can fail.
    """
    for name, code, collects in (("ours", RUN.format(ours=OURS), False), ("bare", BARE, True)):
        home = tmp_path / name
        home.mkdir()
        kept = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k and k not in ("CI", "XDG_CACHE_HOME")}
        subprocess.run(
            ["unshare", "-rn", sys.executable, "-c", code],
            check=True, cwd=ROOT, env=kept | {"HOME": str(home)}, capture_output=True, timeout=60,
        )  # fmt: skip
        written = [str(p.relative_to(home)) for p in home.rglob("*")]
        assert any("Microsoft" in p for p in written) == collects, written
        assert collects or written == []


def test_the_sampler_follows_the_mass() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))
    counts = np.zeros(4)
    sampler = Sampler(GenerationOptions(temperature=1, seed=1))
    for _ in range(4000):
        counts[sampler.pick(logits)] += 1
    assert np.abs(counts / 4000 - [0.5, 0.3, 0.15, 0.05]).max() < 0.03
    cold = Sampler(GenerationOptions(temperature=0.05, seed=1))
    assert {cold.pick(logits) for _ in range(50)} == {0}
    for options, possible in (
        (GenerationOptions(temperature=1, top_k=2), {0, 1}),
        (GenerationOptions(temperature=1, top_p=0.8), {0, 1}),
        (GenerationOptions(temperature=1, top_p=0.81), {0, 1, 2}),
        (GenerationOptions(temperature=1, top_p=1e-6), {0}),
    ):
        picked = Sampler(options)
        assert {picked.pick(logits) for _ in range(300)} == possible


def test_the_penalty_is_for_what_was_written() -> None:
    sampler = Sampler(GenerationOptions(repetition_penalty=1.5))
    logits = np.array([3.0, 2.5, -1.0], dtype=np.float32)
    assert [sampler.pick(logits) for _ in range(3)] == [0, 1, 0]
    negative = np.array([-1.0, -1.2, -9.0], dtype=np.float32)
    sampler = Sampler(GenerationOptions(repetition_penalty=1.5))
    assert [sampler.pick(negative) for _ in range(2)] == [0, 1]
    assert logits.tolist() == [3.0, 2.5, -1.0]


@pytest.mark.parametrize("bad", [[np.nan, 1, 2], [1, np.inf, 2], [-np.inf, -np.inf, -np.inf]])
def test_damaged_weights_are_an_error_not_a_text(bad: list[float]) -> None:
    with pytest.raises(GenerationError, match="not finite"):
        Sampler(GenerationOptions()).pick(np.array(bad, dtype=np.float32))
