"""What a sentence claims beside its content words: ratings, recency, an act; and whether the records bear it out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bump_edge.text import fold, words
from bump_edge.types import HistoryStats, Interaction
from bump_edge.vocabulary import ACTS_OF_VERB, act_of, count_of


def _by_language(**listed: str) -> Mapping[str, frozenset[str]]:
    return {language: frozenset(fold(w) for w in text.split()) for language, text in listed.items()}


RATING_WORDS = _by_language(
    en="rate rates rated rating ratings star stars score scores scored marks marked",
    de="bewertung bewertungen stern sterne note noten benotet",
    fr="note notes noté notés notée évalue étoile étoiles",
    es="valora valoración valoraciones puntúa puntuación puntuaciones estrella estrellas califica",
)
"""Words that make a sentence a claim about ratings."""

REVIEW_OR_RATE = _by_language(de="bewertet")
"""Words that mean reviewing as well as rating: a claim about ratings only beside a high or low word."""

HIGH_WORDS = _by_language(
    en="high highly highest generous generously well top best favourably favorably five",
    de="hoch höchsten großzügig gut beste besten wohlwollend",
    fr="haut hautes généreusement généreux bien mieux meilleures",
    es="alto alta altas generosamente generoso bien mejor mejores",
)
LOW_WORDS = _by_language(
    en="low lowest harsh harshly strict strictly poorly worst down critical critically",
    de="niedrig niedrigsten streng schlecht schlechtesten kritisch",
    fr="bas basses sévèrement sévère mal moins",
    es="bajo baja bajas severamente severo mal peor peores",
)
RECENT_WORDS = _by_language(
    en="recent recently lately latest newest nowadays",
    de="zuletzt neuerdings kürzlich neueste neuesten jüngst",
    fr="récemment dernièrement récent récents récente dernier derniers",
    es="recientemente últimamente reciente recientes últimos últimas",
)
"""Words that make a sentence a claim about what is recent."""

MOST_WORDS = _by_language(
    en="most mostly mainly chiefly favourite favourites favorite favorites",
    de="meisten meist hauptsächlich",
    fr="surtout principalement",
    es="principalmente",
)
"""Words that make a sentence, of a log that counts, a claim about what there is most of."""
ABOVE_ALL = _by_language(en="above all", de="vor allem", es="sobre todo")
"""Words that do so together."""
TOP = 5
"""Things that may be called those that there is most of, at least; of a long log a third of it."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one sentence; of the `acts` that bear it out, `closest` are those that its verbs name."""

    rating: bool
    high: bool
    low: bool
    recent: bool
    most: bool
    acts: frozenset[str]
    closest: frozenset[str]

    @classmethod
    def of(cls, sentence: str, language: str) -> Claims:
        """Read the claims off the sentence's words; a language without lists claims nothing."""
        written = words(sentence)
        # A capital inside a sentence makes it a name (Star Wars), except in German, where every noun has one.
        said = frozenset(fold(w) for n, w in enumerate(written) if n == 0 or language == "de" or not w[0].isupper())

        def says(listed: Mapping[str, frozenset[str]]) -> bool:
            return not said.isdisjoint(listed.get(language, frozenset()))

        high, low = says(HIGH_WORDS), says(LOW_WORDS)
        verbs = ACTS_OF_VERB.get(language, {})
        together = ABOVE_ALL.get(language, frozenset())
        return cls(
            rating=says(RATING_WORDS) or (says(REVIEW_OR_RATE) and (high or low)),
            high=high,
            low=low,
            recent=says(RECENT_WORDS),
            most=says(MOST_WORDS) or (bool(together) and together <= said),
            acts=frozenset(act for verb in said for act in verbs.get(verb, ())),
            closest=frozenset(acts[0] for verb in said if (acts := verbs.get(verb, ()))),
        )

    def borne_out(
        self, pool: list[int], interactions: Sequence[Interaction], stats: HistoryStats, *, has_content: bool
    ) -> tuple[list[int], str]:
        """The part of `pool` that bears the claims out.

        Args:
            pool: positions in `interactions` that hold the sentence's content words; all of them when it has none.
            interactions: the selection, oldest first.
            stats: the whole history's facts.
            has_content: whether the sentence has content words.

        Returns:
            The positions, and, when there are none, the reason: ``act``, ``rating``, ``recency``, ``most`` or
            ``vacuous``.
        """
        if self.acts:
            # A search for a thing does not show that it was bought; a type that nobody knows may show anything.
            pool = [p for p in pool if act_of(interactions[p].type) in self.acts | {"other"}]
            if not pool:
                return [], "act"
        if self.rating:
            pool = self._ratings_that_show(pool, interactions, stats)
            if not pool:
                return [], "rating"
        if self.recent and has_content:
            newer = [p for p in pool if p >= len(interactions) // 2]
            if not newer:
                return [], "recency"
            pool = newer
        if self.most and has_content and (top := top_of(interactions)) is not None:
            pool = [p for p in pool if p in top]
            if not pool:
                return [], "most"
        if not has_content and not self.rating:
            # Only relation words: a habit, which the records bear out through their times, if at all.
            timed = [p for p in pool if interactions[p].timestamp is not None]
            return timed[::-1], "" if timed else "vacuous"
        return pool, ""

    def _ratings_that_show(
        self, pool: Sequence[int], interactions: Sequence[Interaction], stats: HistoryStats
    ) -> list[int]:
        """The rated records of `pool` that show the claim, the clearest first."""
        value = {p: rating for p in pool if (rating := interactions[p].rating) is not None}
        if not value or stats.rating_min is None or stats.rating_max is None:
            return []
        # Most scales end at 5, 10 or 100. A user who only gives fives has no spread of their own to compare with.
        top = next((t for t in (5.0, 10.0, 100.0) if stats.rating_max <= t), stats.rating_max)
        if self.high == self.low:
            return sorted(value, key=lambda p: (-value[p], -p))
        if self.high:
            return sorted((p for p in value if value[p] >= 0.7 * top), key=lambda p: (-value[p], -p))
        return sorted((p for p in value if value[p] <= 0.6 * top), key=lambda p: (value[p], -p))


def top_of(interactions: Sequence[Interaction]) -> frozenset[int] | None:
    """The positions of the records that count most, those that tie with the last of them too; None of a log that does
    not count.
    """
    counts = {p: count for p, i in enumerate(interactions) if (count := count_of(i.meta)) is not None}
    if len(counts) <= 0.5 * len(interactions):
        return None
    ordered = sorted(counts.values(), reverse=True)
    least = ordered[min(max(TOP, math.ceil(len(ordered) / 3)), len(ordered)) - 1]
    return frozenset(p for p, count in counts.items() if count >= least)
