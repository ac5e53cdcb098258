"""Checks a folder for onnxruntime-genai before native code opens it: is everything there, and all of each?

An ONNX model keeps most of its weights in files beside it. Which ones, and how long they must be, is read from the
model: a walk over the protobuf wire format, because the onnx package is not a dependency of the runtime.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError, ModelNotFoundError

CONFIG = "genai_config.json"
_CODE = frozenset(
    {"custom_ops_library", "library_path", "ep.context_file_path", "enable_profiling", "profile_file_prefix"}
)
"""Settings of onnxruntime-genai 0.18, anywhere in its configuration, that load a library or write a file."""
_LIBRARY = re.compile(r"\.(?:so(?:\.\d+)*|dll|dylib)$", re.I)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxFolder:
    """What a checked folder says.

    Args:
        path: the folder.
        architecture: ``llama``, ``qwen3``, …
        context_tokens: the model's context.
        ends: ids of the tokens that end an answer.
        special: strings of the tokenizer's special tokens.
        files: names of the files that the runtime reads.
    """

    path: Path
    architecture: str
    context_tokens: int
    ends: frozenset[int]
    special: frozenset[str]
    files: tuple[str, ...]


def check_folder(path: Path) -> OnnxFolder:
    """Check the folder at `path`.

    Raises:
        ModelNotFoundError: there is no such folder.
        ModelCorruptError: a part is missing, cut off, or not what it should be.
    """
    if not path.is_dir():
        raise ModelNotFoundError(
            f"there is no folder {path}: expected one that onnxruntime-genai's builder wrote",
            details={"path": str(path)},
        )
    try:
        return _check(path)
    except (_Broken, OSError) as error:
        raise ModelCorruptError(
            f"{path} is no usable model for onnxruntime-genai: {error}. Copy or build the folder again, all of it",
            details={"path": str(path), "reason": str(error)},
        ) from error


def check_onnx(folder: Path, name: str) -> None:
    """Check that the ONNX model `name` in `folder` is whole, with the files that it keeps weights in.

    Raises:
        ModelCorruptError: a part is missing or cut off.
    """
    try:
        _weights(folder, name)
    except (_Broken, OSError) as error:
        raise ModelCorruptError(
            f"{folder} holds no usable ONNX model: {error}. Copy or export the folder again, all of it",
            details={"path": str(folder), "reason": str(error)},
        ) from error


class _Broken(Exception):
    """What is wrong with a folder."""


def _check(path: Path) -> OnnxFolder:
    config = _json(path / CONFIG)
    _refuse_code(config)
    model = _mapping(config.get("model"), CONFIG, "model")
    decoder = _mapping(model.get("decoder"), CONFIG, "model.decoder")
    name = decoder.get("filename")
    if not isinstance(name, str) or not name:
        raise _Broken(f"{CONFIG} names no model file (model.decoder.filename)")
    context = model.get("context_length")
    if not isinstance(context, int) or context < 1:
        raise _Broken(f"{CONFIG} has the context_length {context!r}: expected a number of tokens")
    ends = model.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    if not all(isinstance(e, int) for e in ends):
        raise _Broken(f"{CONFIG} has the eos_token_id {ends!r}: expected token ids")
    beside = _weights(path, name)
    tokenizer, _ = (_json(path / t) for t in TOKENIZER)
    added = tokenizer.get("added_tokens")
    special = {
        a["content"]
        for a in (added if isinstance(added, list) else [])
        if isinstance(a, dict) and isinstance(a.get("content"), str)
    }
    return OnnxFolder(
        path=path,
        architecture=str(model.get("type") or "unknown"),
        context_tokens=context,
        ends=frozenset(ends),
        special=frozenset(special),
        files=(CONFIG, name, *beside, *TOKENIZER),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise _Broken(f"{path.name} is missing") from error
    except orjson.JSONDecodeError as error:
        raise _Broken(f"{path.name} is not JSON ({error})") from error
    return _mapping(value, path.name, "all of it")


def _mapping(value: object, file: str, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Broken(f"{file}: expected an object for {what}")
    return value


def _refuse_code(value: object, key: str = "") -> None:
    """A folder's configuration may have a library loaded, or a file written where it likes: a model needs neither."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_code(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            _refuse_code(inner, key)
    elif value and (key.casefold() in _CODE or (isinstance(value, str) and _LIBRARY.search(value))):
        raise _Broken(
            f"{CONFIG} sets {key} to {value!r}, which has code loaded or a file written: expected a model alone"
        )


def _inside(folder: Path, name: str) -> Path:
    """The file `name` of the folder; not one outside it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise _Broken(f"it names the file {name!r}, which is outside the folder")
    if not path.is_file():
        raise _Broken(f"{name} is missing")
    if path.stat().st_size == 0:
        raise _Broken(f"{name} is empty")
    return path


# Fields of onnx.proto3: ModelProto.graph, GraphProto.initializer, TensorProto.external_data, StringStringEntryProto.
_GRAPH, _INITIALIZER, _EXTERNAL, _KEY, _VALUE = 7, 5, 13, 1, 2


def _weights(folder: Path, name: str) -> list[str]:
    """The files, whole, in which the ONNX model `name` keeps weights."""
    beside = _external(_inside(folder, name))
    for other, size in beside.items():
        file = _inside(folder, other)
        if (there := file.stat().st_size) < size:
            raise _Broken(f"{other} has {there} bytes of {size}: a part is missing")
    return sorted(beside)


def _external(path: Path) -> dict[str, int]:
    """The files that the ONNX model at `path` keeps weights in, and how many bytes each must have."""
    needed: dict[str, int] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graphs = 0
        for field, start, end in _fields(data, 0, len(data), path.name):
            if field != _GRAPH:
                continue
            graphs += 1
            for inner, tensor, tensor_end in _fields(data, start, end, path.name):
                if inner == _INITIALIZER:
                    _note_external(data, tensor, tensor_end, path.name, needed)
        if not graphs:
            raise _Broken(f"{path.name} is no ONNX model: it has no graph")
    return needed


def _note_external(data: mmap.mmap, start: int, end: int, name: str, needed: dict[str, int]) -> None:
    entries: dict[str, str] = {}
    for field, at, until in _fields(data, start, end, name):
        if field == _EXTERNAL:
            pair = {f: data[a:b].decode("utf-8", "replace") for f, a, b in _fields(data, at, until, name)}
            entries[pair.get(_KEY, "")] = pair.get(_VALUE, "")
    if location := entries.get("location"):
        try:
            size = int(entries.get("offset") or 0) + int(entries.get("length") or 0)
        except ValueError as error:
            raise _Broken(f"{name} has weights at a place that is no number: {entries}") from error
        needed[location] = max(needed.get(location, 0), size)


def _fields(data: mmap.mmap, start: int, end: int, name: str) -> Iterator[tuple[int, int, int]]:
    """The length-delimited fields of a protobuf message: `(number, start, end)`; others are passed over."""
    at = start
    while at < end:
        tag, at = _varint(data, at, end, name)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at, end, name)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            size, at = _varint(data, at, end, name)
            if at + size <= end:
                yield tag >> 3, at, at + size
            at += size
        else:
            raise _Broken(f"{name} is no ONNX model: byte {at} is no field")
    if at != end:
        raise _Broken(f"{name} ends in the middle of a field: a part is missing")


def _varint(data: mmap.mmap, at: int, end: int, name: str) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _Broken(f"{name} ends in the middle of a number: a part is missing")
