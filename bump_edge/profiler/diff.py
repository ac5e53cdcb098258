"""What changed between two versions of a profile, sentence by sentence, and the interactions that caused it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bump_edge.errors import UsageError
from bump_edge.store import Store
from bump_edge.text import stems
from bump_edge.types import Evidence, Interaction, Profile

_SAME_TOPIC = 0.5  # share of stems that makes two sentences versions of one
_CAUSES = 5

Change = Literal["kept", "confirmed", "added", "changed", "removed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SentenceDiff:
    """What became of one sentence.

    Args:
        change: ``kept`` word for word; ``confirmed``: kept, with new evidence; ``added``; ``changed`` from `old` to
            `new`; ``removed``.
        old, new: the sentence before and after; None where there is none.
        reason: why, in a few words.
        causes: the interactions that the change rests on, the strongest first.
    """

    change: Change
    old: str | None
    new: str | None
    reason: str
    causes: tuple[Interaction, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The change as JSON-ready values."""
        return {
            "change": self.change,
            "old": self.old,
            "new": self.new,
            "reason": self.reason,
            "causes": [{"id": i.id, "text": i.as_record()} for i in self.causes],
        }


def diff(store: Store, user_id: str, old: int | None = None, new: int | None = None) -> list[SentenceDiff]:
    """Compare two versions of a user's profile.

    Args:
        old: the earlier version; None takes the one before `new`.
        new: the later version; None takes the latest.

    Returns:
        One entry a sentence: those of the new version in order, then the removed ones.

    Raises:
        NotFoundError: there is no such user or version.
        UsageError: there is only one version, or `old` is not earlier than `new`.
    """
    after = store.profile(user_id, new)
    earlier = [v for v in store.versions(user_id) if v < after.version]
    if old is None and not earlier:
        raise UsageError(
            f"version {after.version} is the first of user {user_id!r}: there is nothing to compare it with"
        )
    before = store.profile(user_id, earlier[-1] if old is None else old)
    if before.version >= after.version:
        raise UsageError(f"got versions {before.version} and {after.version}: expected the earlier one first")
    return compare(before, after)


def compare(before: Profile, after: Profile) -> list[SentenceDiff]:
    """Compare two versions of one profile; see `diff`."""
    known = {i.digest for e in before.evidence for i in e.interactions}
    left = dict(enumerate(before.evidence))
    same = {e.sentence: n for n, e in left.items()}
    pairs: dict[int, int] = {}
    for position, entry in enumerate(after.evidence):
        if entry.sentence in same and same[entry.sentence] in left:
            pairs[position] = same[entry.sentence]
            del left[same[entry.sentence]]
    for position, entry in enumerate(after.evidence):
        if position in pairs:
            continue
        content = _content(entry, after.language)
        best = max(left, key=lambda n: _overlap(content, _content(left[n], after.language)), default=None)
        if best is not None and _overlap(content, _content(left[best], after.language)) >= _SAME_TOPIC:
            pairs[position] = best
            del left[best]
    out = [
        _one(before.evidence[pairs[n]] if n in pairs else None, entry, known, after)
        for n, entry in enumerate(after.evidence)
    ]
    return out + [_removed(n, entry, before, after) for n, entry in sorted(left.items())]


def _one(old: Evidence | None, new: Evidence, known: set[bytes], after: Profile) -> SentenceDiff:
    fresh = tuple(i for i in new.interactions if i.digest not in known)
    causes = (fresh or new.interactions)[:_CAUSES]
    person = new.confirmed and not (old and old.confirmed)
    if old is not None and old.sentence == new.sentence:
        if person:
            return SentenceDiff(change="confirmed", old=old.sentence, new=new.sentence, reason="confirmed by a person")
        if fresh:
            return SentenceDiff(
                change="confirmed", old=old.sentence, new=new.sentence, reason="new evidence", causes=fresh[:_CAUSES]
            )
        return SentenceDiff(change="kept", old=old.sentence, new=new.sentence, reason="")
    change: Change = "added" if old is None else "changed"
    reason = (
        "a person wrote it"
        if person
        else f"version {after.manifest.get('from')} again"
        if after.origin == "rollback"
        else "new in the history"
        if fresh
        else "another selection of the history"
    )
    return SentenceDiff(
        change=change,
        old=None if old is None else old.sentence,
        new=new.sentence,
        reason=reason,
        causes=() if person else causes,
    )


_REMOVED_BY = {
    "edit": "a person took it out",
    "rollback": "not in the version that was brought back",
    "block": "about something that a person blocked",
    "import": "not in the profile of the other store",
    "write": "not in the profile that was written anew",
}


def _removed(position: int, entry: Evidence, before: Profile, after: Profile) -> SentenceDiff:
    update = after.manifest.get("update") or {}
    causes: Sequence[Interaction] = ()
    if after.origin == "update" and update.get("from") == before.version:
        if position in update.get("faded", ()):
            reason = "nothing has confirmed it for long"
            causes = entry.interactions[:1]
        elif position in update.get("refused", ()):
            reason = _REMOVED_BY["block"]
        else:
            reason = "overtaken by what is new"
            known = {i.digest for e in before.evidence for i in e.interactions}
            new = {i.digest: i for e in after.evidence for i in e.interactions if i.digest not in known}
            causes = list(new.values())[:_CAUSES]
    else:
        reason = _REMOVED_BY.get(after.origin, "overtaken by what is new")
    return SentenceDiff(change="removed", old=entry.sentence, new=None, reason=reason, causes=tuple(causes))


def _content(entry: Evidence, language: str) -> frozenset[str]:
    return frozenset(stems(entry.sentence, language))


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / max(1, min(len(a), len(b)))
