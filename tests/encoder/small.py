"""A sentence encoder of a few kilobytes that knows some words' meanings: a look-up table as an ONNX model.

Words of one group share a direction, and every word has a little of its own, so that ``varnish`` is near ``lacquer``
and far from ``strings``. What it gives is known without it: `vector`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson

GROUPS = (
    ("lacquer", "varnish", "coating"),
    (
        "strings",
        "guitar",
        "pickup",
        "pickups",
        "pedal",
        "amp",
        "microphone",
        "microphones",
        "recording",
        "files",
        "noise",
    ),
    ("noodles", "ramen", "broth"),
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = [*SPECIAL, *(word for group in GROUPS for word in group)]
WIDTH = 16


def table() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(words, width): what the encoder looks up."""
    own = np.random.default_rng(0).normal(size=(len(WORDS), WIDTH)).astype(np.float32) * 0.1
    for n, group in enumerate(GROUPS):
        for word in group:
            own[WORDS.index(word), n] += 3.0
    own[0] = 100.0  # what fills a batch up must not show
    return own


def vector(text: str, *, pooling: str = "mean", normalize: bool = True, max_tokens: int = 16) -> list[float]:
    """What the encoder gives for `text`, a text of lower-case words."""
    ids = [2, *[WORDS.index(w) if w in WORDS else 1 for w in text.split()][: max_tokens - 2], 3]
    rows = table()[ids].astype(np.float64)
    out = {"mean": rows.mean(axis=0), "max": rows.max(axis=0), "cls": rows[0]}[pooling]
    return list(out / np.linalg.norm(out) if normalize else out)


def write_encoder(folder: Path, *, manifest: bool = True, changes: dict[str, Any] | None = None) -> Path:
    """Write the encoder into `folder`, with the manifest that an export writes unless told otherwise.

    Args:
        folder: made if need be; returned.
        manifest: whether to write one.
        changes: to ``encoder.json``.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    states = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", WIDTH])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "small", inputs, [states], [numpy_helper.from_array(table(), "table")],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {"format": 1, "pooling": "mean", "normalize": True, "max_tokens": 16, "dimensions": WIDTH} | (changes or {})
    (folder / "encoder.json").write_bytes(orjson.dumps(said))
    if manifest:
        write_manifest(folder)
    return folder


def write_manifest(folder: Path, **changes: Any) -> None:
    """The manifest of what is in `folder` now."""
    files = [
        {"name": p.name, "size": p.stat().st_size, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()}
        for p in sorted(folder.iterdir())
        if p.name != "manifest.json"
    ]
    content = {
        "format": 1, "name": "small", "backend": "onnx", "kind": "encoder", "files": files, "source": "made-here",
        "licence": "apache-2.0", "figures": {"cosine_min": 1.0},
    }  # fmt: skip
    (folder / "manifest.json").write_bytes(orjson.dumps(content | changes))
