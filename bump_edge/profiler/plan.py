"""What to read for the next version of a profile: the history for a full rewrite, or only what is new for an update."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bump_edge.profiler.evidence import EvidenceIndex
from bump_edge.profiler.options import ProfilerOptions
from bump_edge.profiler.word import Word
from bump_edge.store import Store
from bump_edge.types import Evidence, HistoryStats, Interaction, Profile

_RECENT = 240  # interactions that are looked at, however many the last `fade_days` have


class Readable:
    """A store's history without what a person blocked; what `selection.select` reads."""

    def __init__(self, store: Store, word: Word) -> None:
        self._store = store
        self._word = word

    def history(self, user_id: str, *, limit: int | None = None, newest: bool = False) -> list[Interaction]:
        """Like `Store.history`; where a block takes some out, older or later ones step in, as far as 4 × `limit`."""
        if not self._word.blocks:
            return self._store.history(user_id, limit=limit, newest=newest)
        found = self._store.history(user_id, limit=None if limit is None else 4 * limit, newest=newest)
        kept = self._word.readable(found)
        if limit is None:
            return kept
        return kept[max(0, len(kept) - limit) :] if newest else kept[:limit]

    def sample(self, user_id: str, count: int, *, skip_newest: int = 0) -> list[Interaction]:
        """Like `Store.sample`."""
        return self._word.readable(self._store.sample(user_id, count, skip_newest=skip_newest))

    def count(self, user_id: str) -> int:
        """How many interactions there are, blocked ones included."""
        return self._store.count(user_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """An update that is worth making.

    Args:
        previous: the profile as it is.
        kept: its sentences that still stand, with their evidence: what the model is shown.
        faded: positions in `previous` of those that nothing has confirmed for long.
        refused: positions of those that a person's word does not allow any more.
        new: what was ingested since, as far as it may be read, oldest first.
        count: how many that are with those that may not be read.
        updates: how many updates there will have been since the last full rewrite.
    """

    previous: Profile
    kept: tuple[Evidence, ...]
    faded: tuple[int, ...]
    refused: tuple[int, ...]
    new: tuple[Interaction, ...]
    count: int
    updates: int


def plan_update(
    store: Store, user_id: str, recipe: str, options: ProfilerOptions, word: Word, stats: HistoryStats
) -> Update | None:
    """The update that brings the user's profile up to date; None when it has to be written anew.

    It has to be when there is no profile yet, when it was made by another recipe or elsewhere, when nothing new was
    ingested (a person's word or a deletion changed what may be said), when there were `rewrite_after` updates since
    the last rewrite, or when more than `rewrite_share` of the history is new.
    """
    standing = store.standing(user_id)
    if not options.update or standing is None or standing.recipe != recipe or standing.position == 0:
        return None
    if standing.updates >= options.rewrite_after:
        return None
    new, count = store.newer(user_id, standing.position, limit=4 * options.max_interactions)
    if count == 0 or count > options.rewrite_share * stats.count:
        return None
    readable = word.readable(new)
    previous = store.profile(user_id, standing.version)
    recent = EvidenceIndex(_recent(store, user_id, stats, options, word), stats, language=previous.language)
    kept: list[Evidence] = []
    faded: list[int] = []
    refused: list[int] = []
    for position, entry in enumerate(previous.evidence):
        if not entry.confirmed:
            allowed = word.readable(entry.interactions)
            if word.refuses(entry.sentence) or not allowed:
                refused.append(position)
                continue
            shown = recent.support(entry.sentence, min_coverage=options.min_coverage).interactions
            if not shown:
                faded.append(position)
                continue
            entry = Evidence(sentence=entry.sentence, interactions=tuple(allowed))
        kept.append(entry)
    if not kept:
        return None
    return Update(
        previous=previous,
        kept=tuple(kept),
        faded=tuple(faded),
        refused=tuple(refused),
        new=tuple(readable),
        count=count,
        updates=standing.updates + 1,
    )


def _recent(store: Store, user_id: str, stats: HistoryStats, options: ProfilerOptions, word: Word) -> list[Interaction]:
    """What a sentence must find support in so as not to have faded, oldest first; reading it costs no tokens."""
    newest = store.history(user_id, limit=max(_RECENT, options.fade_interactions), newest=True)
    since = None if stats.last is None else stats.last - timedelta(days=options.fade_days)
    first_counted = len(newest) - options.fade_interactions
    return word.readable(
        [
            i
            for n, i in enumerate(newest)
            if n >= first_counted or (since is not None and i.timestamp is not None and i.timestamp >= since)
        ]
    )
