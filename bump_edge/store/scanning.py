"""Ridding the store's files of what was deleted, and looking whether it is gone, byte by byte.

Where SQLite spreads the rows of a page over several, it leaves copies in the gaps, which nothing clears but `VACUUM`.
Then the WAL, which holds pages as they were before, is written back and cut to nothing. What is left in the files is
searched for what should be gone.

The bytes of an encrypted store are noise, in which nothing can be found, forgotten or not. There the search reads the
files, in which no text may be plain, and then every value of every table, those of the search index among them; and the
file is always rewritten, because of what lies between the values only a rewrite can tell that it is gone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bump_edge.errors import StoreLockedError
from bump_edge.store import files
from bump_edge.store.connection import Connection
from bump_edge.types import Interaction

_WAIT_S = 3.0
_REWRITE_ALWAYS = 32 << 20  # bytes: less than a second's work
_SCAN_WORK = 4_000_000_000  # needles × bytes; beyond that, a part of the needles is searched for
_NEEDLE = 40  # bytes: long texts lie in several pages, so that only pieces of them can be found again


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """A search of the store's files for what should be gone.

    Args:
        files: names of the files that were read.
        bytes: how many that were.
        needles: pieces of text that were searched for.
        found: pieces that are there although nothing that remains holds them.
    """

    files: tuple[str, ...]
    bytes: int
    needles: int
    found: int


def clean(connection: Connection, wanted: Sequence[bytes]) -> tuple[bool, Scan]:
    """Rid the files of what was deleted, and look.

    A small file is rewritten at once, as an encrypted one is; a large one only when something is found in it: a rewrite
    holds everybody up.

    Returns:
        Whether the WAL was cut to nothing (and an encrypted file rewritten), and what a last search for `wanted` found.
    """
    encrypted = connection.key is not None
    rewritten = True
    if encrypted or connection.path.stat().st_size <= _REWRITE_ALWAYS:
        rewritten = _rewrite_file(connection)
    truncated, found = truncate_wal(connection), scan(connection, wanted)
    if found.found:
        rewritten = _rewrite_file(connection)
        truncated, found = truncate_wal(connection), scan(connection, wanted)
    return truncated and (rewritten or not encrypted), found


def _rewrite_file(connection: Connection) -> bool:
    with contextlib.suppress(StoreLockedError):  # others are busy: the search will tell what is left
        connection.rows("VACUUM")
        return True
    return False


def truncate_wal(connection: Connection) -> bool:
    """Write the WAL back and cut it to nothing; False while another process still reads an older state."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        ((busy, *_),) = connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        # SQLite waits for readers, but not for another process that is writing the WAL back itself
        if not busy or time.monotonic() > deadline:
            return not busy
        time.sleep(0.01)


def needles(interactions: Iterable[Interaction]) -> list[bytes]:
    """Pieces of the texts and items by which they would be found again: the middle and the ends of each."""
    pieces: dict[bytes, None] = {}
    for interaction in interactions:
        for value in (interaction.item, interaction.text):
            data = (value or "").encode()
            if len(data) < 6:  # too short to tell from anything else
                continue
            middle = max(0, len(data) // 2 - _NEEDLE // 2)
            for piece in (data[:_NEEDLE], data[middle : middle + _NEEDLE], data[-_NEEDLE:]):
                pieces[piece] = None
    return list(pieces)


def scan(connection: Connection, wanted: Sequence[bytes]) -> Scan:
    """Search the store's files for `wanted`, byte by byte; what remaining rows hold does not count as found.

    Args:
        wanted: what to search for; when files × needles are too many, an evenly spaced part of it.
    """
    path = connection.path
    ends = ("", "-wal", "-shm", "-journal", files.NEW, files.OLD)
    found = [p for p in (path.with_name(path.name + end) for end in ends) if p.exists()]
    size = sum(p.stat().st_size for p in found)
    most = max(100, _SCAN_WORK // max(size, 1))
    step = -(-len(wanted) // most) if wanted else 1
    chosen = list(wanted[::step])
    hits: set[bytes] = set()
    # the connection keeps its handles open, and `files.blocks` reads through them
    with connection.use():
        for file in found:
            hits |= _hits(files.blocks(file), [n for n in chosen if n not in hits])
        if connection.key is not None:
            hits |= _hits(_values(connection), [n for n in chosen if n not in hits])
    left = [hit for hit in hits if not _still_held(connection, hit)]
    return Scan(files=tuple(p.name for p in found), bytes=size, needles=len(chosen), found=len(left))


def _values(connection: Connection) -> Iterator[bytes]:
    """Every text and blob of every table, in blocks."""
    with connection.reading() as sql:
        tables = sql.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        ).fetchall()
        block: list[bytes] = []
        size = 0
        for (name,) in tables:
            for row in sql.execute(f'SELECT * FROM "{name}"'):  # noqa: S608  # its own name
                for value in row:
                    if isinstance(value, str | bytes):
                        data = value.encode() if isinstance(value, str) else value
                        block.append(data)
                        size += len(data)
                if size > files.BLOCK:
                    yield b"\0".join(block)
                    block, size = [], 0
        yield b"\0".join(block)


def _hits(blocks: Iterable[bytes], wanted: Sequence[bytes]) -> set[bytes]:
    overlap = max(map(len, wanted), default=1) - 1
    hits: set[bytes] = set()
    tail = b""
    for block in blocks:
        data = tail + block
        hits.update(n for n in wanted if n not in hits and n in data)
        tail = data[-overlap:] if overlap else b""
    return hits


def _still_held(connection: Connection, piece: bytes) -> bool:
    """Whether what remains holds the piece: a history, a profile, a manifest or a correction of anybody, or the schema.

    Case does not count, because the search index holds its words in lower case.
    """
    columns = (
        (
            "interactions",
            "coalesce(item, '') || ' ' || coalesce(text, '') || ' ' || coalesce(meta, '') || ' ' || coalesce(type, '')",
        ),
        ("sentences", "text"),
        ("corrections", "text"),
        ("users", "user_id"),
        ("profiles", "manifest || ' ' || model"),
        ("sources", "report"),
        ("sqlite_master", "coalesce(sql, name)"),
    )
    query = " UNION ALL ".join(
        f"SELECT 1 FROM {table} WHERE instr(CAST({column} AS BLOB), :p) OR instr(CAST(lower({column}) AS BLOB), :p)"  # noqa: S608
        for table, column in columns
    )
    return bool(connection.rows(f"{query} LIMIT 1", {"p": piece}))
