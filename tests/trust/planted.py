"""Operations that break a promise on purpose: the crash harness must see each."""

from __future__ import annotations

from pathlib import Path

from bump_edge import plan_forget
from tests.trust.operations import (
    NEEDLE,
    USERS,
    Operation,
    Told,
    db,
    exported,
    filled,
    forgot_topic,
    ingest_broken,
    log,
    opened,
    profile_prepared,
)


def _tells_too_early(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        for start in range(100, 160, 20):
            told(str(start))
            store.ingest(i for user in USERS for i in log(user, range(start, start + 20)))


def _half_profile(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        for user in USERS:
            if not store.versions(user):
                store._connection.rows(
                    "INSERT INTO profiles"
                    "(user_no, version, text, model, language, created_at, recipe, revision, manifest)"
                    " SELECT no, 1, 'Plays the lute.', 'm', 'en', 0, 'r', 1, '{}' FROM users WHERE user_id = ?",
                    (user,),
                )
                store._connection.rows("INSERT INTO sentences SELECT max(id), 0, 'Plays the lute.', 1 FROM profiles")
            told(user)


def _deletes_and_no_more(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        store._connection.rows("PRAGMA secure_delete = OFF")
        for user in USERS:
            plan = plan_forget(store, user, topic=NEEDLE)
            store.forget(user, plan.interactions, plan.derived)
        told("clean")


def _writes_in_place(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store, (folder / "out.jsonl").open("wb") as stream:
        store.export_file(stream)
    told("exported")


def _lets_errors_through(folder: Path, told: Told) -> None:
    path = folder / "out.jsonl"
    with path.open("wb", buffering=0) as stream:
        for _ in range(20):
            stream.write(b"x" * 100)
    path.unlink()
    told("imported")


PLANTED = (
    Operation("told before it is stored", filled, _tells_too_early, ingest_broken),
    Operation("a profile in two transactions", profile_prepared, _half_profile),
    Operation("deleted and not overwritten", filled, _deletes_and_no_more, forgot_topic),
    Operation("an export written in place", filled, _writes_in_place, exported),
    Operation("an I/O error of Python's own", filled, _lets_errors_through),
)
"""What breaks a promise each."""
