"""Small stores for the tests of export and import."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bump_edge.store import Derived, ImportReport, ProfileDraft, Store
from bump_edge.types import Interaction, Profile, from_timestamp_ms


def act(n: int, user: str = "anna", *, timed: bool = True) -> Interaction:
    """The n-th interaction of a fixed supply, the same on every device."""
    when = datetime.fromtimestamp(1_600_000_000 + n * 3600, UTC) if timed else None
    return Interaction(
        text=f"bought kettle number {n} ünïcödé", item=f"kettle {n}" if n % 2 else None, type="purchase",
        rating=float(n % 5) if n % 3 else None, timestamp=when, user_id=user,
        meta={"z": n, "a": [1.5]} if n % 4 else {},
    )  # fmt: skip


def save(
    store: Store, sentences: Sequence[tuple[str, Sequence[Interaction]]], *, user: str = "anna",
    confirmed: Sequence[str] = (), origin: str = "write",
) -> Profile:  # fmt: skip
    draft = ProfileDraft(
        user_id=user, text=" ".join(s for s, _ in sentences), model="m", language="en",
        evidence=[(s, [i.id for i in found]) for s, found in sentences],
        manifest={"template": "t", "history": {"selection_sha256": "ab", "count": 3}}, recipe="r",
        revision=store.revision(user), position=store.position(user), confirmed=frozenset(confirmed), origin=origin,
    )  # fmt: skip
    return store.save_profiles([draft])[0]


def fill(store: Store, numbers: Sequence[int] = range(6), user: str = "anna") -> list[Interaction]:
    """A user with a history, two versions of a profile, corrections, and something forgotten."""
    acts = [act(n, user) for n in numbers]
    store.ingest(acts)
    save(store, [("Likes kettles.", acts[:2]), ("Buys often.", acts[1:4])], user=user)
    save(store, [("Likes kettles.", acts[:2]), ("Is kind.", [])], user=user, confirmed=["Is kind."], origin="edit")
    store.correct(user, "pin", "Is kind.", at=from_timestamp_ms(1000))
    store.correct(user, "topic", "tea", at=from_timestamp_ms(2000))
    store.correct(user, "topic", "tea", active=False, at=from_timestamp_ms(3000))
    store.forget(user, [acts[-1]])
    return acts


def dump(store: Store, *, histories: bool = True) -> bytes:
    out = io.BytesIO()
    store.export_file(out, histories=histories)
    return out.getvalue()


def load(store: Store, data: bytes) -> ImportReport:
    return store.import_file(io.BytesIO(data))


def open_new(folder: Path, name: str) -> Store:
    return Store(folder / f"{name}.db")


def sealed(*lines: object) -> bytes:
    """An export of these lines with a good last line."""
    body = b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines)
    return body + orjson.dumps({"lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}) + b"\n"


def state(store: Store) -> object:
    """All that a reader can see of a store, without the numbers that are its own."""
    return {
        u.user_id: (
            {i.id: i for i in store.history(u.user_id)},
            store.corrections(u.user_id, taken_back=True),
            [store.profile(u.user_id, v) for v in store.versions(u.user_id)],
        )
        for u in store.users()
    }


__all__ = ["Derived", "act", "dump", "fill", "load", "open_new", "save", "sealed", "state"]
