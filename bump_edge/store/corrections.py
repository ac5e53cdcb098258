"""A person's word about their profile: pins, rejections, blocks.

Each is one row by kind and text, with the time of the last change and whether it holds: of two stores that are merged,
the later change wins, also when it took something back.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from bump_edge.errors import UsageError
from bump_edge.store.connection import Connection
from bump_edge.store.interactions import moment, need_user
from bump_edge.types import timestamp_ms

Kind = Literal["pin", "reject", "topic", "pattern"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""``pin``: a sentence that stays; ``reject``: one that must not come back; ``topic`` and ``pattern``: blocked."""

MAX_CHARS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """One thing that a person said about their profile.

    Args:
        kind: one of `KINDS`.
        text: the sentence, the topic, or the regular expression.
        at: when it was said last, UTC.
        active: False once it was taken back.
    """

    kind: Kind
    text: str
    at: datetime
    active: bool = True


def put(connection: Connection, user_id: str, kind: Kind, text: str, *, active: bool, at: datetime | None) -> bool:
    """Say something, or take it back; an older word than the one in the store is not taken.

    Returns:
        Whether anything changed in what holds.

    Raises:
        NotFoundError: there is no such user.
        UsageError: an unknown kind; an empty text or one of more than 1,000 characters.
    """
    text = " ".join(text.split())
    if kind not in KINDS:
        raise UsageError(f"the kind of a correction is {kind!r}: expected one of {', '.join(KINDS)}")
    if not 0 < len(text) <= MAX_CHARS:
        raise UsageError(f"the text of a correction has {len(text)} characters: expected 1 to {MAX_CHARS}")
    with connection.writing() as sql:
        no, *_ = need_user(sql, user_id)
        before = sql.execute(
            "SELECT 1 FROM corrections WHERE user_no = ? AND kind = ? AND text = ?", (no, kind, text)
        ).fetchone()
        if before is None and not active:
            return False
        ms = timestamp_ms(at or datetime.now(UTC))
        if at is None:
            # what is said now is later than what was said before, however coarse or wrong the clock
            (last,) = sql.execute(
                """SELECT coalesce(max(at), 0) FROM (SELECT at FROM corrections WHERE user_no = ?1
                   UNION ALL SELECT at FROM forgotten_corrections WHERE user_no = ?1)""",
                (no,),
            ).fetchone()
            ms = max(ms, last + 1)
        return put_row(sql, no, kind, text, ms, active=active)[1]


def put_row(sql: sqlite3.Connection, user_no: int, kind: str, text: str, ms: int, *, active: bool) -> tuple[bool, bool]:
    """Put one correction, checked before; returns whether it was taken, and whether anything changed in what holds."""
    before = sql.execute(
        "SELECT active FROM corrections WHERE user_no = ? AND kind = ? AND text = ?", (user_no, kind, text)
    ).fetchone()
    done = sql.execute(
        """INSERT INTO corrections(user_no, kind, text, at, active) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET at = excluded.at, active = excluded.active
           WHERE excluded.at > at OR (excluded.at = at AND excluded.active > active)""",
        (user_no, kind, text, ms, active),
    )
    taken = done.rowcount > 0
    changed = taken and active != bool(before and before[0])
    if changed:
        # what a profile may say is another matter now: the latest one is no longer up to date
        sql.execute("UPDATE users SET revision = revision + 1 WHERE no = ?", (user_no,))
    return taken, changed


def every(connection: Connection, user_id: str, *, taken_back: bool = False) -> list[Correction]:
    """The user's corrections in the order in which they were made; with `taken_back`, those too.

    Raises:
        NotFoundError: there is no such user.
    """
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        rows = sql.execute(
            "SELECT kind, text, at, active FROM corrections WHERE user_no = ? AND active >= ? ORDER BY at, kind, text",
            (no, not taken_back),
        ).fetchall()
    return [
        Correction(kind=kind, text=text, at=when, active=bool(active))
        for kind, text, at, active in rows
        if (when := moment(at)) is not None
    ]
