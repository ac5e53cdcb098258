"""What a person does to their profile: edit, pin, block, roll back. No model is asked.

Each keeps the person's word in the store first and then writes a version that follows it, so that a crash in between
loses nothing: the profile counts as stale, and the next one is made by the new rules. A version that somebody else
wrote meanwhile is never lost: the change is made again on top of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bump_edge.errors import NotFoundError, ProfileChangedError, UsageError
from bump_edge.profiler.options import SIMILARITY
from bump_edge.profiler.word import Embedder, Topic, Word, pattern
from bump_edge.store import Kind, ProfileDraft, Store
from bump_edge.text import fold, plain, sentences
from bump_edge.types import Evidence, Profile

_ATTEMPTS = 20  # each failure means that somebody else's change went through


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocked:
    """What a block did at once.

    Args:
        profile: the version without the blocked sentences; None where there is no profile, or nothing is left of it.
        dropped: sentences that went.
        unpinned: confirmed sentences that were about it and are confirmed no more.
        empty: whether nothing is left of the profile, so that it has to be written anew.
    """

    profile: Profile | None
    dropped: tuple[str, ...]
    unpinned: tuple[str, ...]
    empty: bool = False


def edit(store: Store, user_id: str, text: str) -> Profile:
    """Replace the profile's text by a person's.

    Sentences that were there keep their evidence. New ones are confirmed: they stay through every update and rewrite.
    Those that the person took out are rejected: they do not come back.

    Raises:
        NotFoundError: there is no such user, or no profile to edit.
        UsageError: the text is empty; a sentence is longer than 1,000 characters, or blocked.
    """
    wanted = sentences(text)
    if not wanted:
        raise UsageError("the text is empty: expected sentences; `bump-edge forget --user` deletes a profile for good")
    before = store.profile(user_id)
    word = Word.of(store.corrections(user_id))
    for sentence in wanted:
        if word.blocks and word.blocked(sentence):
            raise UsageError(f"the sentence {sentence[:80]!r} is blocked: unblock its topic first, or leave it out")
    old = {plain(e.sentence): e for e in before.evidence}
    new = {plain(s) for s in wanted}
    said = _Said(store, user_id)
    for key, entry in old.items():
        if key not in new:
            if entry.confirmed:
                said.put("pin", entry.sentence, active=False)
            said.put("reject", entry.sentence)
    for sentence in wanted:
        if plain(sentence) not in old:
            said.put("reject", sentence, active=False)
            said.put("pin", sentence)
    wanted = list({plain(s): s for s in wanted}.values())

    def change(current: Profile) -> Sequence[Evidence]:
        known = {plain(e.sentence): e for e in (*before.evidence, *current.evidence)}
        return [known.get(plain(s)) or Evidence(sentence=s, interactions=(), confirmed=True) for s in wanted]

    return _revise(store, user_id, "edit", change, said=said)


def pin(store: Store, user_id: str, sentence: str) -> Profile:
    """Confirm a sentence: it survives every update and rewrite, word for word.

    Args:
        sentence: its number in the profile from 1, its text, or a new sentence, which is added.

    Raises:
        NotFoundError: there is no such user, no profile, or no such number.
        UsageError: the sentence is empty, longer than 1,000 characters, or blocked.
    """
    profile = store.profile(user_id)
    chosen = _choose(profile, sentence)
    text = chosen.sentence if chosen else " ".join(sentence.split())
    word = Word.of(store.corrections(user_id))
    if word.blocks and word.blocked(text):
        raise UsageError(f"the sentence {text[:80]!r} is blocked: unblock its topic first")
    said = _Said(store, user_id)
    said.put("reject", text, active=False)
    said.put("pin", text)

    def change(current: Profile) -> Sequence[Evidence]:
        entries = list(current.evidence)
        for n, entry in enumerate(entries):
            if plain(entry.sentence) == plain(text):
                entries[n] = Evidence(sentence=text, interactions=entry.interactions, confirmed=True)
                return entries
        return [Evidence(sentence=text, interactions=(), confirmed=True), *entries]

    return _revise(store, user_id, "edit", change, said=said)


def unpin(store: Store, user_id: str, sentence: str) -> Profile:
    """Take a confirmation back; the sentence goes unless it has evidence.

    Raises:
        NotFoundError: there is no such user, profile, or confirmed sentence.
        UsageError: it is the only sentence, and nothing supports it.
    """
    profile = store.profile(user_id)
    chosen = _choose(profile, sentence)
    text = chosen.sentence if chosen else " ".join(sentence.split())
    if not any(c.kind == "pin" and plain(c.text) == plain(text) for c in store.corrections(user_id)):
        raise NotFoundError(
            f"{text[:80]!r} is no confirmed sentence of user {user_id!r}: `bump-edge show` marks those that are",
            details={"sentence": text},
        )
    said = _Said(store, user_id)
    if all(plain(e.sentence) == plain(text) and not e.interactions for e in profile.evidence):
        raise UsageError("it is the profile's only sentence, and nothing but your word supports it: edit it instead")
    for correction in store.corrections(user_id):
        if correction.kind == "pin" and plain(correction.text) == plain(text):
            said.put("pin", correction.text, active=False)

    def change(current: Profile) -> Sequence[Evidence]:
        return [
            Evidence(sentence=e.sentence, interactions=e.interactions) if plain(e.sentence) == plain(text) else e
            for e in current.evidence
            if e.interactions or plain(e.sentence) != plain(text)
        ]

    return _revise(store, user_id, "edit", change, said=said)


def block(
    store: Store,
    user_id: str,
    topic: str,
    *,
    is_pattern: bool = False,
    embedder: Embedder | None = None,
    similarity: float = SIMILARITY,
) -> Blocked:
    """Keep a topic, or what a regular expression matches, out of prompts and profiles from now on.

    The latest profile loses its sentences about it at once, those that only blocked records support included.

    Args:
        embedder, similarity: see `ProfilerOptions`; with an embedder, a topic in other words is recognised too.

    Raises:
        NotFoundError: there is no such user.
        UsageError: no word in the topic, or no regular expression.
    """
    if is_pattern:
        pattern(topic)
    else:
        Topic(topic)
    has_profile = store.standing(user_id) is not None
    said = _Said(store, user_id)
    said.put("pattern" if is_pattern else "topic", topic)
    word = Word.of(store.corrections(user_id), embedder=embedder, similarity=similarity)
    unpinned = [c.text for c in store.corrections(user_id) if c.kind == "pin" and word.refuses(c.text) == "blocked"]
    for text in unpinned:
        said.put("pin", text, active=False)
    if not has_profile:
        return Blocked(profile=None, dropped=(), unpinned=tuple(unpinned))
    dropped: list[str] = []

    def change(current: Profile) -> Sequence[Evidence]:
        dropped.clear()
        rest = []
        for entry in current.evidence:
            left = tuple(word.readable(entry.interactions))
            if word.refuses(entry.sentence) == "blocked" or (not left and not entry.confirmed):
                dropped.append(entry.sentence)
            else:
                rest.append(Evidence(sentence=entry.sentence, interactions=left, confirmed=entry.confirmed))
        return rest if dropped or rest != list(current.evidence) else current.evidence

    try:
        profile = _revise(store, user_id, "block", change, said=said)
    except _NothingLeftError:
        return Blocked(profile=None, dropped=tuple(dropped), unpinned=tuple(unpinned), empty=True)
    return Blocked(profile=profile, dropped=tuple(dropped), unpinned=tuple(unpinned))


def unblock(store: Store, user_id: str, topic: str) -> bool:
    """Take a block back; returns whether there was one. The next profile may speak of it again.

    Raises:
        NotFoundError: there is no such user.
    """
    found = [
        c for c in store.corrections(user_id) if c.kind in ("topic", "pattern") and fold(c.text) == fold(topic.strip())
    ]
    for correction in found:
        store.correct(user_id, correction.kind, correction.text, active=False)
    return bool(found)


def rollback(
    store: Store, user_id: str, version: int, *, embedder: Embedder | None = None, similarity: float = SIMILARITY
) -> Profile:
    """Make an earlier version the latest again, as a new version; what is blocked or rejected since stays out.

    Args:
        embedder, similarity: see `ProfilerOptions`; with an embedder, a topic in other words is recognised too.

    Raises:
        NotFoundError: there is no such user or version.
        UsageError: it is the latest, or a person's word leaves nothing of it.
    """
    target = store.profile(user_id, version)
    if version == store.profile(user_id).version:
        raise UsageError(f"version {version} is the latest already: `bump-edge history` shows the earlier ones")
    word = Word.of(store.corrections(user_id), embedder=embedder, similarity=similarity)
    entries = [
        Evidence(sentence=e.sentence, interactions=tuple(word.readable(e.interactions)), confirmed=_is_pin(e, word))
        for e in target.evidence
        if not word.refuses(e.sentence)
    ]
    entries = [e for e in entries if e.interactions or e.confirmed]
    there = {plain(e.sentence) for e in entries}
    entries = [
        *(Evidence(sentence=p, interactions=(), confirmed=True) for p in word.pins if plain(p) not in there),
        *entries,
    ]
    said = _Said(store, user_id)
    try:
        return _revise(store, user_id, "rollback", lambda _: entries, said=said, base=target)
    except _NothingLeftError as error:
        raise UsageError(
            f"nothing of version {version} may be said any more: all is blocked or rejected. Unblock it, or let "
            "`bump-edge profile --force` write anew"
        ) from error


class _Said:
    """What a person says in one go, and the revision that the profile will then be up to date with.

    A correction counts the user's revision up. A profile that was up to date before is so afterwards, unless the
    revision moved for another reason as well: then something else is new, and the profile must not look as if it knew.
    """

    def __init__(self, store: Store, user_id: str) -> None:
        self._store = store
        self._user_id = user_id
        standing = store.standing(user_id)
        fresh = standing is not None and standing.revision == store.revision(user_id)
        self.version = 0 if standing is None else standing.version
        self.revision = standing.revision if standing is not None and fresh else -1

    def put(self, kind: Kind, text: str, *, active: bool = True) -> None:
        """Keep it in the store."""
        if self._store.correct(self._user_id, kind, text, active=active) and self.revision >= 0:
            self.revision += 1


class _NothingLeftError(Exception):
    """A change would leave no sentence."""


def _revise(
    store: Store,
    user_id: str,
    origin: str,
    change: Callable[[Profile], Sequence[Evidence]],
    *,
    said: _Said,
    base: Profile | None = None,
) -> Profile:
    """Store a version with other sentences; the latest itself when `change` changes nothing."""
    for attempt in range(_ATTEMPTS):
        standing = store.standing(user_id)
        current = store.profile(user_id)
        if standing is None or standing.version != current.version:
            continue
        entries = list(change(current))
        if entries == list(current.evidence):
            return current
        if not entries:
            raise _NothingLeftError
        source = base or current
        draft = ProfileDraft(
            user_id=user_id,
            text=" ".join(e.sentence for e in entries),
            model=source.model,
            language=source.language,
            evidence=[(e.sentence, [i.id for i in e.interactions]) for e in entries],
            manifest={**source.manifest, "from": source.version},
            recipe=standing.recipe,
            revision=said.revision if said.version == current.version else -1,
            position=standing.position,
            origin=origin,
            updates=standing.updates,
            confirmed=frozenset(e.sentence for e in entries if e.confirmed),
            after=current.version,
        )
        try:
            return store.save_profiles([draft])[0]
        except ProfileChangedError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise ProfileChangedError(
        f"the profile of user {user_id!r} changed {_ATTEMPTS} times while it was to be corrected: try again"
    )


def _choose(profile: Profile, sentence: str) -> Evidence | None:
    if sentence.strip().isdigit():
        number = int(sentence)
        if not 1 <= number <= len(profile.evidence):
            raise NotFoundError(
                f"sentence {number} of the profile of user {profile.user_id!r}: expected 1 to {len(profile.evidence)}",
                details={"sentence": number},
            )
        return profile.evidence[number - 1]
    return next((e for e in profile.evidence if plain(e.sentence) == plain(sentence)), None)


def _is_pin(entry: Evidence, word: Word) -> bool:
    return any(plain(p) == plain(entry.sentence) for p in word.pins)
