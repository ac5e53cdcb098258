"""Reads the header of a GGUF file: enough to say what it is, and whether all of it is there.

Native code is only given files that pass this, because it trusts counts and lengths more than a stranger's file
deserves. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.errors import ModelCorruptError, ModelNotFoundError

_MAX_ENTRIES = 1_000_000  # metadata keys, tensors; real files have hundreds
_MAX_ARRAY = 50_000_000
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

# ggml type → (elements, bytes) of a block. The size of a type that is not in this table is not checked.
_BLOCKS: dict[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufHeader:
    """What the header of a GGUF file says.

    Args:
        architecture: ``llama``, ``qwen3``, …
        tokenizer: the tokenizer's kind: ``gpt2``, ``llama``, …
        name: the model's own name, if it says one.
        licence: its licence, if it says one.
        context_tokens: the context it was trained with; 0 if it does not say.
        tensors: how many tensors it has.
    """

    architecture: str
    tokenizer: str
    name: str | None
    licence: str | None
    context_tokens: int
    tensors: int


class _Reader:
    """A cursor over the mapped file; every read is checked against its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, form: str) -> Any:
        size = struct.calcsize(form)
        self.need(size)
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return value

    def need(self, size: int) -> None:
        if size < 0 or self.at + size > len(self.data):
            raise _Broken(f"it ends in the middle of its header, at byte {len(self.data)}")

    def string(self) -> str:
        size = self.number("<Q")
        self.need(size)
        text = self.data[self.at : self.at + size].decode("utf-8", "replace")
        self.at += size
        return text

    def skip_strings(self, count: int) -> None:
        # the tokenizer's lists are long: no slicing, no decoding
        unpack, data, at, end = struct.Struct("<Q").unpack_from, self.data, self.at, len(self.data) - 8
        for _ in range(count):
            if at > end:
                raise _Broken(f"it ends in the middle of its header, at byte {len(self.data)}")
            at += 8 + unpack(data, at)[0]
        self.at = at
        self.need(0)

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise _Broken(f"its header has a value of the unknown kind {kind}")
        inner, count = self.number("<I"), self.number("<Q")
        if count > _MAX_ARRAY:
            raise _Broken(f"its header has a list of {count} values")
        if inner == _STRING:
            self.skip_strings(count)
        elif inner in _SCALARS:
            size = count * struct.calcsize(_SCALARS[inner])
            self.need(size)
            self.at += size
        else:
            raise _Broken(f"its header has a list of the unknown kind {inner}")
        return None


class _Broken(Exception):
    """Why a file is no readable GGUF."""


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of the GGUF file at `path`.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelCorruptError: it is not GGUF, of an unknown version, shorter than its header says, or without an
            architecture or a tokenizer.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size == 0:
                raise _Broken("it is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _parse(_Reader(data))
    except FileNotFoundError as error:
        raise ModelNotFoundError(
            f"there is no file {path}: expected a GGUF model", details={"path": str(path)}
        ) from error
    except (_Broken, OSError, OverflowError) as error:
        raise ModelCorruptError(
            f"{path} is no usable GGUF model: {error}. Get the file again and compare its sha256 with its source's",
            details={"path": str(path), "reason": str(error)},
        ) from error


def _parse(reader: _Reader) -> GgufHeader:
    magic = reader.data[:4]
    if magic != b"GGUF":
        raise _Broken(f"it begins with {magic!r}, not with b'GGUF'")
    reader.at = 4
    version = reader.number("<I")
    if version not in (2, 3):
        raise _Broken(f"its version is {version}, and 2 or 3 (little-endian) can be read")
    tensors, entries = reader.number("<Q"), reader.number("<Q")
    if not 0 < tensors <= _MAX_ENTRIES or not 0 < entries <= _MAX_ENTRIES:
        raise _Broken(f"it claims {tensors} tensors and {entries} metadata entries")
    meta: dict[str, Any] = {}
    for _ in range(entries):
        key = reader.string()
        meta[key] = reader.value(reader.number("<I"))
    _check_tensors(reader, tensors, meta)
    architecture, tokenizer = meta.get("general.architecture"), meta.get("tokenizer.ggml.model")
    if not isinstance(architecture, str) or not architecture:
        raise _Broken("it names no architecture (general.architecture)")
    if not isinstance(tokenizer, str) or not tokenizer or tokenizer in ("no_vocab", "none"):
        raise _Broken("it carries no tokenizer (tokenizer.ggml.model)")

    def text(key: str) -> str | None:
        value = meta.get(key)
        return value if isinstance(value, str) and value else None

    context = meta.get(f"{architecture}.context_length")
    return GgufHeader(
        architecture=architecture,
        tokenizer=tokenizer,
        name=text("general.name"),
        licence=text("general.license"),
        context_tokens=context if isinstance(context, int) else 0,
        tensors=tensors,
    )


def _check_tensors(reader: _Reader, tensors: int, meta: dict[str, Any]) -> None:
    alignment = meta.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        raise _Broken(f"its alignment is {alignment}")
    furthest = 0
    for _ in range(tensors):
        reader.string()
        dimensions = reader.number("<I")
        if not 0 < dimensions <= 8:
            raise _Broken(f"one of its tensors has {dimensions} dimensions")
        elements = 1
        for _ in range(dimensions):
            elements *= reader.number("<Q")
        kind, offset = reader.number("<I"), reader.number("<Q")
        block, size = _BLOCKS.get(kind, (1, 0))
        furthest = max(furthest, offset + elements // block * size)
    start = -(-reader.at // alignment) * alignment
    if start + furthest > len(reader.data):
        raise _Broken(f"it has {len(reader.data)} bytes of {start + furthest}: a part is missing")
