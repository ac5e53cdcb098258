"""The backends that the suite runs on. To try one of yours, add it to `KINDS` and run ``pytest tests/conformance``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from bump_edge import Backend, ScriptedBackend
from tests.real_models import smollm2_gguf, smollm2_onnx


def _extractive() -> Backend:
    from bump_edge.backends.extractive import ExtractiveBackend

    return ExtractiveBackend()


def _scripted() -> Backend:
    return ScriptedBackend(context_tokens=2048)


def _endless() -> Backend:
    """A model that never stops."""
    return ScriptedBackend(lambda p: "on and on " * 100_000, context_tokens=2048, batch_size=2)


def _onnx() -> Backend:
    from bump_edge.backends.onnx import OnnxBackend

    return OnnxBackend(smollm2_onnx(), context_tokens=2048)


def _gguf() -> Backend:
    from bump_edge.backends.gguf import GgufBackend

    return GgufBackend(smollm2_gguf(), context_tokens=2048)


def _gguf_in_process() -> Backend:
    from bump_edge.backends.gguf import GgufBackend

    return GgufBackend(smollm2_gguf(), context_tokens=2048, isolate=False, batch_size=2)


KINDS: dict[str, Callable[[], Backend]] = {
    "scripted": _scripted,
    "scripted-endless": _endless,
    "onnx": _onnx,
    "gguf": _gguf,
    "gguf-in-process": _gguf_in_process,
}
if importlib.util.find_spec("bump_edge.backends.extractive") is not None:
    KINDS["extractive"] = _extractive

REAL = {"onnx", "gguf", "gguf-in-process"}
"""Language models: they sample, and they keep the state of a prefix."""
KEEPS_PREFIX = REAL
SAMPLES = REAL
UNLIMITED = {"extractive"}
"""Those that read a prompt of any length."""
NEVER_STOPS = {"scripted-endless"}
