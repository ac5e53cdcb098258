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
        backend._make_room(len(tokens) + 1)
        rows = []
        for token in tokens:
            backend._append([token])
            rows.append(np.array(backend._generator.get_logits()[0, -1], dtype=np.float32))
        return np.stack(rows)
    finally:
        backend.close()


def of_gguf(file: Path, tokens: list[int], adapter: Path | None = None) -> Logits:
    """The same, from the runtime's own llama.cpp; with a LoRA on top, if one is given."""
    import ctypes

    model = LlamaModel(file, threads=1, batch_size=1)
    try:
        model._make_room(len(tokens) + 1)
        if adapter is not None:
            lora = model.api.llama_adapter_lora_init(model._model, str(adapter).encode())
            assert lora, "llama.cpp does not take the adapter"
            one = (type(lora) * 1)(lora)
            scale = (ctypes.c_float * 1)(1.0)
            assert model.api.llama_set_adapters_lora(model._context, one, 1, scale) == 0
        width = model.api.llama_vocab_n_tokens(model._vocab)
        rows = []
        for start in range(0, len(tokens), 128):
            part = tokens[start : start + 128]
            model._decode([(t, start + n, 1, True) for n, t in enumerate(part)])
            for n in range(len(part)):
                row = model.api.llama_get_logits_ith(model._context, n)
                rows.append(np.ctypeslib.as_array(row, (width,)).copy())
        return np.stack(rows)
    finally:
        model.close()


def greedy_agreement(ours: Logits, theirs: Logits) -> float:
    """Share of positions at which both hold the same token for the likeliest."""
    return float((ours.argmax(-1) == theirs.argmax(-1)).mean())


def divergence(ours: Logits, theirs: Logits) -> float:
    """Mean KL of `theirs` from `ours`, in nats."""

    def log_softmax(x: Logits) -> NDArray[np.float64]:
        x64 = x.astype(np.float64)
        x64 -= x64.max(-1, keepdims=True)
        found: NDArray[np.float64] = x64 - np.log(np.exp(x64).sum(-1, keepdims=True))
        return found

    p, q = log_softmax(ours), log_softmax(theirs)
    return float((np.exp(p) * (p - q)).sum(-1).mean())
