"""Forgetting: interactions go, and with them what was derived from them, in every version of the profile.

A sentence stays only if the interactions that remain support it, and hold every word of it that the forgotten ones
held. The rest goes: out of the old versions by deleting the sentence, out of the latest too, which
`Profiler.profile` then writes anew from what remains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bump_edge.errors import KeyUnavailableError, NotFoundError, StoreLockedError, UsageError
from bump_edge.profiler.evidence import EvidenceIndex
from bump_edge.profiler.options import SIMILARITY
from bump_edge.profiler.word import Embedder, Topic, Word
from bump_edge.store import Derived, Scan, Store
from bump_edge.store.scanning import needles
from bump_edge.text import words
from bump_edge.types import Evidence, Interaction, Profile

_CANDIDATES = 60  # remaining interactions, found by a search, that may support a sentence


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetPlan:
    """What forgetting will do: what `--dry-run` shows.

    Args:
        user_id: whose.
        interactions: what goes, oldest first.
        topic: what was named, if anything was.
        derived: the versions that change, and which sentences stay in them.
        sentences: version → the sentences that go.
        pins: confirmed sentences about the topic; their confirmation goes too.
        everything: whether the user goes with all that there is.
    """

    user_id: str
    interactions: tuple[Interaction, ...]
    topic: str | None = None
    derived: tuple[Derived, ...] = ()
    sentences: dict[int, tuple[str, ...]]
    pins: tuple[str, ...] = ()
    everything: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready values; it shows what is to go."""
        return {
            "user_id": self.user_id,
            "interactions": [{"id": i.id, "text": i.as_record()} for i in self.interactions],
            "sentences": [
                {"version": version, "sentence": s} for version, gone in self.sentences.items() for s in gone
            ],
            "everything": self.everything,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What was forgotten, and the proof: it says how much, never what.

    Args:
        user_id: whose; a hash of it when the whole user went.
        at: when, UTC.
        interactions: how many were deleted.
        sentences: how many sentences were deleted, over all versions.
        versions_changed, versions_deleted: of the profile.
        wal_truncated: whether the write-ahead log was cut to nothing; False while another process still reads an older
            state: it is cut when that one closes the store.
        scan: what a search of the files' bytes for the deleted texts found.
        profile_version: of the profile that was written from what remains; None without one.
        shredded: where a whole user went from an encrypted store: whether the store has a new key now and the old one
            is destroyed, which makes every older copy of the file unreadable; see `Store.rekey`. None otherwise.
        exports_deleted, exports_left: files that this store had exported to and that held something of it: those that
            were deleted, and those that still lie where they were written.
        user_mark: the user, under the store's own key.
        number, previous, hash: the receipt's place in the store's chain, see `bump_edge.store.receipts`. The hash is
            over `proved`.
    """

    user_id: str
    at: datetime
    interactions: int
    sentences: int
    versions_changed: tuple[int, ...]
    versions_deleted: tuple[int, ...]
    wal_truncated: bool
    scan: Scan
    profile_version: int | None = None
    shredded: bool | None = None
    exports_deleted: tuple[str, ...] = ()
    exports_left: tuple[str, ...] = ()
    user_mark: str = ""
    number: int = 0
    previous: str = ""
    hash: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing of what was deleted is left in the store's files."""
        return self.scan.found == 0 and self.wal_truncated

    def as_dict(self) -> dict[str, Any]:
        """The receipt as JSON-ready values."""
        out = asdict(self) | {"at": self.at.isoformat(timespec="seconds").replace("+00:00", "Z"), "clean": self.clean}
        out["scan"] = asdict(self.scan)
        return out

    def proved(self) -> dict[str, Any]:
        """What the chain keeps of it, JSON-ready: all but the user's name, paths, and what came later."""
        out = self.as_dict()
        for name in ("user_id", "profile_version", "number", "previous", "hash"):
            del out[name]
        return out | {"exports_deleted": len(self.exports_deleted), "exports_left": len(self.exports_left)}


def plan_forget(
    store: Store,
    user_id: str,
    *,
    interactions: Sequence[str] = (),
    topic: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    everything: bool = False,
    embedder: Embedder | None = None,
    similarity: float = SIMILARITY,
) -> ForgetPlan:
    """What forgetting would delete; changes nothing. Exactly one thing is to be named.

    Args:
        interactions: ids, or beginnings of ids that are of one interaction only.
        topic: what the interactions are about, see `Topic`.
        since, until: a span of time, `since` ≤ t < `until`; either may be left out.
        everything: the user as such.
        embedder, similarity: see `ProfilerOptions`; with an embedder, a topic in other words is recognised too.

    Raises:
        NotFoundError: there is no such user or interaction.
        UsageError: nothing or more than one thing is named; a beginning of several ids.
    """
    named = [bool(interactions), topic is not None, since is not None or until is not None, everything]
    if sum(named) != 1:
        raise UsageError(
            f"forget needs one of: interactions, a topic, a span of time, or the whole user; got {sum(named)} of them"
        )
    if not store.has_user(user_id):
        raise NotFoundError(f"there is no user {user_id!r} in {store.path}: `bump-edge list` shows who is")
    versions = [store.profile(user_id, v) for v in store.versions(user_id)]
    if everything:
        return ForgetPlan(
            user_id=user_id,
            interactions=tuple(store.iter_history(user_id)),
            sentences={p.version: tuple(e.sentence for e in p.evidence) for p in versions},
            everything=True,
        )
    word = Word()
    if topic is not None:
        word = Word(topics=(Topic(topic),), embedder=embedder, similarity=similarity)
        gone = _about(store.iter_history(user_id), word)
    elif interactions:
        gone = [store.interaction(i, user_id=user_id) for i in interactions]
    else:
        gone = list(store.between(user_id, since=since, until=until))
    derived: list[Derived] = []
    dropped: dict[int, tuple[str, ...]] = {}
    for profile in versions:
        keep = _supported(store, profile, gone, word)
        if keep is None:
            continue
        derived.append(Derived(version=profile.version, keep=keep))
        dropped[profile.version] = tuple(e.sentence for n, e in enumerate(profile.evidence) if n not in keep)
    pins = tuple(
        c.text
        for c in store.corrections(user_id, taken_back=True)
        if c.kind in ("pin", "reject") and topic is not None and word.refuses(c.text)
    )
    return ForgetPlan(
        user_id=user_id,
        interactions=tuple(gone),
        topic=topic,
        derived=tuple(derived),
        sentences=dropped,
        pins=pins,
    )


def forget(store: Store, plan: ForgetPlan, *, delete_exports: bool = False) -> Receipt:
    """Carry a plan out, and prove it; the receipt joins the store's chain.

    Args:
        plan: see `plan_forget`.
        delete_exports: delete files that this store exported to and that hold something of what is forgotten, as far
            as they lie where they were written; without it the receipt names them.

    Raises:
        NotFoundError: the user is gone already.
        StoreError: the store cannot be written; then nothing was deleted.
    """
    deleted = [s for gone in plan.sentences.values() for s in gone]
    wanted = needles(plan.interactions)
    wanted += [s.encode() for s in dict.fromkeys([*deleted, *plan.pins])]
    if plan.topic is not None:
        wanted += [w.encode() for w in words(plan.topic) if len(w.encode()) >= 5]
    changed: list[int] = []
    if plan.everything:
        gone = store.forget_user(plan.user_id)
        wanted.append(plan.user_id.encode())
    else:
        changed, gone = store.forget(plan.user_id, plan.interactions, plan.derived, corrections=plan.pins)
    mark = store.user_mark(plan.user_id)
    truncated, found = store.clean(wanted)
    shredded = _shred(store) if plan.everything else None
    held = store.exports_holding(plan.user_id, wanted)
    deleted_exports = store.delete_exports(held) if delete_exports else []
    user_id = plan.user_id
    if plan.everything:
        user_id = "sha256:" + hashlib.sha256(user_id.encode()).hexdigest()[:16]
    receipt = Receipt(
        user_id=user_id,
        at=datetime.now(UTC),
        interactions=len(plan.interactions),
        sentences=len(deleted),
        versions_changed=tuple(changed),
        versions_deleted=tuple(gone),
        wal_truncated=truncated,
        scan=found,
        shredded=shredded,
        exports_deleted=tuple(map(str, deleted_exports)),
        exports_left=tuple(str(path) for path in held if path not in deleted_exports),
        user_mark=mark,
    )
    return replace(receipt, **asdict(store.add_receipt(receipt.proved())))


def _shred(store: Store) -> bool | None:
    try:
        return store.rekey()
    except (StoreLockedError, KeyUnavailableError):  # what was to go is gone from this file all the same
        return False


def _about(history: Iterable[Interaction], word: Word) -> list[Interaction]:
    """Those that a block of the topic would keep out, a thousand at a time."""
    found: list[Interaction] = []
    group: list[Interaction] = []

    def sort_out() -> None:
        left = {i.digest for i in word.readable(group)}
        found.extend(i for i in group if i.digest not in left)
        group.clear()

    for interaction in history:
        group.append(interaction)
        if len(group) == 1000:
            sort_out()
    sort_out()
    return found


def _supported(
    store: Store, profile: Profile, gone: Sequence[Interaction], word: Word
) -> dict[int, tuple[str, ...]] | None:
    """Position of each sentence that stays → its evidence; None when the version stays as it is."""
    digests = {i.digest for i in gone}
    stats = store.stats(profile.user_id)
    forgotten = EvidenceIndex(gone, stats, language=profile.language)
    keep: dict[int, tuple[str, ...]] = {}
    same = True
    for position, entry in enumerate(profile.evidence):
        rest = tuple(i for i in entry.interactions if i.digest not in digests)
        if word.refuses(entry.sentence):
            same = False
            continue
        held = forgotten.terms_of(entry.sentence)
        if len(rest) == len(entry.interactions) and not held:
            keep[position] = tuple(i.id for i in rest)
            continue
        if entry.confirmed:
            keep[position] = tuple(i.id for i in rest)  # the person's word stands
            same = same and len(rest) == len(entry.interactions)
            continue
        supported = _still_supported(store, profile, entry, rest, digests, held)
        if supported is None:
            same = False
        else:
            keep[position] = supported
            same = same and supported == tuple(i.id for i in entry.interactions)
    return None if same else keep


def _still_supported(
    store: Store,
    profile: Profile,
    entry: Evidence,
    rest: Sequence[Interaction],
    digests: set[bytes],
    held: frozenset[str],
) -> tuple[str, ...] | None:
    found = store.search(profile.user_id, entry.sentence, limit=_CANDIDATES + min(len(digests), 1000))
    candidates = {i.digest: i for i in (*rest, *found) if i.digest not in digests}
    remaining = sorted(candidates.values(), key=lambda i: 0.0 if i.timestamp is None else i.timestamp.timestamp())
    if not remaining:
        return None
    index = EvidenceIndex(remaining, store.stats(profile.user_id), language=profile.language)
    if not held <= index.terms_of(entry.sentence):
        return None
    if len(rest) == len(entry.interactions):
        return tuple(i.id for i in rest)
    support = index.support(entry.sentence)
    return tuple(i.id for i in support.interactions) or None
