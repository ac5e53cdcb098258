"""Deleting for good: interactions, what was derived from them, and every byte of both.

The order: one transaction takes the interactions out and the sentences with them, leaves a mark of each (see
`schema.life`) and packs the search index anew, because an index entry that was only marked as deleted still holds its
words; `secure_delete` overwrites what the transaction frees. That is not all: see `bump_edge.store.scanning`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from bump_edge.store.connection import Connection
from bump_edge.store.interactions import need_user
from bump_edge.types import timestamp_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """What becomes of one version of a profile.

    Args:
        version: which.
        keep: position of each sentence that stays → ids of the interactions that support it without the forgotten ones.
    """

    version: int
    keep: Mapping[int, Sequence[str]]


def mark(digest: bytes, key: bytes) -> bytes:
    """What is kept of a forgotten interaction."""
    return hashlib.blake2b(digest, key=key, digest_size=16).digest()


def key_of(sql: sqlite3.Connection) -> bytes:
    """The store's own key for marks."""
    ((key,),) = sql.execute("SELECT value FROM secrets WHERE name = 'forgotten'").fetchall()
    return bytes(key)


def marked(sql: sqlite3.Connection, user_no: int) -> Callable[[bytes], bool] | None:
    """Whether an interaction, by its digest, was forgotten; None for a user who had nothing forgotten."""
    marks: dict[bytes, set[bytes]] = {}
    for key, one in sql.execute(MARKS, {"own": key_of(sql), "no": user_no}):
        marks.setdefault(bytes(key), set()).add(bytes(one))
    if not marks:
        return None
    return lambda digest: any(mark(digest, key) in those for key, those in marks.items())


MARKS = """
SELECT :own, mark FROM forgotten WHERE user_no = :no
UNION SELECT key, mark FROM forgotten_elsewhere WHERE user_no = :no ORDER BY 1, 2
"""
"""`(key, mark)` of all that a user had forgotten, here and in the stores that were merged into this one."""


def any_marks(sql: sqlite3.Connection) -> bool:
    """Whether anything was forgotten by anyone."""
    query = "SELECT EXISTS (SELECT 1 FROM forgotten) OR EXISTS (SELECT 1 FROM forgotten_elsewhere)"
    return bool(sql.execute(query).fetchone()[0])


def forget(
    connection: Connection,
    user_id: str,
    digests: Collection[bytes],
    derived: Iterable[Derived],
    *,
    corrections: Collection[str],
    remember: bool,
) -> tuple[list[int], list[int]]:
    """Delete interactions, and from every version of the profile what rests on them.

    A version that `derived` does not name loses the sentences that have a forgotten interaction as evidence. A version
    without a sentence is deleted.

    Args:
        corrections: texts of pins and rejections to delete.
        remember: leave marks, so that the interactions do not come back when their log is read again.

    Returns:
        The versions that were changed, and those that were deleted.

    Raises:
        NotFoundError: there is no such user.
    """
    plans = {d.version: d.keep for d in derived}
    with connection.writing() as sql:
        no, *_ = need_user(sql, user_id)
        supporting = {bytes.fromhex(i) for plan in plans.values() for ids in plan.values() for i in ids}
        known = _ids(sql, no, supporting | set(digests))
        gone = {known[d]: d for d in digests if d in known}
        keeps = {v: {p: _known(known, ids) for p, ids in keep.items()} for v, keep in plans.items()}
        for text in corrections:
            _unsay(sql, no, text, remember=remember)
        if remember:
            key = key_of(sql)
            sql.executemany(
                "INSERT OR IGNORE INTO forgotten VALUES (?, ?)", [(no, mark(d, key)) for d in gone.values()]
            )
        changed, deleted = take_out(sql, no, set(gone), keeps)
        pack(sql)
    return changed, deleted


def _unsay(sql: sqlite3.Connection, user_no: int, text: str, *, remember: bool) -> None:
    """Delete a pin or rejection, with a mark, so that another store does not bring it back."""
    rows = sql.execute(
        "SELECT kind, at FROM corrections WHERE user_no = ? AND kind IN ('pin', 'reject') AND text = ?", (user_no, text)
    ).fetchall()
    key = key_of(sql)
    for kind, at in rows:
        sql.execute("DELETE FROM corrections WHERE user_no = ? AND kind = ? AND text = ?", (user_no, kind, text))
        if remember:
            now = timestamp_ms(datetime.now(UTC))
            put_unsaid(sql, user_no, key, correction_mark(kind, text, key), max(at, now))


def correction_mark(kind: str, text: str, key: bytes) -> bytes:
    """What is kept of a deleted correction."""
    return hashlib.blake2b(orjson.dumps(["correction", kind, text]), key=key, digest_size=16).digest()


def put_unsaid(sql: sqlite3.Connection, user_no: int, key: bytes, one: bytes, at: int) -> bool:
    """Keep the mark of a deleted correction; whether it is new, or later than the one that is there."""
    done = sql.execute(
        """INSERT INTO forgotten_corrections(user_no, key, mark, at) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET at = excluded.at WHERE excluded.at > at""",
        (user_no, key, one, at),
    )
    return done.rowcount > 0


