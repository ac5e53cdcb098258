"""What the crash harness interrupts: operations on a store, what they start from, and what must hold whatever happens.

Each one is run in a forked child, which tells what it was promised (`told`): what a call that returned has promised
must still hold after the crash.
"""

from __future__ import annotations

import contextlib
import io
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bump_edge import Interaction, Profiler, Store, UsageError, decrypt_store, encrypt_store, forget, plan_forget
from bump_edge.store import schema

USERS = ("ada", "ben", "cleo")
NEEDLE = "zanzibarflute"
"""In every text that is to be forgotten, and nowhere else."""
_THEMES = ("guitar strings", "garden hose", "chess clock", "watercolour paper", "sourdough flour")
_START = datetime(2025, 1, 1, tzinfo=UTC)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Args:
        name: it.
        prepare: makes what it starts from, in an empty folder.
        run: does it, in a copy of that folder, and tells what it was promised.
        broken: what is wrong after an interruption, before anything is done again; given what was told.
        wrong: what is wrong after it was run again to its end.
        compared: whether its end must be the one that it has without an interruption.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path, Told], None]
    broken: Callable[[Path, list[str]], list[str]] = lambda _folder, _told: []
    wrong: Callable[[Path], list[str]] = lambda _folder: []
    compared: bool = True


def log(user: str, numbers: Iterable[int], *, secret: bool = False) -> list[Interaction]:
    """Made-up interactions of `user`, each unlike all others."""
    return [
        Interaction(
            user_id=user,
            item=f"{_THEMES[n % 5].title()} model {user}{n}",
            text=f"{'the ' + NEEDLE + ' lesson' if secret else 'works well'}, {_THEMES[n % 5]} number {n} of {user}",
            rating=float(n % 5 + 1),
            timestamp=_START + timedelta(days=n),
        )
        for n in numbers
    ]


def db(folder: Path) -> Path:
    """The store in an operation's folder."""
    return folder / "store.db"


KEY = "0f" * 32
"""Of encrypted stores."""


def opened(path: Path) -> Store:
    """The store at `path`, plain or encrypted."""
    with path.open("rb") if path.exists() else io.BytesIO() as file:
        plain = file.read(16) in (b"", b"SQLite format 3\0")
    return Store(path) if plain else Store(path, key=KEY)


def state(path: Path) -> dict[str, object]:
    """What a store holds: interactions by user, and the texts of every version; raises where it is damaged."""
    with opened(path) as store:
        if (said := store.check()) is not None:
            raise AssertionError(f"the store is damaged: {said}")
        found: dict[str, object] = {}
        for user in store.users():
            name = user.user_id
            versions = [store.profile(name, v) for v in store.versions(name)]
            for profile in versions:
                sentences = [e.sentence for e in profile.evidence]
                if not sentences or " ".join(sentences) != profile.text:
                    raise AssertionError(f"half a profile of {name}: {profile.text!r} of {sentences}")
                if any(not e.interactions and not e.confirmed for e in profile.evidence):
                    raise AssertionError(f"a sentence without evidence in the profile of {name}")
                if any(i.user_id != name for e in profile.evidence for i in e.interactions):
                    raise AssertionError(f"evidence of somebody else in the profile of {name}")
            history = [(i.item, i.text) for i in store.iter_history(name)]
            if len(set(history)) != len(history):
                raise AssertionError(f"an interaction of {name} is there twice")
            found[name] = {"history": history, "profiles": [p.text for p in versions]}
        return found


def filled(folder: Path) -> None:
    """A store in which every user has a history and a profile."""
    with opened(db(folder)) as store, Profiler(store, "extractive") as profiler:
        for user in USERS:
            store.ingest([*log(user, range(25)), *log(user, range(25, 31), secret=True)])
            profiler.profile(user)


