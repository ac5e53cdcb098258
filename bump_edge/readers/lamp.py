"""The LaMP benchmark's questions, and any other JSON array of objects, one element at a time.

A LaMP file is an array of ``{"id", "input", "profile": [{"id", "text" | "title" | "abstract" | …, "date"}, …]}``. Every
question is a user, and its `profile` that user's history; `input` and the answers are never read, because they are what
the benchmark asks for. An element without a `profile` is read as an interaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import orjson

from bump_edge.errors import InputError
from bump_edge.readers.fields import Fields
from bump_edge.readers.jsonl import why_not_json
from bump_edge.readers.problems import SKIPPED_BY_RULE, FieldError, Problems
from bump_edge.readers.sources import Source

ELEMENT_LINES = 8
"""An element, a whole user's history, may be this many times as long as a line."""

_HEAD = 4096  # bytes of a long element that are kept to quote it
_TOP = re.compile(rb'["{\[,\]]')  # what matters between the elements of the array,
_INNER = re.compile(rb'["{}\[\]]')  # and inside one


def _elements(pieces: Iterable[bytes], limit: int) -> Iterator[tuple[bytes, bool]]:
    """The elements of the JSON array whose opening bracket was taken off, as bytes, cut without parsing them.

    Pairs `(element, True)`; `(beginning, False)` for one that is longer than `limit`, or that the end of the data cut.
    """
    buffer, start, at = b"", 0, 0
    depth, inside = 0, False  # brackets that are open in the element; whether `at` is in a string
    beginning = b""  # of an element that is too long
    for piece in pieces:
        buffer, at, start = buffer[start:] + piece, at - start, 0
        while True:
            if inside:
                at, inside = _string_end(buffer, at)
                if inside:
                    break
                continue
            found = (_INNER if depth else _TOP).search(buffer, at)
            if found is None:
                at = len(buffer)
                break
            at, mark = found.end(), found.group()
            if mark == b'"':
                inside = True
            elif mark in (b"{", b"["):
                depth += 1
            elif depth:
                depth -= 1
            else:
                element = buffer[start : at - 1].strip()
                start = at
                if beginning or len(element) > limit:
                    yield beginning or element[:_HEAD], False
                elif element:
                    yield element, True
                beginning = b""
                if mark == b"]":
                    return
        if at - start > limit or beginning:
            beginning = beginning or buffer[start : start + _HEAD]
            start = at
    if rest := beginning or buffer[start:].strip():
        yield rest[:_HEAD], False


def _string_end(buffer: bytes, at: int) -> tuple[int, bool]:
    """Where the string around `at` ends, and False; without its end in the buffer, where to go on, and True."""
    while True:
        end = buffer.find(b'"', at)
        stop = slashes = end if end >= 0 else len(buffer)
        while slashes > at and buffer[slashes - 1] == 0x5C:
            slashes -= 1
        if end < 0:
            # backslashes at the end of the buffer say nothing before the byte behind them is here
            return slashes, True
        if (stop - slashes) % 2 == 0:
            return end + 1, False
        at = end + 1


def read_lamp(
    source: Source, out: list[Fields], shape: Callable[[dict[str, Any]], Fields], problems: Problems, *, limit: int
) -> Iterator[None]:
    """Append the interactions of `source` to `out`; yields after every element, so that the caller can take them.

    Raises:
        InputError: not an array; a bad element in strict mode; binary data.
    """
    most = limit * ELEMENT_LINES
    pieces = source.pieces()
    first = next(pieces, b"").lstrip()
    if not first and source.damage is None:
        return
    if not first.startswith(b"["):
        raise InputError(
            f"{source.name} is no JSON array: expected a LaMP file, "
            '[{"id": …, "profile": [...]}, …]. Give the questions file, or another format.',
            details={"source": source.name},
        )
    number = 0
    for number, (raw, whole) in enumerate(_elements(chain([first[1:]], pieces), most), 1):
        if whole:
            _one(number, raw, out, shape, problems)
        elif len(raw) == _HEAD and source.damage is None:
            problems.bad(number, "too_long", raw, f"longer than {most:,} bytes")
        elif source.damage is None:
            problems.bad(number, "not_json", raw, "not JSON (the array ends inside an element)")
        yield
    if source.damage is not None:
        problems.bad(number + 1, source.damage[0], b"", source.damage[1])
    problems.refuse_binary()


def _one(
    number: int, raw: bytes, out: list[Fields], shape: Callable[[dict[str, Any]], Fields], problems: Problems
) -> None:
    try:
        element = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason, message = why_not_json(raw, error)
        problems.bad(number, reason, raw, message)
        return
    if type(element) is not dict:
        problems.bad(number, "not_an_object", raw)
        return
    entries: list[Any]
    if type(element.get("profile")) is list:
        user = element.get("id")
        entries = [
            {**_as_interaction(entry), "user_id": user} if type(entry) is dict else entry
            for entry in element["profile"]
        ]
        problems.good()
    else:
        entries = [element]
    for entry in entries:
        if type(entry) is not dict:
            problems.bad(number, "not_an_object", orjson.dumps(entry)[:4096])
            continue
        try:
            out.append(shape(entry))
            problems.good()
        except FieldError as error:
            problems.bad(number, error.reason, raw if len(entries) == 1 else orjson.dumps(entry)[:4096], str(error))
            if error.reason in SKIPPED_BY_RULE:
                problems.good()


def _as_interaction(entry: dict[str, Any]) -> dict[str, Any]:
    """A LaMP profile entry in our names."""
    out = dict(entry)
    for ours, theirs in (
        ("item", ("title",)),
        ("text", ("abstract", "description")),
        ("rating", ("score",)),
        ("timestamp", ("date",)),
    ):
        for name in theirs:
            if out.get(ours) is None and out.get(name) is not None:
                out[ours] = out.pop(name)
    return out