def unsaid(sql: sqlite3.Connection, user_no: int) -> Callable[[str, str, int], bool]:
    """Whether a correction (kind, text, time) was deleted at its time or later, here or in another store."""
    marks: dict[bytes, dict[bytes, int]] = {}
    for key, one, at in sql.execute("SELECT key, mark, at FROM forgotten_corrections WHERE user_no = ?", (user_no,)):
        marks.setdefault(key, {})[one] = at

    def deleted(kind: str, text: str, at: int) -> bool:
        return any(those.get(correction_mark(kind, text, key), at - 1) >= at for key, those in marks.items())

    return deleted


def take_out(
    sql: sqlite3.Connection, user_no: int, gone: set[int], keeps: Mapping[int, Mapping[int, list[int]]]
) -> tuple[list[int], list[int]]:
    """Delete a user's interactions by id with what rests on them; `pack` has to follow in the same transaction.

    Args:
        keeps: version → position of each sentence that stays → ids of its evidence; a version that is not in it loses
            the sentences that have evidence in `gone`.

    Returns:
        The versions that were changed, and those that were deleted.
    """
    changed: list[int] = []
    deleted: list[int] = []
    for profile, version in sql.execute(
        "SELECT id, version FROM profiles WHERE user_no = ? ORDER BY version", (user_no,)
    ).fetchall():
        outcome = _rewrite(sql, profile, gone, keeps.get(version))
        if outcome is not None:
            (changed if outcome else deleted).append(version)
    sql.executemany("DELETE FROM interactions WHERE id = ?", [(i,) for i in gone])
    return changed, deleted


def _known(known: Mapping[bytes, int], interaction_ids: Iterable[str]) -> list[int]:
    return [known[d] for i in interaction_ids if (d := bytes.fromhex(i)) in known]


def _rewrite(
    sql: sqlite3.Connection, profile: int, gone: set[int], keep: Mapping[int, list[int]] | None
) -> bool | None:
    """Take sentences out of one version: None when nothing changes, False when nothing is left of it."""
    sentences = sql.execute(
        "SELECT position, text, confirmed FROM sentences WHERE profile_id = ? ORDER BY position", (profile,)
    ).fetchall()
    links: dict[int, list[int]] = {position: [] for position, _, _ in sentences}
    for position, link in sql.execute(
        "SELECT sentence, interaction_id FROM evidence WHERE profile_id = ? ORDER BY sentence, rank", (profile,)
    ):
        links[position].append(link)
    if keep is None:
        if all(gone.isdisjoint(ids) for ids in links.values()):
            return None
        kept = {p: ids for p, ids in links.items() if gone.isdisjoint(ids)}
    else:
        kept = {position: keep[position] for position, _, _ in sentences if position in keep}
        if kept == links:
            return None
    if not kept:
        drop_version(sql, profile)
        return False
    rest = [(text, confirmed, kept[position]) for position, text, confirmed in sentences if position in kept]
    sql.execute("DELETE FROM evidence WHERE profile_id = ?", (profile,))
    sql.execute("DELETE FROM sentences WHERE profile_id = ?", (profile,))
    sql.executemany(
        "INSERT INTO sentences(profile_id, position, text, confirmed) VALUES (?, ?, ?, ?)",
        [(profile, n, text, confirmed) for n, (text, confirmed, _) in enumerate(rest)],
    )
    sql.executemany(
        "INSERT INTO evidence(profile_id, sentence, rank, interaction_id) VALUES (?, ?, ?, ?)",
        [(profile, n, rank, i) for n, (_, _, ids) in enumerate(rest) for rank, i in enumerate(ids)],
    )
    # The hash of the selection would still say whether a guessed interaction was in it.
    sql.execute(
        """UPDATE profiles SET text = ?, revision = -1,
           manifest = json_set(json_remove(manifest, '$.history.selection_sha256'), '$.forgotten', json('true'))
           WHERE id = ?""",
        (" ".join(text for text, _, _ in rest), profile),
    )
    return True


def drop_version(sql: sqlite3.Connection, profile: int) -> None:
    """Delete a version of a profile, and keep its name: it must not come back from another store."""
    sql.execute("INSERT OR IGNORE INTO gone_profiles SELECT user_no, uid FROM profiles WHERE id = ?", (profile,))
    sql.execute("DELETE FROM profiles WHERE id = ?", (profile,))


def _ids(sql: sqlite3.Connection, user_no: int, digests: Collection[bytes]) -> dict[bytes, int]:
    """The ids of the user's interactions with these digests; one walk over the user's part of an index."""
    wanted = orjson.dumps([d.hex().upper() for d in digests]).decode()
    rows = sql.execute(
        "SELECT digest, id FROM interactions WHERE user_no = ? AND hex(digest) IN (SELECT value FROM json_each(?))",
        (user_no, wanted),
    )
    return {bytes(digest): i for digest, i in rows}


def forget_user(connection: Connection, user_id: str) -> list[int]:
    """Delete a user with everything; returns the versions of the profile that went.

    Raises:
        NotFoundError: there is no such user.
    """
    with connection.writing() as sql:
        no, *_ = need_user(sql, user_id)
        versions = [v for (v,) in sql.execute("SELECT version FROM profiles WHERE user_no = ? ORDER BY version", (no,))]
        # first the interactions: a cascade would not run the trigger that takes them out of the search index
        sql.execute("DELETE FROM interactions WHERE user_no = ?", (no,))
        sql.execute("DELETE FROM users WHERE no = ?", (no,))
        pack(sql)
        return versions


def pack(sql: sqlite3.Connection) -> None:
    """Write the search index anew: an entry that was only marked as deleted still holds its words."""
    sql.execute("INSERT INTO interactions_fts(interactions_fts) VALUES ('optimize')")