def _lost(folder: Path, users: Iterable[str] = USERS, *, but: str | None = None) -> list[str]:
    """Interactions of the prepared store that are not there any more; those with `but` in them may be gone."""
    with opened(db(folder)) as store:
        there = {(i.user_id, i.text) for user in users if store.has_user(user) for i in store.iter_history(user)}
    expected = [i for user in users for i in [*log(user, range(25)), *log(user, range(25, 31), secret=True)]]
    return [
        f"lost: {i.user_id}: {i.text}"
        for i in expected
        if (i.user_id, i.text) not in there and (but is None or but not in (i.text or ""))
    ]


def _traces(folder: Path, needle: str) -> list[str]:
    """Files below `folder` that hold `needle`."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and needle.encode() in path.read_bytes().lower():
            found.append(f"{needle} is in {path.name}")
    return found


# ingest


def _ingest(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        for start in range(100, 160, 20):
            store.ingest(i for user in USERS for i in log(user, range(start, start + 20)))
            told(str(start))


def ingest_broken(folder: Path, told: list[str]) -> list[str]:
    """What was told to be in, and is not."""
    problems = _lost(folder)
    with opened(db(folder)) as store:
        for start in map(int, told):
            for user in USERS:
                there = {i.text for i in store.iter_history(user)}
                missing = [i.text for i in log(user, range(start, start + 20)) if i.text not in there]
                problems += [f"accepted and lost: {text}" for text in missing]
    return problems


# profile, update


def profile_prepared(folder: Path) -> None:
    """A store in which every user has a history."""
    with opened(db(folder)) as store:
        for user in USERS:
            store.ingest([*log(user, range(25)), *log(user, range(25, 31), secret=True)])


def _profile(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store, Profiler(store, "extractive") as profiler:
        for user in USERS:
            profiler.profile(user)
            told(user)


def _profile_broken(folder: Path, told: list[str]) -> list[str]:
    with opened(db(folder)) as store:
        return _lost(folder) + [
            f"the profile of {user} was told and is lost" for user in told if not store.versions(user)
        ]


def _update_prepared(folder: Path) -> None:
    filled(folder)
    with opened(db(folder)) as store:
        for user in USERS:
            store.ingest(log(user, range(40, 52)))


def _update_broken(folder: Path, told: list[str]) -> list[str]:
    with opened(db(folder)) as store:
        short = [user for user in told if len(store.versions(user)) < 2]
        return _lost(folder) + [f"the update of {user} was told and is lost" for user in short]


# forget


def _forget_topic(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        for user in USERS:
            receipt = forget(store, plan_forget(store, user, topic=NEEDLE))
            if receipt.clean and user == USERS[-1]:
                told("clean")


def forgot_topic(folder: Path, told: list[str]) -> list[str]:
    """What else was lost, and traces of what was told to be gone."""
    return _lost(folder, but=NEEDLE) + (_traces(folder, NEEDLE) if told else [])


def _topic_stays_gone(folder: Path) -> list[str]:
    return _lost(folder, but=NEEDLE) + _traces(folder, NEEDLE)


def _forget_user(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        if store.has_user("ben") and forget(store, plan_forget(store, "ben", everything=True)).clean:
            told("clean")


def _forgot_user(folder: Path, told: list[str]) -> list[str]:
    return _lost(folder, ("ada", "cleo")) + (_traces(folder, " of ben") if told else [])


def _user_stays_gone(folder: Path) -> list[str]:
    return _lost(folder, ("ada", "cleo")) + _traces(folder, " of ben")


# migrate


def _old_store(folder: Path) -> None:
    known, schema.NAMES = schema.NAMES, ("first",)
    try:
        sql = sqlite3.connect(db(folder), isolation_level=None)
        schema.migrate(sql)
    finally:
        schema.NAMES = known
    for no, user in enumerate(USERS, 1):
        rows = [*log(user, range(25)), *log(user, range(25, 31), secret=True)]
        sql.execute("INSERT INTO users(no, user_id, interactions, last_position, revision) VALUES (?, ?, ?, ?, 1)",
                    (no, user, len(rows), len(rows)))  # fmt: skip
        for position, i in enumerate(rows, 1):
            sql.execute(
                "INSERT INTO interactions VALUES (?, ?, ?, ?, NULL, ?, ?, NULL, NULL)",
                (no * 2**32 + position, no, i.digest, position, i.item, i.text),
            )
        sql.execute("INSERT INTO profiles VALUES (?, ?, 1, 'Plays the lute.', 'm', 'en', 0, 'r', 1, '{}')", (no, no))
        sql.execute("INSERT INTO sentences VALUES (?, 0, 'Plays the lute.')", (no,))
        sql.execute("INSERT INTO evidence VALUES (?, 0, 0, ?)", (no, no * 2**32 + 1))
    sql.close()


def _migrate(folder: Path, told: Told) -> None:
    with opened(db(folder)):
        told("open")


# export, import


def _export(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        store.export_file(folder / "out.jsonl", overwrite=True)
        told("exported")


def exported(folder: Path, told: list[str]) -> list[str]:
    """What is wrong with the export, if there is one or should be."""
    out = folder / "out.jsonl"
    if not out.exists():
        return ["the export was told and is not there"] if told else []
    with Store(folder / "check.db") as store:
        try:
            store.import_file(out)
        except UsageError as error:
            return [f"half an export: {error}"]
    for path in folder.glob("check.db*"):
        path.unlink()
    return _lost(folder)


def _no_leftovers(folder: Path) -> list[str]:
    known = {"store.db", "out.jsonl", "in.jsonl"}
    return [
        f"left behind: {p.name}"
        for p in folder.iterdir()
        if p.name.removesuffix("-wal").removesuffix("-shm") not in known
    ]


def _import_prepared(folder: Path) -> None:
    filled(folder)
    with Store(folder / "other.db") as other, Profiler(other, "extractive") as profiler:
        for user in ("ada", "dora"):
            other.ingest(log(user, range(200, 230)))
            profiler.profile(user)
        other.export_file(folder / "in.jsonl")
    for path in folder.glob("other.db*"):
        path.unlink()


def _import(folder: Path, told: Told) -> None:
    with opened(db(folder)) as store:
        store.import_file(folder / "in.jsonl")
        told("imported")


def _imported(folder: Path, told: list[str]) -> list[str]:
    with opened(db(folder)) as store:
        there = store.has_user("dora") and store.count("dora") == 30
        if told and not there:
            return ["the import was told and is lost"]
        if not there and store.has_user("dora"):
            return ["half an import"]
    return _lost(folder)


# encryption


def _encrypt(folder: Path, told: Told) -> None:
    with contextlib.suppress(UsageError):  # it was done before the crash
        encrypt_store(db(folder), key=KEY)
    told("encrypted")


def _encrypted(folder: Path, told: list[str]) -> list[str]:
    return _lost(folder) + (_no_plaintext(folder) if told else [])


def _no_plaintext(folder: Path) -> list[str]:
    return _traces(folder, NEEDLE) + _no_leftovers(folder)


def _filled_encrypted(folder: Path) -> None:
    filled(folder)
    encrypt_store(db(folder), key=KEY)


def _decrypt(folder: Path, told: Told) -> None:
    with contextlib.suppress(UsageError):
        decrypt_store(db(folder), key=KEY)
    told("decrypted")


OPERATIONS = (
    Operation("ingest", filled, _ingest, ingest_broken),
    Operation("profile", profile_prepared, _profile, _profile_broken),
    Operation("update", _update_prepared, _profile, _update_broken),
    Operation("forget-topic", filled, _forget_topic, forgot_topic, _topic_stays_gone),
    Operation("forget-user", filled, _forget_user, _forgot_user, _user_stays_gone),
    Operation("migrate", _old_store, _migrate, lambda folder, _: _lost(folder)),
    Operation("export", filled, _export, exported, _no_leftovers),
    Operation("import", _import_prepared, _import, _imported, _no_leftovers),
    Operation("encrypt", filled, _encrypt, _encrypted, _no_plaintext),
    Operation("decrypt", _filled_encrypted, _decrypt, lambda folder, _: _lost(folder), _no_leftovers),
    Operation("forget, encrypted", _filled_encrypted, _forget_topic, forgot_topic, _no_plaintext),
)
"""Every operation that writes."""
