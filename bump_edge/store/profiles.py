"""Profiles into the store and out of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from bump_edge.errors import NotFoundError, ProfileChangedError, UsageError
from bump_edge.store.connection import Connection
from bump_edge.store.interactions import COLUMNS, interaction_of, moment, need_user
from bump_edge.store.report import ProfileDraft
from bump_edge.types import Evidence, Interaction, Profile, timestamp_ms

_GROUP = 500  # users whose profiles are read at a time


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user's latest profile rests on: see `ProfileDraft`."""

    version: int
    recipe: str
    revision: int
    position: int
    updates: int


_LATEST = "version = (SELECT max(version) FROM profiles AS newer WHERE newer.user_no = profiles.user_no)"
_PROFILES = """
SELECT profiles.id, user_id, version, text, model, language, created_at, manifest, origin
FROM profiles JOIN users ON no = user_no
"""


def save(connection: Connection, drafts: Iterable[ProfileDraft]) -> list[Profile]:
    """Store every draft as the next version of its user's profile, all in one transaction.

    Raises:
        NotFoundError: there is no such user.
        ProfileChangedError: an interaction of the evidence is not, or no longer, in the user's history, or another
            version than the one that a draft follows is the latest.
        UsageError: a draft is empty, or an id is none.
    """
    with connection.writing() as sql:
        ids = [_save_one(sql, draft) for draft in drafts]
        made = _read(sql, "WHERE profiles.id IN (SELECT value FROM json_each(?))", [orjson.dumps(ids).decode()])
        by_id = dict(made)
        return [by_id[i] for i in ids]


