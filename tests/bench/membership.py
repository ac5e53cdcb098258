"""Membership inference, the parts that compute: matched pairs, what an attacker sees in them, and how well that tells.

An attacker who holds a profile is shown two interactions on the same topic, one of which (the member) the profile was
written from. A score that is higher for the member more often than not is a leak beyond the topic.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bump_edge.text import stems


class Corpus:
    """Texts, found by their likeness (BM25 over stems) and weighed by how rare their words are."""

    def __init__(self, texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> None:
        self._terms = [Counter(stems(t)) for t in texts]
        self._k1, self._b = k1, b
        self._mean = sum(c.total() for c in self._terms) / max(len(texts), 1) or 1.0
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, counts in enumerate(self._terms):
            for term in counts:
                self._places[term].append(place)

    def nearest(self, text: str, *, without: Collection[int]) -> int | None:
        """The place of the text that is likest to `text`; None where none shares a word with it."""
        scores: Counter[int] = Counter()
        for term in set(stems(text)):
            for place in self._places.get(term, ()):
                scores[place] += self._weight(term, self._terms[place])  # type: ignore[assignment]
        best = [(score, -place) for place, score in scores.items() if place not in without]
        return -max(best)[1] if best else None

    def score(self, query: str, text: str) -> float:
        """BM25 of `text` for `query`, with the corpus's frequencies."""
        counts = Counter(stems(text))
        return sum(self._weight(term, counts) for term in sorted(set(stems(query)) & counts.keys()))

    def _weight(self, term: str, counts: Counter[str]) -> float:
        having = len(self._places.get(term, ()))
        idf = math.log(1 + (len(self._terms) - having + 0.5) / (having + 0.5))
        tf, size = counts[term], counts.total()
        return idf * tf * (self._k1 + 1) / (tf + self._k1 * (1 - self._b + self._b * size / self._mean))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """The scores of a member and of the non-member that it was matched with."""

    user: str
    member: float
    other: float


def auc(pairs: Sequence[Pair]) -> float:
    """How often the member scores higher, ties counted half: 0.5 is chance. Paired, so that topics cancel out."""
    return sum((p.member > p.other) + 0.5 * (p.member == p.other) for p in pairs) / len(pairs)


def interval(pairs: Sequence[Pair], *, rounds: int = 1000) -> tuple[float, float]:
    """Bootstrap 95 % interval of `auc` over users (a user's pairs stay together), seeded."""
    by_user: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_user[pair.user].append(pair)
    groups = [by_user[user] for user in sorted(by_user)]
    chance = random.Random(0)
    found = sorted(auc([p for g in chance.choices(groups, k=len(groups)) for p in g]) for _ in range(rounds))
    return found[int(0.025 * rounds)], found[int(0.975 * rounds) - 1]


def tpr_at(pairs: Sequence[Pair], fpr: float) -> float:
    """The share of members above the score that at most `fpr` of the non-members exceed, over all users."""
    others = sorted((p.other for p in pairs), reverse=True)
    threshold = others[min(int(fpr * len(others)), len(others) - 1)]
    return sum(p.member > threshold for p in pairs) / len(pairs)
