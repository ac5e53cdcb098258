"""Histories out of the store."""

from __future__ import annotations

import re
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bump_edge.errors import NotFoundError, UsageError
from bump_edge.store.connection import Connection
from bump_edge.store.report import UserSummary
from bump_edge.store.schema import NO_TIME, POSITION_BITS
from bump_edge.types import HistoryStats, Interaction, timestamp_ms

COLUMNS = "id, at, type, item, text, rating, meta, digest"
"""What `interaction_of` takes, in order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE = 1000
_ID = re.compile(r"[0-9a-f]{1,32}")
_put_user_id, _put_timestamp, _put_type, _put_item, _put_text, _put_rating, _put_meta, _put_digest = (
    getattr(Interaction, name).__set__
    for name in ("user_id", "timestamp", "type", "item", "text", "rating", "meta", "_digest")
)


def moment(at: int | None) -> datetime | None:
    """The time that a value of the column `at` stands for."""
    return None if at is None or at < NO_TIME else _EPOCH + timedelta(milliseconds=at)


def interaction_of(user_id: str, row: Sequence[Any]) -> Interaction:
    """The interaction of a row of `COLUMNS`.

    What is stored was checked when it came in, so that the checks of `Interaction` are left out: a thousand profiles
    show tens of thousands of interactions.
    """
    made = object.__new__(Interaction)
    # Interaction is frozen: the slots' own setters are the way in
    _put_user_id(made, user_id)
    _, at, type_, item, text, rating, meta, digest = row
    _put_timestamp(made, moment(at))
    _put_type(made, type_)
    _put_item(made, item)
    _put_text(made, text)
    _put_rating(made, rating)
    _put_meta(made, {} if meta is None else orjson.loads(meta))
    _put_digest(made, digest)
    return made


def find_user(sql: sqlite3.Connection, user_id: str) -> tuple[int, int, int, int, int] | None:
    """`(no, interactions, characters, last_position, revision)` of a user."""
    query = "SELECT no, interactions, characters, last_position, revision FROM users WHERE user_id = ?"
    found: tuple[int, int, int, int, int] | None = sql.execute(query, (_utf8(user_id),)).fetchone()
    return found


def need_user(sql: sqlite3.Connection, user_id: str) -> tuple[int, int, int, int, int]:
    """Like `find_user`.

    Raises:
        NotFoundError: there is no such user.
    """
    found = find_user(sql, user_id)
    if found is None:
        raise NotFoundError(
            f"the store has no user {user_id!r}: `bump-edge list` shows who it has, ingest a history to add one.",
            details={"user_id": user_id},
        )
    return found


def _utf8(text: str) -> str:
    # a lone surrogate is in no stored name, and SQLite cannot even be asked about it
    return text.encode("utf-8", "replace").decode()


def users(connection: Connection) -> list[UserSummary]:
    """Every user, in the order of their first ingest."""
    query = f"""
        SELECT user_id, interactions, revision, (SELECT max(version) FROM profiles WHERE user_no = no),
            (SELECT min(at) FROM interactions WHERE user_no = no AND at >= {NO_TIME}),
            (SELECT max(at) FROM interactions WHERE user_no = no AND at >= {NO_TIME})
        FROM users ORDER BY no
    """  # noqa: S608
    return [
        UserSummary(
            user_id=user_id,
            interactions=count,
            revision=revision,
            profile_version=version,
            first=moment(first),
            last=moment(last),
        )
        for user_id, count, revision, version, first, last in connection.rows(query)
    ]


def stats(connection: Connection, user_id: str) -> HistoryStats:
    """Facts about a whole history."""
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        count, first, last, rated, mean, least, most = sql.execute(
            f"""SELECT count(*), min(CASE WHEN at >= {NO_TIME} THEN at END), max(at), count(rating), avg(rating),
                min(rating), max(rating) FROM interactions WHERE user_no = ?""",  # noqa: S608
            (no,),
        ).fetchone()
        types = sql.execute(
            """SELECT type, count(*) AS n FROM interactions WHERE user_no = ? AND type IS NOT NULL
               GROUP BY type ORDER BY n DESC, type""",
            (no,),
        ).fetchall()
    return HistoryStats(
        count=count,
        first=moment(first),
        last=moment(last),
        types=dict(types),
        rated=rated,
        rating_mean=mean,
        rating_min=least,
        rating_max=most,
    )


def history(connection: Connection, user_id: str, *, limit: int | None, newest: bool) -> list[Interaction]:
    """A history, oldest first; the first or the last `limit` of it."""
    if limit is not None and limit < 0:
        raise UsageError(f"the limit is {limit}: expected 0 or more, or None")
    down = "DESC" if newest else "ASC"
    query = f"SELECT {COLUMNS} FROM interactions WHERE user_no = ? ORDER BY at {down}, id {down} LIMIT ?"  # noqa: S608
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        rows = sql.execute(query, (no, -1 if limit is None else limit)).fetchall()
    if newest:
        rows.reverse()
    return [interaction_of(user_id, row) for row in rows]


def newer(connection: Connection, user_id: str, position: int, *, limit: int) -> tuple[list[Interaction], int]:
    """The latest `limit` of the interactions that came after `position`, oldest first, and how many came in all."""
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        span = ((no << POSITION_BITS) + position, (no + 1) << POSITION_BITS)
        (count,) = sql.execute("SELECT count(*) FROM interactions WHERE id > ? AND id < ?", span).fetchone()
        rows = sql.execute(
            f"SELECT {COLUMNS} FROM interactions WHERE id > ? AND id < ? ORDER BY at DESC, id DESC LIMIT ?",  # noqa: S608
            (*span, limit),
        ).fetchall()
    return [interaction_of(user_id, row) for row in reversed(rows)], count


def after(connection: Connection, user_id: str, interaction: Interaction) -> int:
    """How many of the user's interactions are later than this one in the history."""
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        (count,) = sql.execute(
            """SELECT count(*) FROM interactions WHERE user_no = ? AND at >
               (SELECT max(at) FROM interactions WHERE user_no = ? AND digest = ?)""",
            (no, no, interaction.digest),
        ).fetchone()
    return int(count)


