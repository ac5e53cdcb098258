"""Changing the weights of a checkpoint without its code: rows of the embedding, and whole layers, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bump_edge.errors import UsageError

EMBEDDINGS = ("model.embed_tokens.weight", "lm_head.weight")
_LAYER = re.compile(r"^(model\.layers\.)(\d+)(\..+)$")
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "decoder_start_token_id")


def pick_rows(weights: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The weights with the rows `kept` of the embedding, and of the output where that is another matrix.

    Raises:
        UsageError: there is no embedding of the name that Llama, Qwen and their kin give it.
    """
    import torch

    if EMBEDDINGS[0] not in weights:
        raise UsageError(f"the checkpoint has no {EMBEDDINGS[0]}: its vocabulary cannot be pruned")
    rows = torch.tensor(list(kept))
    return {name: w[rows].contiguous() if name in EMBEDDINGS else w for name, w in weights.items()}


def drop_layers(weights: Mapping[str, Any], dropped: Sequence[int]) -> dict[str, Any]:
    """The weights without the layers `dropped`, the others numbered anew.

    Raises:
        UsageError: there is no such layer, or none would be left.
    """
    there = sorted({int(found.group(2)) for name in weights if (found := _LAYER.match(name))})
    if unknown := sorted(set(dropped) - set(there)):
        raise UsageError(f"there is no layer {unknown[0]}: expected some of 0 to {len(there) - 1}")
    left = [n for n in there if n not in set(dropped)]
    if not left:
        raise UsageError("no layer would be left: drop fewer")
    made = {}
    for name, weight in weights.items():
        found = _LAYER.match(name)
        if found is None:
            made[name] = weight
        elif int(found.group(2)) in left:
            made[f"{found.group(1)}{left.index(int(found.group(2)))}{found.group(3)}"] = weight
    return made


def config_without(config: Mapping[str, Any], dropped: Sequence[int]) -> dict[str, Any]:
    """A ``config.json`` for the weights that `drop_layers` gives."""
    made = dict(config)
    made["num_hidden_layers"] = config["num_hidden_layers"] - len(set(dropped))
    if isinstance(config.get("layer_types"), list):
        made["layer_types"] = [kind for n, kind in enumerate(config["layer_types"]) if n not in set(dropped)]
    if isinstance(config.get("max_window_layers"), int):
        made["max_window_layers"] = min(config["max_window_layers"], made["num_hidden_layers"])
    return made


def config_with_ids(config: Mapping[str, Any], new_ids: Mapping[int, int]) -> dict[str, Any]:
    """A ``config.json`` or ``generation_config.json`` with the ids of special tokens as they are now."""
    made = dict(config)
    for key in _IDS:
        if isinstance(value := config.get(key), int):
            made[key] = new_ids.get(value)
        elif isinstance(value, list):
            made[key] = [new_ids[n] for n in value if n in new_ids]
    if "vocab_size" in config:
        made["vocab_size"] = len(new_ids)
    return made
