"""Interactions into the store, a batch a transaction.

Reading and writing overlap: while SQLite writes one batch in a thread of its own (long statements, without Python's
global lock), this thread parses the next. That is also why the statements here are few and long and return one row:
every return from SQLite would have to wait for the global lock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any

import orjson

from bump_edge.errors import CancelledError, EmptyHistoryError, InputError, StoreError
from bump_edge.readers import FieldError, Fields, Problems, Reader, to_fields
from bump_edge.store.connection import Connection
from bump_edge.store.forgetting import any_marks, marked
from bump_edge.store.report import IngestReport
from bump_edge.store.schema import POSITION_BITS, UNTIMED
from bump_edge.types import Interaction, content_digest

if TYPE_CHECKING:
    from bump_edge.pii import Redactor

Row = tuple[bytes, int | None, str | None, str | None, str | None, float | None, str | None]
"""`(digest, ms, type, item, text, rating, meta as JSON)`"""

_Batch = dict[str, list[Row]]

_COLUMNS = 9
_SIZES = (3600, 450, 60, 8, 1)  # rows of one statement; 3,600 × 9 values is the most that SQLite takes by default
_INSERT = "INSERT OR IGNORE INTO interactions(id, user_no, digest, at, type, item, text, rating, meta) VALUES "
_STATEMENTS = {size: _INSERT + ",".join(["(?,?,?,?,?,?,?,?,?)"] * size) for size in _SIZES}

_NEW_USERS = "INSERT INTO users(user_id) SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING"
_USERS = """
SELECT json_group_array(json_array(no, user_id, last_position)) FROM users
WHERE user_id IN (SELECT value FROM json_each(?))
"""
_ADDED = """
SELECT json_group_array(json_array(no, added, characters, last)) FROM (
    SELECT user_no AS no, count(*) AS added, json_extract(j.value, '$[2]') AS last,
        sum(length(coalesce(item, '')) + length(coalesce(text, ''))) AS characters
    FROM json_each(?) AS j CROSS JOIN interactions
    WHERE interactions.id BETWEEN json_extract(j.value, '$[0]') AND json_extract(j.value, '$[1]')
    GROUP BY user_no
)
"""
_COUNT = """
UPDATE users SET interactions = interactions + d.added, characters = characters + d.new_characters,
    last_position = d.last, revision = revision + 1
