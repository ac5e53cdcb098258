"""The weights of a Llama, Qwen2 or Qwen3 under the names, and in the order of numbers, of llama.cpp."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.errors import ModelCorruptError, UsageError
from export.checkpoint import missing
from export.gguf_tokenizer import CONVERTER
from export.source import weight_files

ARCHITECTURES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3"}
"""The classes of transformers, and what llama.cpp calls them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A model's architecture, in llama.cpp's terms.

    Args:
        architecture: ``llama``, ``qwen2`` or ``qwen3``.
        layers, width, inner, heads, kv_heads, head: counts, and sizes in numbers.
        context: in tokens. vocabulary: rows of the embedding.
        epsilon: of the norms. tied: whether the output is the embedding.
        rope: the rotary embedding's parameters, as transformers 5 has them.
    """

    architecture: str
    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head: int
    context: int
    vocabulary: int
    epsilon: float
    tied: bool
    rope: dict[str, Any]


def read_shape(folder: Path) -> Shape:
    """The shape of the checkpoint in `folder`.

    Raises:
        UsageError: an architecture, or a variant of it, that this command does not write.
        ModelCorruptError: the configuration cannot be read.
    """
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise missing(error) from None
    try:
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelCorruptError(f"the configuration in {folder} cannot be read: {error}") from None
    name = (config.architectures or ["unknown"])[0]
    if name not in ARCHITECTURES:
        raise UsageError(
            f"{folder} is a {name}: this command writes {', '.join(ARCHITECTURES)}; use {CONVERTER} for others",
            details={"architecture": name, "supported": list(ARCHITECTURES)},
        )
    rope = dict(config.rope_parameters)
    odd = {
        "a sliding window": set(getattr(config, "layer_types", None) or ["full_attention"]) != {"full_attention"},
        "quantised weights": getattr(config, "quantization_config", None) is not None,
        f"the activation {config.hidden_act}": config.hidden_act != "silu",
        f"the rope {rope.get('rope_type')}": rope.get("rope_type") not in ("default", "linear", "yarn", "llama3"),
        "a partial rope": rope.get("partial_rotary_factor", 1.0) != 1.0,
        "biases in its MLP": bool(getattr(config, "mlp_bias", False)),
    }
    for what, there in odd.items():
        if there:
            raise UsageError(f"{folder} is a {name} with {what}, which this command does not write: use {CONVERTER}")
    return Shape(
        architecture=ARCHITECTURES[name],
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        inner=config.intermediate_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads or config.num_attention_heads,
        head=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        context=config.max_position_embeddings,
        vocabulary=config.vocab_size,
        epsilon=config.rms_norm_eps,
        tied=bool(config.tie_word_embeddings),
        rope=rope,
    )


def names(shape: Shape) -> Any:
    """A function from a tensor's name in transformers, without its ending, to that of llama.cpp, or None."""
    try:
        import gguf
    except ImportError as error:
        raise missing(error) from None
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    return gguf.get_tensor_name_map(kinds[shape.architecture], shape.layers).get_name


def tensors(folder: Path, shape: Shape) -> Iterator[tuple[str, Any]]:
    """The weights, one at a time: llama.cpp's name and a tensor of torch, in the numbers of the checkpoint.

    Raises:
        ModelCorruptError: a tensor that the architecture does not have, or one of another form.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise missing(error) from None
    name_of = names(shape)
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in sorted(file.keys()):
                    if name.endswith(".rotary_emb.inv_freq") or (name == "lm_head.weight" and shape.tied):
                        continue
                    stem, _, ending = name.rpartition(".")
                    theirs = name_of(stem)
                    if theirs is None:
                        raise ModelCorruptError(
                            f"{path} has {name}, which a {shape.architecture} does not: {CONVERTER}"
                        )
                    yield f"{theirs}.{ending}", as_llama(name, file.get_tensor(name), shape)
        except SafetensorError as error:
            raise ModelCorruptError(f"{path} cannot be read: {error}; save the checkpoint again") from None


def as_llama(name: str, tensor: Any, shape: Shape) -> Any:
    """The tensor `name` with its rows in llama.cpp's order.

    transformers turns the two halves of a head against each other, llama.cpp's ``llama`` neighbouring pairs: rows of
    queries and keys change places. Qwen's are left as they are.
    """
    if shape.architecture != "llama":
        return tensor
    for layer, heads in (("q_proj", shape.heads), ("k_proj", shape.kv_heads)):
        if f".{layer}." in name:
            # (heads, 2, head/2, …) → (heads, head/2, 2, …)
            rows = tensor.shape[0]
            return tensor.reshape(heads, 2, rows // heads // 2, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
    return tensor


def rope_factors(shape: Shape) -> list[float] | None:
    """By what Llama 3's rope divides each frequency; None for other ropes.

    Source: `_compute_llama3_parameters` of transformers; llama.cpp reads them from the tensor ``rope_freqs.weight``.
    """
    rope = shape.rope
    if rope.get("rope_type") != "llama3":
        return None
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    trained = rope["original_max_position_embeddings"]
    found = []
    for i in range(0, shape.head, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (i / shape.head)
        if wave < trained / high:
            found.append(1.0)
        elif wave > trained / low:
            found.append(float(factor))
        else:
            smooth = (trained / wave - low) / (high - low)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return found