def _save_one(sql: sqlite3.Connection, draft: ProfileDraft) -> int:
    no, *_ = need_user(sql, draft.user_id)
    if not draft.text.strip() or not draft.evidence:
        raise UsageError(f"the profile of user {draft.user_id!r} is empty: expected sentences, each with evidence")
    wanted = _digests(draft)
    rows = sql.execute(
        f"SELECT digest, id FROM interactions WHERE user_no = ? AND digest IN ({','.join('?' * len(wanted))})",  # noqa: S608
        (no, *wanted.values()),
    )
    found = dict(rows.fetchall())
    if missing := [i for i, digest in wanted.items() if digest not in found]:
        raise ProfileChangedError(
            f"{len(missing)} interactions that the profile of user {draft.user_id!r} rests on are not in the history "
            f"({missing[0]}, …): it changed meanwhile. Write the profile again.",
            details={"user_id": draft.user_id, "interactions": missing},
        )
    latest, latest_at = sql.execute(
        "SELECT coalesce(max(version), 0), max(created_at) FROM profiles WHERE user_no = ?", (no,)
    ).fetchone()
    if draft.after is not None and draft.after != latest:
        raise ProfileChangedError(
            f"the profile of user {draft.user_id!r} is at version {latest} by now, and this one follows {draft.after}: "
            "somebody else wrote meanwhile. Do it again on the latest.",
            details={"user_id": draft.user_id, "latest": latest, "after": draft.after},
        )
    profile = sql.execute(
        """INSERT INTO profiles(user_no, version, text, model, language, created_at, recipe, revision, manifest,
               origin, position, updates)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            no,
            latest + 1,
            draft.text,
            draft.model,
            draft.language,
            # Later than the version before, whatever the clock says: stores that are merged order versions by this.
            max(timestamp_ms(datetime.now(UTC)), -(1 << 62) if latest_at is None else latest_at + 1),
            draft.recipe,
            draft.revision,
            orjson.dumps(dict(draft.manifest)).decode(),
            draft.origin,
            draft.position,
            draft.updates,
        ),
    ).lastrowid
    sql.executemany(
        "INSERT INTO sentences(profile_id, position, text, confirmed) VALUES (?, ?, ?, ?)",
        [(profile, at, sentence, sentence in draft.confirmed) for at, (sentence, _) in enumerate(draft.evidence)],
    )
    sql.executemany(
        "INSERT INTO evidence(profile_id, sentence, rank, interaction_id) VALUES (?, ?, ?, ?)",
        [
            (profile, position, rank, found[wanted[i]])
            for position, (_, ids) in enumerate(draft.evidence)
            for rank, i in enumerate(ids)
        ],
    )
    assert profile is not None  # noqa: S101  # an INSERT has a rowid
    return profile


def _digests(draft: ProfileDraft) -> dict[str, bytes]:
    wanted = {}
    for sentence, ids in draft.evidence:
        if not ids and sentence not in draft.confirmed:
            raise UsageError(f"the sentence {sentence[:80]!r} has no evidence: expected at least one interaction")
        for i in ids:
            try:
                wanted[i] = bytes.fromhex(i)
            except ValueError as error:
                raise UsageError(f"{i[:80]!r} is no interaction's id: expected 32 hexadecimal digits") from error
    return wanted


def profile(connection: Connection, user_id: str, version: int | None) -> Profile:
    """One profile, the latest or a given version.

    Raises:
        NotFoundError: there is no such user, profile or version.
    """
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        which = _LATEST if version is None else "version = ?"
        found = list(_read(sql, f"WHERE user_no = ? AND {which}", [no] if version is None else [no, version]))
    if not found:
        what = "no profile" if version is None else f"no version {version} of a profile"
        raise NotFoundError(
            f"user {user_id!r} has {what}: `bump-edge profile` writes one.",
            details={"user_id": user_id, "version": version},
        )
    return found[0][1]


def standing(connection: Connection, user_id: str) -> Standing | None:
    """What the user's latest profile rests on; None without one.

    Raises:
        NotFoundError: there is no such user.
    """
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        row = sql.execute(
            f"SELECT version, recipe, revision, position, updates FROM profiles WHERE user_no = ? AND {_LATEST}",  # noqa: S608
            (no,),
        ).fetchone()
    return None if row is None else Standing(*row)


def versions(connection: Connection, user_id: str) -> list[int]:
    """The versions of a user's profile, ascending; none is an empty list.

    Raises:
        NotFoundError: there is no such user.
    """
    with connection.reading() as sql:
        no, *_ = need_user(sql, user_id)
        return [v for (v,) in sql.execute("SELECT version FROM profiles WHERE user_no = ? ORDER BY version", (no,))]


def profiles(connection: Connection, user_ids: Iterable[str] | None) -> Iterator[Profile]:
    """The latest profile of each of `user_ids` in that order, or of everyone; who has none is left out."""
    if user_ids is None:
        query = f"SELECT user_id FROM users JOIN profiles ON user_no = no WHERE {_LATEST} ORDER BY no"  # noqa: S608
        user_ids = [user_id for (user_id,) in connection.rows(query)]
    names = iter(user_ids)
    while group := list(islice(names, _GROUP)):
        with connection.reading() as sql:
            where = f"WHERE {_LATEST} AND user_id IN (SELECT value FROM json_each(?))"  # noqa: S608
            found = {p.user_id: p for _, p in _read(sql, where, [_json(group)])}
        for name in group:
            if name in found:
                yield found[name]


def stale(connection: Connection, user_ids: Iterable[str], recipe: str) -> list[str]:
    """Those of `user_ids`, in order, whose latest profile is missing, or of another recipe or state of the history."""
    query = f"""
        SELECT j.value FROM json_each(?) AS j
        LEFT JOIN users ON user_id = j.value
        LEFT JOIN profiles ON user_no = no AND {_LATEST}
        WHERE profiles.id IS NULL OR recipe <> ? OR profiles.revision <> users.revision
        ORDER BY j.key
    """  # noqa: S608
    return [name for (name,) in connection.rows(query, (_json(list(user_ids)), recipe))]


def _json(names: Sequence[str]) -> str:
    return orjson.dumps([name.encode("utf-8", "replace").decode() for name in names]).decode()


def _read(sql: sqlite3.Connection, where: str, values: Sequence[Any]) -> Iterator[tuple[int, Profile]]:
    """Pairs `(profile's row, profile)` with all their evidence, in three queries however many there are."""
    rows = sql.execute(_PROFILES + where, values).fetchall()
    ids = orjson.dumps([row[0] for row in rows]).decode()
    owner = {row[0]: row[1] for row in rows}
    sentences: dict[int, list[tuple[str, list[Interaction], bool]]] = {row[0]: [] for row in rows}
    for profile_id, text, confirmed in sql.execute(
        "SELECT profile_id, text, confirmed FROM sentences WHERE profile_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY profile_id, position",
        (ids,),
    ):
        sentences[profile_id].append((text, [], bool(confirmed)))
    # Each interaction once, however many sentences it supports; an interaction has one user, so its id is enough.
    linked = "SELECT interaction_id FROM evidence WHERE profile_id IN (SELECT value FROM json_each(?))"
    records = {row[0]: row for row in sql.execute(f"SELECT {COLUMNS} FROM interactions WHERE id IN ({linked})", (ids,))}  # noqa: S608
    known: dict[int, Interaction] = {}
    for profile_id, sentence, link in sql.execute(
        "SELECT profile_id, sentence, interaction_id FROM evidence "
        "WHERE profile_id IN (SELECT value FROM json_each(?)) ORDER BY profile_id, sentence, rank",
        (ids,),
    ):
        if link not in known:
            known[link] = interaction_of(owner[profile_id], records[link])
        sentences[profile_id][sentence][1].append(known[link])
    for profile_id, user_id, version, text, model, language, created, manifest, origin in rows:
        created_at = moment(created)
        assert created_at is not None  # noqa: S101  # NOT NULL
        yield (
            profile_id,
            Profile(
                user_id=user_id,
                text=text,
                version=version,
                model=model,
                created_at=created_at,
                language=language,
                evidence=tuple(
                    Evidence(sentence=sentence, interactions=tuple(links), confirmed=confirmed)
                    for sentence, links, confirmed in sentences[profile_id]
                ),
                manifest=orjson.loads(manifest),
                origin=origin,
            ),
        )