def matching(
    connection: Connection, user_id: str, *, since: datetime | None, until: datetime | None
) -> Iterator[Interaction]:
    """The user's interactions in a span of time, `since` ≤ t < `until`, oldest first, a page at a time.

    With a bound, those without a timestamp are left out: nobody knows whether they are inside.
    """
    low = timestamp_ms(since) if since else NO_TIME if until else -(1 << 63)
    high = timestamp_ms(until) if until else 1 << 62
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        rows = sql.execute(
            "SELECT id FROM interactions WHERE user_no = ? AND at >= ? AND at < ? ORDER BY at, id", (no, low, high)
        )
        ids = array("q", (i for (i,) in rows))
    return _pages(connection, user_id, ids)


def iter_history(connection: Connection, user_id: str) -> Iterator[Interaction]:
    """A history, oldest first, a page at a time; 8 bytes an interaction are held."""
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        ids = array("q", (i for (i,) in sql.execute(_IDS, (no,))))
    return _pages(connection, user_id, ids)


_IDS = "SELECT id FROM interactions WHERE user_no = ? ORDER BY at, id"


def _pages(connection: Connection, user_id: str, ids: array[int]) -> Iterator[Interaction]:
    for start in range(0, len(ids), _PAGE):
        yield from by_ids(connection, user_id, ids[start : start + _PAGE].tolist())


def by_ids(connection: Connection, user_id: str, ids: Sequence[int]) -> list[Interaction]:
    """The interactions with these ids, in the order of `ids`; one that is gone is left out."""
    query = f"SELECT {COLUMNS} FROM interactions WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    found = {row[0]: row for row in connection.rows(query, (orjson.dumps(ids).decode(),))}
    return [interaction_of(user_id, found[i]) for i in ids if i in found]


def sample(connection: Connection, user_id: str, count: int, *, skip_newest: int) -> list[Interaction]:
    """At most `count` interactions, evenly spaced over a history without its newest ones, oldest first.

    One walk over the user's part of an index, whatever the count: some 40 ms for a million interactions.
    """
    if count < 0 or skip_newest < 0:
        raise UsageError(f"count is {count} and skip_newest is {skip_newest}: expected 0 or more")
    with connection.reading() as sql:
        no, total, *_ = need_user(sql, user_id)
        older = total - skip_newest
        if older <= 0 or count == 0:
            return []
        cut = (1 << 62, 0)  # after every interaction
        if skip_newest:
            query = "SELECT at, id FROM interactions WHERE user_no = ? ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?"
            cut = sql.execute(query, (no, skip_newest - 1)).fetchone()
        chosen = []
        # the order of ties does not matter here, and that of the index costs no sorting
        step = """
            SELECT at, digest, id FROM interactions
            WHERE user_no = ? AND (at, digest) > (?, ?) AND at <= ? AND (at, id) < (?, ?)
            ORDER BY at, digest LIMIT 1 OFFSET ?
        """
        here: tuple[int, bytes] = (-(1 << 63), b"")
        passed = 0
        for k in range(min(count, older)):
            wanted = (2 * k + 1) * older // (2 * min(count, older))
            row = sql.execute(step, (no, *here, cut[0], *cut, wanted - passed)).fetchone()
            if row is None:
                break
            here, passed = (row[0], row[1]), wanted + 1
            chosen.append((row[0], row[2]))
    return by_ids(connection, user_id, [i for _, i in sorted(chosen)])


def interaction(connection: Connection, id_prefix: str, *, user_id: str | None) -> Interaction:
    """The interaction whose id begins with `id_prefix`."""
    prefix = id_prefix.strip().lower()
    if not _ID.fullmatch(prefix):
        raise UsageError(
            f"the interaction id is {id_prefix[:80]!r}: expected up to 32 hexadecimal digits, as `explain` shows them",
            details={"id": id_prefix},
        )
    low, high = bytes.fromhex(prefix.ljust(32, "0")), bytes.fromhex(prefix.ljust(32, "f"))
    with connection.reading() as sql:
        values: list[Any] = [low, high]
        where = ""
        if user_id is not None:
            where = " AND user_no = ?"
            values.append(need_user(sql, user_id)[0])
        ids = sql.execute(
            f"SELECT id FROM interactions WHERE digest BETWEEN ? AND ?{where} LIMIT 2",  # noqa: S608
            values,
        ).fetchall()
        if not ids:
            raise NotFoundError(
                f"the store has no interaction {prefix}{f' of user {user_id!r}' if user_id else ''}: "
                "`bump-edge explain` shows ids.",
                details={"id": prefix},
            )
        if len(ids) > 1:
            raise UsageError(
                f"{prefix} is the beginning of more than one interaction's id: give more digits.",
                details={"id": prefix},
            )
        row = sql.execute(
            f"SELECT {COLUMNS}, user_id FROM interactions JOIN users ON no = user_no WHERE id = ?",  # noqa: S608
            ids[0],
        ).fetchone()
    return interaction_of(row[-1], row[:-1])
