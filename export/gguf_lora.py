"""A LoRA of peft as an adapter for llama.cpp: only the change, in float32, to be loaded beside the base's GGUF."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError, UsageError
from export.checkpoint import missing
from export.gguf_file import write_tensors
from export.gguf_tensors import Shape, as_llama, names
from export.source import Source, weight_files

_SIDE = re.compile(r"^base_model\.model\.(.+)\.lora_([AB])\.weight$")


def write_adapter(path: Path, source: Source, shape: Shape, facts: Mapping[str, str]) -> int:
    """Write the LoRA `source` to `path`; returns its rank.

    Args:
        path: the file.
        source: a LoRA of one rank over linear layers.
        shape: of its base.
        facts: for the metadata ``general``.

    Raises:
        UsageError: it is no LoRA, or one that llama.cpp cannot express.
        ModelCorruptError: it cannot be read.
    """
    if source.base is None:
        raise UsageError(f"{source.folder} is no LoRA: expected one with --adapter, or leave that out")
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise missing(error) from None
    config = orjson.loads((source.folder / "adapter_config.json").read_bytes())
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    odd = {
        "is no LoRA": config.get("peft_type") != "LORA",
        "uses DoRA": config.get("use_dora"),
        "has ranks of its own for some layers": config.get("rank_pattern") or config.get("alpha_pattern"),
        "trains biases": config.get("bias", "none") != "none",
        "trains whole modules": config.get("modules_to_save"),
        "is transposed": config.get("fan_in_fan_out"),
    }
    for what, there in odd.items():
        if there:
            raise UsageError(f"{source.folder} {what}, which an adapter of llama.cpp cannot say: merge it instead")
    if config.get("use_rslora"):
        alpha *= rank**0.5  # llama.cpp scales by alpha / rank, rsLoRA by alpha / √rank
    name_of = names(shape)
    tensors: dict[str, Any] = {}
    for name, tensor in sorted(load_file(weight_files(source.folder)[0]).items()):
        found = _SIDE.match(name)
        theirs = name_of(found.group(1)) if found else None
        if found is None or theirs is None:
            raise UsageError(f"{source.folder} changes {name}, which an adapter of llama.cpp cannot: merge it instead")
        layer, side = found.groups()
        if theirs in ("token_embd", "output"):
            raise UsageError(f"{source.folder} changes {layer}, which this command does not write: merge it instead")
        # A (rank, inputs) comes before the rows change places, B (outputs, rank) has the rows
        tensors[f"{theirs}.weight.lora_{side.lower()}"] = (
            as_llama(f"{layer}.weight", tensor, shape) if side == "B" else tensor
        )
    if not tensors:
        raise ModelCorruptError(f"{source.folder} holds no LoRA weights")
    metadata = {
        "general.type": "adapter",
        **{f"general.{key}": value for key, value in facts.items()},
        "adapter.type": "lora",
        "adapter.lora.alpha": alpha,
    }
    write_tensors(path, shape.architecture, metadata, tensors)
    return rank
