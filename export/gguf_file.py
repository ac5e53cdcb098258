"""Writes a GGUF file: metadata, tokenizer, weights in float32, float16 or bfloat16.

Vectors (norms, biases) stay in float32, as in llama.cpp's own converter. One tensor at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from bump_edge.errors import ModelCorruptError
from export.checkpoint import missing
from export.gguf_tensors import Shape, rope_factors, tensors
from export.gguf_tokenizer import Vocabulary
from export.source import shapes

FLOATS = {"F32": 0, "F16": 1, "BF16": 32}
"""Types without quantisation, with their numbers in ``general.file_type``."""


def write_model(
    path: Path, folder: Path, shape: Shape, vocabulary: Vocabulary, *, kind: str, facts: Mapping[str, str]
) -> None:
    """Write the checkpoint in `folder` to `path`.

    Args:
        path: the file; must not exist.
        folder: a plain checkpoint.
        shape: its shape.
        vocabulary: its tokenizer.
        kind: of the weights, one of `FLOATS`.
        facts: ``name``, ``license`` and the like for the metadata ``general``.

    Raises:
        ModelCorruptError: weights are missing, or do not have the form that the configuration says.
        OSError: the file cannot be written.
    """
    writer = _writer(path, shape.architecture)
    writer.add_type("model")
    for key, value in facts.items():
        writer.add_string(f"general.{key}", value)
    writer.add_file_type(FLOATS[kind])
    writer.add_quantization_version(2)
    _add_shape(writer, shape)
    _add_vocabulary(writer, vocabulary)
    _check(folder, shape)
    extra = []
    if (factors := rope_factors(shape)) is not None:
        import torch

        extra.append(("rope_freqs.weight", torch.tensor(factors, dtype=torch.float32)))
    _write(writer, lambda: chain(extra, tensors(folder, shape)), kind)


def write_tensors(path: Path, architecture: str, metadata: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    """Write `entries`, tensors of torch by name, in float32, with `metadata`: an adapter.

    Args:
        path: the file.
        architecture: of the base.
        metadata: keys with values that are strings or floats.
        entries: the tensors.
    """
    writer = _writer(path, architecture)
    for key, value in metadata.items():
        if isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_string(key, value)
    writer.add_file_type(FLOATS["F32"])
    _write(writer, entries.items, "F32")


def _writer(path: Path, architecture: str) -> Any:
    try:
        import gguf
    except ImportError as error:
        raise missing(error) from None
    return gguf.GGUFWriter(path, architecture)


def _add_shape(writer: Any, shape: Shape) -> None:
    import gguf

    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope["rope_theta"])
    kind = shape.rope.get("rope_type")
    if kind in ("linear", "yarn"):
        scaling = gguf.RopeScalingType.LINEAR if kind == "linear" else gguf.RopeScalingType.YARN
        writer.add_rope_scaling_type(scaling)
        writer.add_rope_scaling_factor(shape.rope["factor"])
        if trained := shape.rope.get("original_max_position_embeddings"):
            writer.add_rope_scaling_orig_ctx_len(trained)


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list([token.encode() for token in vocabulary.tokens])
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges([merge.encode() for merge in vocabulary.merges])
    for add, number in (
        (writer.add_bos_token_id, vocabulary.bos),
        (writer.add_eos_token_id, vocabulary.eos),
        (writer.add_unk_token_id, vocabulary.unk),
        (writer.add_pad_token_id, vocabulary.pad),
    ):
        if number is not None:
            add(number)
    writer.add_add_bos_token(vocabulary.add_bos)
    if vocabulary.template is not None:
        writer.add_chat_template(vocabulary.template)


def _check(folder: Path, shape: Shape) -> None:
    there = shapes(folder)
    wanted: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (shape.vocabulary, shape.width), "model.norm.weight": (shape.width,)
    }  # fmt: skip
    for layer in range(shape.layers):
        at = f"model.layers.{layer}"
        wanted[f"{at}.self_attn.q_proj.weight"] = (shape.heads * shape.head, shape.width)
        wanted[f"{at}.self_attn.k_proj.weight"] = (shape.kv_heads * shape.head, shape.width)
        wanted[f"{at}.self_attn.v_proj.weight"] = (shape.kv_heads * shape.head, shape.width)
        wanted[f"{at}.self_attn.o_proj.weight"] = (shape.width, shape.heads * shape.head)
        wanted[f"{at}.mlp.gate_proj.weight"] = wanted[f"{at}.mlp.up_proj.weight"] = (shape.inner, shape.width)
        wanted[f"{at}.mlp.down_proj.weight"] = (shape.width, shape.inner)
        wanted[f"{at}.input_layernorm.weight"] = wanted[f"{at}.post_attention_layernorm.weight"] = (shape.width,)
    if not shape.tied:
        wanted["lm_head.weight"] = (shape.vocabulary, shape.width)
    for name, form in wanted.items():
        if there.get(name) != form:
            found = f"has the form {there[name]}" if name in there else "is missing"
            raise ModelCorruptError(f"{name} in {folder} {found}, and its configuration says {form}")


def _write(writer: Any, every: Callable[[], Iterable[tuple[str, Any]]], kind: str) -> None:
    """Twice over the tensors: for the table of contents, then for the numbers."""
    try:
        for name, tensor in every():
            data, raw = _numbers(tensor, kind, type_only=True)
            writer.add_tensor_info(name, tuple(tensor.shape), data, tensor.numel() * data.itemsize, raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _, tensor in every():
            writer.write_tensor_data(_numbers(tensor, kind)[0])
    finally:
        writer.close()


def _numbers(tensor: Any, kind: str, *, type_only: bool = False) -> tuple[Any, Any]:
    """The array to write, or only its type of numpy; and its type in GGUF."""
    import gguf
    import numpy as np
    import torch

    kinds = gguf.GGMLQuantizationType
    name = "F32" if tensor.dim() == 1 else kind
    numpy_type = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}[name]
    if type_only:
        return np.dtype(numpy_type), kinds[name]
    torch_type = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[name]
    made = tensor.to(torch_type).contiguous()
    return (made.view(torch.uint16) if name == "BF16" else made).numpy(), kinds[name]
