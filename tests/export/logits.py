"""The next-token distributions of a checkpoint and of what was exported from it, on the same tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bump_edge.backends.llama import LlamaModel
from bump_edge.backends.onnx import OnnxBackend

Logits = NDArray[np.float32]


def of_checkpoint(folder: Path, tokens: list[int]) -> Logits:
    """(tokens, vocabulary), from transformers in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    with torch.no_grad():
        found: Logits = model(torch.tensor([tokens])).logits[0].numpy()
    return found


def of_onnx(folder: Path, tokens: list[int]) -> Logits:
    """The same, from the runtime's own backend."""
    backend = OnnxBackend(folder, threads=1)
    try:
        return backend.logits(tokens)
    finally:
        backend.close()


def of_gguf(file: Path, tokens: list[int], adapter: Path | None = None) -> Logits:
    """The same, from the runtime's own llama.cpp; with a LoRA on top, if one is given."""
    model = LlamaModel(file, threads=1, batch_size=1)
    try:
        return model.logits(tokens, adapter=adapter)
    finally:
        model.close()
