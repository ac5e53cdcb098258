"""Any source → batches of interactions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from bump_edge.errors import InputError, UsageError
from bump_edge.readers.fields import Fields, shaper, to_interaction
from bump_edge.readers.jsonl import read_jsonl
from bump_edge.readers.lamp import read_lamp
from bump_edge.readers.problems import MAX_LINE_BYTES, Problems
from bump_edge.readers.sources import Progress, Source
from bump_edge.readers.table import delimiter_of, read_table
from bump_edge.types import Interaction

FORMATS = ("auto", "jsonl", "csv", "lamp")
"""What a history may be written in; `auto` looks at the name and the first bytes."""

BATCH_ROWS = 32_400  # a multiple of the rows of the store's longest statement
BATCH_BYTES = 16 << 20


class Reader:
    """Reads one source once, in flat memory.

    Args:
        source: a path, or a binary stream such as ``sys.stdin.buffer``; plain, gzip or zstd (told by the first bytes).
        format: one of `FORMATS`.
        mapping: our field → their field; a dot leads into an object (``{"item": "product.title"}``).
        user_id: whose the lines without a `user_id` are; None means the one local user.
        strict: a bad line raises `InputError` instead of being skipped.
        max_line_bytes: longer lines are bad, ≥ 1.
        quotes: whether bad lines are quoted in reports and errors.
        progress: called with the bytes read so far and their total (None for a stream).

    Raises:
        InputError: the source cannot be read.
        UsageError: an unknown format, mapping or user.
    """

    def __init__(
        self,
        source: Path | str | BinaryIO,
        *,
        format: str = "auto",
        mapping: Mapping[str, str] | None = None,
        user_id: str | None = None,
        strict: bool = False,
        max_line_bytes: int = MAX_LINE_BYTES,
        progress: Progress | None = None,
        quotes: bool = True,
    ) -> None:
        if format not in FORMATS:
            raise UsageError(f"the format is {format!r}: expected one of {', '.join(FORMATS)}")
        if max_line_bytes < 1:
            raise UsageError(f"max_line_bytes is {max_line_bytes}: expected at least 1")
        self._mapping = dict(mapping or {})
        self._shape = shaper(mapping=mapping, user_id=user_id)
        self._format = format
        self._limit = max_line_bytes
        self._source = Source(source, progress=progress)
        self._path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
        self.problems = Problems(self._source.name, strict=strict, quotes=quotes)

    @property
    def name(self) -> str:
        """The source, for messages."""
        return self._source.name

    def close(self) -> None:
        """Close a file that this opened."""
        self._source.close()

    def batches(self, *, rows: int = BATCH_ROWS, size: int = BATCH_BYTES) -> Iterator[list[Fields]]:
        """The interactions in order, in lists of `rows`, or of what `size` bytes of input held.

        An error comes after the batch of what was read before it.

        Raises:
            InputError: a bad line in strict mode, binary data, UTF-16, a table without a text or item column.
        """
        out: list[Fields] = []
        start = self._source.bytes_read
        try:
            for _ in self._steps(out):
                while len(out) >= rows:
                    start = self._source.bytes_read
                    yield out[:rows]
                    del out[:rows]
                if out and self._source.bytes_read - start >= size:
                    start = self._source.bytes_read
                    yield out[:]
                    out.clear()
        except InputError:
            if out:
                yield out
            raise
        finally:
            self.close()
        if out:
            yield out

    def _steps(self, out: list[Fields]) -> Iterator[None]:
        source, shape, problems, limit = self._source, self._shape, self.problems, self._limit
        match self._guess() if self._format == "auto" else self._format:
            case "csv":
                return read_table(source, out, shape, problems, limit=limit, mapping=self._mapping)
            case "lamp":
                return read_lamp(source, out, shape, problems, limit=limit)
            case _:
                return read_jsonl(source, out, shape, problems, limit=limit)

    def _guess(self) -> str:
        head = self._source.peek().lstrip(b" \t\r\n")
        suffixes = [s.lower() for s in Path(self._path).suffixes if s.lower() not in (".gz", ".zst", ".zstd")]
        suffix = suffixes[-1] if suffixes else ""
        if suffix in (".csv", ".tsv"):
            return "csv"
        if head.startswith(b"[") and suffix not in (".jsonl", ".ndjson"):
            return "lamp"
        if suffix in (".jsonl", ".ndjson", ".json") or head.startswith(b"{"):
            return "jsonl"
        line, newline, _ = head.partition(b"\n")
        try:
            first = line.decode("utf-8")
        except UnicodeDecodeError:
            return "jsonl"
        first = first.strip()
        return "csv" if newline and first.replace("\t", " ").isprintable() and delimiter_of(first) else "jsonl"


def read(
    source: Path | str | BinaryIO,
    *,
    format: str = "auto",
    mapping: Mapping[str, str] | None = None,
    user_id: str | None = None,
    strict: bool = False,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Interaction]:
    """The interactions of a source, in order; arguments and errors are those of `Reader`."""
    reader = Reader(
        source, format=format, mapping=mapping, user_id=user_id, strict=strict, max_line_bytes=max_line_bytes
    )
    for batch in reader.batches():
        yield from map(to_interaction, batch)
