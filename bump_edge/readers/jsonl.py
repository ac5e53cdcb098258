"""JSON Lines: one interaction a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from bump_edge.readers.fields import Fields
from bump_edge.readers.lines import line_blocks
from bump_edge.readers.problems import SKIPPED_BY_RULE, FieldError, Problems
from bump_edge.readers.sources import Source


def why_not_json(raw: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """The reason and a message for bytes that orjson refused."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return "bad_utf8", f"not UTF-8 (byte {wrong.start + 1})"
    return "not_json", f"not JSON ({error.msg})"


def read_jsonl(
    source: Source, out: list[Fields], shape: Callable[[dict[str, Any]], Fields], problems: Problems, *, limit: int
) -> Iterator[None]:
    """Append the interactions of `source` to `out`; yields after every piece, so that the caller can take them.

    Raises:
        InputError: a bad line in strict mode, or binary data.
    """
    loads, append = orjson.loads, out.append

    def too_long(number: int, head: bytes) -> None:
        problems.bad(number, "too_long", head, f"longer than {limit:,} bytes")

    def cut(number: int, rest: bytes) -> bool:
        if source.damage is None:
            return False
        problems.bad(number, source.damage[0], rest, source.damage[1])
        return True

    for before, lines in line_blocks(source.pieces(), limit=limit, too_long=too_long, cut=cut):
        known = len(out)
        for at, line in enumerate(lines, before + 1):
            try:
                append(shape(loads(line)))
            except orjson.JSONDecodeError as error:
                if line.strip():
                    problems.bad(at, *_swap(line, why_not_json(line, error)))
            except FieldError as error:
                problems.bad(at, error.reason, line, str(error))
                if error.reason in SKIPPED_BY_RULE:
                    problems.good()
            except (AttributeError, TypeError):
                # only a value that is no object lacks what `shape` asks of it
                if type(loads(line)) is dict:
                    raise
                problems.bad(at, "not_an_object", line)
        if len(out) > known:
            problems.good()
        yield
    problems.refuse_binary()


def _swap(line: bytes, reason: tuple[str, str]) -> tuple[str, bytes, str]:
    return reason[0], line, reason[1]