FROM (
    SELECT json_extract(value, '$[0]') AS no, json_extract(value, '$[1]') AS added,
        json_extract(value, '$[2]') AS new_characters, json_extract(value, '$[3]') AS last
    FROM json_each(?)
) AS d WHERE users.no = d.no
"""


def ingest_reader(
    connection: Connection, reader: Reader, *, cancel: threading.Event | None, redactor: Redactor | None = None
) -> IngestReport:
    """Take in all that `reader` has, through `redactor` where there is one.

    Raises:
        EmptyHistoryError: it has no usable interaction.
        CancelledError: `cancel` was set; the batches before stay.
        InputError: see `Reader.batches`; what came before it stays.
        StoreError: the store cannot be written; the batches before stay.
    """
    tally = _Tally(reader, redactor)
    error: InputError | None = None
    pending: Future[tuple[int, int]] | None = None

    def finish() -> None:
        nonlocal pending
        if pending is not None:
            done, pending = pending, None
            tally.write(done.result())

    with ThreadPoolExecutor(1, thread_name_prefix="bump-edge-ingest") as writer:
        try:
            for batch in reader.batches():
                if redactor is not None:
                    batch[:] = map(redactor.record, batch)
                grouped = _group(batch)
                finish()
                tally.check(cancel)
                pending = writer.submit(_add, connection, grouped)
                tally.count(batch, grouped)
        except InputError as wrong:
            error = wrong
        finally:
            finish()
    if error is not None:
        error.details["report"] = tally.report().as_dict()
        raise error
    if not tally.read:
        raise _empty(reader.name, tally.report())
    tally.check(cancel)
    return tally.report()


def ingest_interactions(
    connection: Connection,
    interactions: Iterable[Interaction],
    *,
    cancel: threading.Event | None,
    redactor: Redactor | None = None,
) -> IngestReport:
    """Take in interactions; others' turns, and what is nothing but a profile's block, are skipped and counted.

    Raises:
        InputError: `meta` is not JSON, or a text holds what UTF-8 cannot; the batches before stay.
        CancelledError: `cancel` was set; the batches before stay.
    """
    tally = _Tally(None, redactor)
    left = iter(interactions)
    while taken := list(islice(left, 8192)):
        tally.check(cancel)
        batch = list(tally.usable(taken))
        if not batch:
            continue
        if redactor is not None:
            batch = [redactor.record(fields) for fields in batch]
        grouped = _group(batch)
        tally.write(_add(connection, grouped))
        tally.count(batch, grouped)
    return tally.report()


class _Tally:
    """What an ingest has done so far."""

    def __init__(self, reader: Reader | None, redactor: Redactor | None) -> None:
        self._redactor = redactor
        self._problems = Problems("the interactions", quotes=redactor is None) if reader is None else reader.problems
        self._seen = 0
        self._users: dict[str, None] = {}
        self.read = 0
        self.added = 0
        self.forgotten = 0

    def write(self, written: tuple[int, int]) -> None:
        added, forgotten = written
        self.added += added
        self.forgotten += forgotten

    def usable(self, interactions: Iterable[Interaction]) -> Iterator[Fields]:
        for interaction in interactions:
            self._seen += 1
            try:
                yield _fields(interaction)
            except FieldError as error:
                self._problems.bad(self._seen, error.reason, interaction.text or interaction.item or "")

    def count(self, batch: Sequence[Fields], grouped: _Batch) -> None:
        self.read += len(batch)
        self._users.update(dict.fromkeys(grouped))

    def report(self) -> IngestReport:
        problems = self._problems
        return IngestReport(
            read=self.read,
            added=self.added,
            duplicates=self.read - self.added - self.forgotten,
            forgotten=self.forgotten,
            skipped=dict(problems.counts.most_common()),
            quotes=tuple(problems.quotes),
            users=tuple(self._users),
            redacted={} if self._redactor is None else dict(sorted(self._redactor.counts.items())),
        )

    def check(self, cancel: threading.Event | None) -> None:
        """Raise `CancelledError` if `cancel` is set."""
        if cancel is not None and cancel.is_set():
            raise CancelledError(
                f"stopped as asked: {self.added} interactions were added and stay; ingest again to go on.",
                details=self.report().as_dict(),
            )


def _empty(source: str, report: IngestReport) -> EmptyHistoryError:
    said = ", ".join(f"{count} × {reason}" for reason, count in report.skipped.items())
    quoted = report.quotes and report.quotes[0].quote
    first = f"; line {report.quotes[0].line} is {quoted}" if quoted else ""
    return EmptyHistoryError(
        f"{source} holds no usable interaction ({said or 'it is empty'}{first}): expected one interaction a line, with "
        "a text or an item. Fields that have other names can be mapped, as in --map text=body.",
        details={"source": source, **report.as_dict()},
    )


def _fields(interaction: Interaction) -> Fields:
    fields = to_fields(interaction)
    if not fields[0] or (fields[3] is None and fields[4] is None):
        raise InputError(
            "an interaction is empty without its NUL characters: expected a user_id, and a text or an item.",
            details={"user_id": fields[0]},
        )
    return fields


def _group(batch: Sequence[Fields]) -> _Batch:
    """The rows of `batch` by user, with digests."""
    grouped: _Batch = {}
    dumps = orjson.dumps
    try:
        for fields in batch:
            user_id, ms, type_, item, text, rating, meta = fields
            row = (
                content_digest(user_id, ms, type_, item, text, rating, meta),
                ms,
                type_,
                item,
                text,
                rating,
                None if meta is None else dumps(meta).decode(),
            )
            if user_id in grouped:
                grouped[user_id].append(row)
            else:
                grouped[user_id] = [row]
    except TypeError as error:  # what orjson raises
        raise InputError(
            f"an interaction of user {ascii(fields[0])[:80]} cannot be written as JSON ({error}): expected strings "
            "that are valid Unicode, and a meta of JSON values.",
        ) from error
    return grouped


def _add(connection: Connection, batch: _Batch) -> tuple[int, int]:
    """Add one batch in one transaction; see `add`."""
    with connection.writing() as sql:
        return add(sql, batch)


def add(sql: sqlite3.Connection, batch: _Batch) -> tuple[int, int]:
    """Add rows by user; returns how many were new, and how many a person had forgotten."""
    names = orjson.dumps(list(batch)).decode()
    sql.execute(_NEW_USERS, (names,))
    ((found,),) = sql.execute(_USERS, (names,)).fetchall()
    flat: list[Any] = []
    ranges = []
    counts = []
    # in the order of ids: the search index takes new rows in that order without a detour
    forgot = any_marks(sql)
    refused = 0
    for no, user_id, position in sorted(orjson.loads(found)):
        rows = batch[user_id]
        if forgot and (is_forgotten := marked(sql, no)) is not None:
            rows = [row for row in rows if not is_forgotten(row[0])]
            refused += len(batch[user_id]) - len(rows)
            if not rows:
                continue
        base, last = no << POSITION_BITS, position + len(rows)
        if last >> POSITION_BITS:
            raise StoreError(f"user {user_id!r} has had more than {1 << POSITION_BITS:,} interactions.")
        ids = range(base + position + 1, base + last + 1)
        # columns, then rows again: without a Python loop over the rows
        digests, times, *others = zip(*rows, strict=True)
        if None in times:
            times = tuple(UNTIMED + n if ms is None else ms for n, ms in enumerate(times, position + 1))
        flat += chain.from_iterable(zip(ids, repeat(no), digests, times, *others, strict=False))
        ranges.append((ids[0], ids[-1], last))
        _, items, texts, *_ = others
        counts.append((no, len(rows), sum(map(len, filter(None, chain(items, texts)))), last))
    added = _insert(sql, flat)
    if not added:
        return 0, refused
    facts = orjson.dumps(counts).decode()
    if added < len(flat) // _COLUMNS:
        # some were there already: ask the store which of the new ids exist now
        ((facts,),) = sql.execute(_ADDED, (orjson.dumps(ranges).decode(),)).fetchall()
    sql.execute(_COUNT, (facts,))
    return added, refused


def _insert(sql: sqlite3.Connection, flat: list[Any]) -> int:
    start = done = 0
    for size in _SIZES:
        step = size * _COLUMNS
        while start + step <= len(flat):
            done += sql.execute(_STATEMENTS[size], flat[start : start + step]).rowcount
            start += step
    return done
