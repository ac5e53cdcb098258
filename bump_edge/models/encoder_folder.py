"""The folder of a sentence encoder, as `python -m export encoder` writes it: what it holds, and whether it is whole.

``encoder.json`` says how texts become vectors (see `EncoderFolder`), ``tokenizer.json`` is of the package tokenizers,
and ``model.onnx`` makes of a text's token ids one vector a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.backends.onnx_folder import check_onnx
from bump_edge.errors import ModelCorruptError, ModelNotFoundError

ENCODER = "encoder.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
FORMAT = 1
"""Version of the form of ``encoder.json``."""
POOLINGS = ("mean", "cls", "max")
"""How the vectors of a text's tokens become one: their mean, the first one, the largest of each number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderFolder:
    """What a checked folder says.

    Args:
        path: the folder.
        pooling: one of `POOLINGS`.
        normalize: whether vectors are brought to length 1.
        max_tokens: what is read of a text, special tokens included; the rest is cut off.
        dimensions: numbers in a vector.
        pad_id: the token that fills a batch up.
        lower_case: whether texts are lower-cased before the tokenizer sees them.
        prefix: written before every text.
        batches: whether several texts may be run at once. Not in int8: what flows through the model is quantised by the
            largest number in the batch, so that a vector would depend on its neighbours (MiniLM: cosine 0.983).
    """

    path: Path
    pooling: str
    normalize: bool
    max_tokens: int
    dimensions: int
    pad_id: int = 0
    lower_case: bool = False
    prefix: str = ""
    batches: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The content of ``encoder.json``."""
        return {"format": FORMAT} | {f: getattr(self, f) for f in self.__dataclass_fields__ if f != "path"}


def is_encoder(folder: Path) -> bool:
    """Whether the model in `folder` is a sentence encoder."""
    return (folder / ENCODER).is_file()


def check_encoder(folder: Path) -> EncoderFolder:
    """Check the folder at `folder`: is everything there, and all of each?

    Raises:
        ModelNotFoundError: there is no such folder.
        ModelCorruptError: a part is missing, cut off, of a newer form, or not what it should be.
    """
    if not folder.is_dir():
        raise ModelNotFoundError(
            f"there is no folder {folder}: expected a sentence encoder that `python -m export encoder` wrote",
            details={"path": str(folder)},
        )
    said = _json(folder, ENCODER)
    if said.get("format") != FORMAT:
        raise _corrupt(folder, f"{ENCODER} has the format {said.get('format')!r} and this bump-edge reads {FORMAT}")
    kinds: dict[str, type] = {
        "pooling": str, "normalize": bool, "max_tokens": int, "dimensions": int, "pad_id": int, "lower_case": bool,
        "prefix": str, "batches": bool,
    }  # fmt: skip
    known = {key: value for key, value in said.items() if key in kinds}
    for key, value in known.items():
        # True is an int to Python, and none here
        if not isinstance(value, kinds[key]) or (kinds[key] is int and isinstance(value, bool)):
            raise _corrupt(folder, f"{ENCODER} has the {key} {value!r}: expected a {kinds[key].__name__}")
    try:
        found = EncoderFolder(path=folder, **known)
    except TypeError as error:
        raise _corrupt(folder, f"{ENCODER} does not say all that it should ({error})") from error
    if found.pooling not in POOLINGS:
        raise _corrupt(folder, f"{ENCODER} has the pooling {found.pooling!r}: expected one of {', '.join(POOLINGS)}")
    if found.max_tokens < 3 or found.dimensions < 1 or found.pad_id < 0:
        raise _corrupt(folder, f"{ENCODER} has a max_tokens, dimensions or pad_id that cannot be")
    _json(folder, TOKENIZER)
    check_onnx(folder, MODEL)
    return found


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        content = orjson.loads((folder / name).read_bytes())
    except FileNotFoundError as error:
        raise _corrupt(folder, f"{name} is missing") from error
    except (orjson.JSONDecodeError, OSError) as error:
        raise _corrupt(folder, f"{name} cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise _corrupt(folder, f"{name} is no object")
    return content


def _corrupt(folder: Path, why: str) -> ModelCorruptError:
    return ModelCorruptError(
        f"{folder} is no usable sentence encoder: {why}. Copy or export the folder again, all of it",
        details={"path": str(folder), "reason": why},
    )
