"""An importance matrix: how large the inputs of each weight are on texts like those of the device.

llama.cpp's own tool adds up squares of what enters each matrix; its C interface takes such sums, so they are taken here
with hooks on the checkpoint, in float32: for each linear layer, the mean square of each input over all tokens. The
embedding, which a tied model uses for its output too, gets none, as in llama.cpp's tool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from export.checkpoint import missing
from export.corpus import TEMPLATE_TEXTS, texts
from export.gguf_tensors import Shape, names
from export.progress import say

TOKENS = 16_384
"""How many tokens are read: beyond, llama.cpp's users see no gain."""
_WINDOW = 512


def write_importance(path: Path, checkpoint: Path, tokenizer: Any, shape: Shape, files: Sequence[Path]) -> None:
    """Measure, and write an ``.npz`` of one vector a matrix, under llama.cpp's names.

    Args:
        path: the file.
        checkpoint: a plain checkpoint.
        tokenizer: its tokenizer.
        shape: its shape.
        files: see `export.corpus.texts`; an equal share of `TOKENS` from each.

    Raises:
        NotFoundError, InputError: see `export.corpus.texts`.
    """
    try:
        import numpy as np
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise missing(error) from None
    ids: list[int] = []
    for n, file in enumerate(files, 1):
        ids += tokenizer.encode(TEMPLATE_TEXTS[0], add_special_tokens=False)
        for text in texts([file]):
            if len(ids) >= TOKENS * n // len(files):
                break
            ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    say(f"importance of the weights over {len(ids)} tokens")
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint, local_files_only=True, dtype=torch.float32)
    model.eval()
    name_of = names(shape)
    sums: dict[str, Any] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_module: Any, inputs: tuple[Any, ...]) -> None:
            squares = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).square().sum(0)
            sums[name] = sums.get(name, 0) + squares

        return hook

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and not (name == "lm_head" and shape.tied):
            module.register_forward_pre_hook(note(f"{name_of(name)}.weight"))
    with torch.inference_mode():
        for start in range(0, len(ids), _WINDOW):
            model.model(torch.tensor([ids[start : start + _WINDOW]]))
    np.savez(path, **{name: (total / len(ids)).numpy().astype(np.float32) for name, total in sums.items()})
