"""Which interactions support a sentence, and whether they do.

The check is lexical, so that it runs everywhere in microseconds and a person can follow it: a sentence is supported
when its content words occur, by stem, in the records that the profiler read. Words that state a relation, a habit or an
amount (`bump_edge.vocabulary.RELATION_WORDS`) are no content; what they claim about ratings and recency is checked
against the ratings and the order of the records. What reads like an instruction in a record bears nothing out. What the
check cannot see is a wrong relation between right words, and a true abstraction in words that no record has.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from bump_edge.profiler.claims import Claims
from bump_edge.profiler.guards import without_orders
from bump_edge.text import fold, stem, stopwords, words
from bump_edge.types import HistoryStats, Interaction
from bump_edge.vocabulary import RELATION_WORDS, act_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Support:
    """What the records say about one sentence.

    Args:
        interactions: the supporting ones, the strongest first; empty when the sentence is not supported.
        coverage: share of the sentence's content words that some record has, 0 to 1; 1 when it has none.
        missing: the content words that no record has.
        reason: why the sentence is not supported; empty when it is.
    """

    interactions: tuple[Interaction, ...]
    coverage: float
    missing: tuple[str, ...]
    reason: str = ""


_JOINTS = re.compile(r"\s+(?:and|und|et|y|e|en|&)\s+")
"""Between names that a list ran together."""


class EvidenceIndex:
    """The records of one selection, ready to be asked about sentences.

    Args:
        interactions: the selection, oldest first.
        stats: the whole history's facts; numbers in a sentence are checked against them too.
        language: of the sentences, ISO 639-1.
    """

    def __init__(self, interactions: Sequence[Interaction], stats: HistoryStats, *, language: str) -> None:
        self._interactions = tuple(interactions)
        self._stats = stats
        self._language = language
        self._postings: dict[str, list[int]] = defaultdict(list)
        self._found: dict[str, list[int]] = {}
        self._honest: dict[int, frozenset[str]] = {}
        for position, interaction in enumerate(self._interactions):
            for term in {t for t, _ in self._terms(interaction.as_record(max_chars=4000))}:
                self._postings[term].append(position)

    def support(self, sentence: str, *, min_coverage: float = 0.6, limit: int = 5) -> Support:
        """The evidence of one sentence.

        Args:
            sentence: one sentence.
            min_coverage: share of its content words that must occur in records, 0 to 1.
            limit: interactions to return at most, ≥ 1.
        """
        relations = _relations(self._language)
        terms: dict[str, str] = {}
        invented: list[str] = []
        first = next(iter(words(sentence)), "")
        for position, (term, written) in enumerate(self._terms(sentence)):
            if fold(written) in relations or term in _relation_stems(self._language):
                continue
            if written.isdigit() and self._is_known_number(written):
                continue
            terms.setdefault(term, written)
            # a capital inside a sentence is a name (except in German, where every noun has one)
            starts = position == 0 and first.startswith(written)
            if not (self._at(term) or starts) and written[:1].isupper() and self._language != "de":
                invented.append(written)
        found = [t for t in terms if self._at(t)]
        missing = tuple(written for t, written in terms.items() if not self._at(t))
        coverage = len(found) / len(terms) if terms else 1.0
        if invented:
            return Support(interactions=(), coverage=coverage, missing=missing, reason="name")
        if any(w.isdigit() for w in missing):
            return Support(interactions=(), coverage=coverage, missing=missing, reason="number")
        if coverage < min_coverage:
            return Support(interactions=(), coverage=coverage, missing=missing, reason="words")
        pool = self._matching(found) if terms else list(range(len(self._interactions)))
        claims = Claims.of(sentence, self._language)
        pool, reason = claims.borne_out(pool, self._interactions, self._stats, has_content=bool(terms))
        if not pool:
            return Support(interactions=(), coverage=coverage, missing=missing, reason=reason or "words")
        # Only what bears the claims out counts: "buys strings and amps" is no truer for an amp that was searched for.
        found = [t for t in found if not set(self._at(t)).isdisjoint(pool)]
        if terms and len(found) < min_coverage * len(terms):
            return Support(interactions=(), coverage=len(found) / len(terms), missing=missing, reason="words")
        closest = [p for p in pool if act_of(self._interactions[p].type) in claims.closest]
        if all(not set(self._at(t)).isdisjoint(closest) for t in found):
            pool = closest or pool
        chosen = self._strongest(found, pool, limit) if terms else pool[:limit]
        return Support(interactions=tuple(self._interactions[p] for p in chosen), coverage=coverage, missing=missing)

    def lacks(self, entry: str, *, pieces: bool = True) -> bool:
        """Whether no record bears out an entry of a list: a name or number of it, or half of it, is in none.

        A name must stand in one record with all of its words, in whatever order: two that are mixed up are none. An
        entry of function words alone may be a name (The Who); a single one is a piece of something, which lacks
        evidence where `pieces` are asked for.
        """
        relations = _relations(self._language)
        terms = [(term, written) for term, written in self._terms(entry) if fold(written) not in relations]
        absent = [written for term, written in terms if not self._at(term)]
        if any(w[:1].isupper() or (w.isdigit() and not self._is_known_number(w)) for w in absent):
            return True
        if not terms:
            return pieces and len(words(entry)) < 2
        return len(absent) >= 0.5 * len(terms) or (not absent and self._mixes(entry))

    def stands_in_one(self, entry: str) -> bool:
        """Whether one record has all content words of an entry of a list, and there are any."""
        terms = {term for term, _ in self._terms(entry)}
        return bool(terms) and bool(set.intersection(*(set(self._at(term)) for term in terms)))

    def overstates(self, sentence: str, entry: str) -> bool:
        """Whether what a sentence claims of its list does not hold of this entry.

        The records that have its words (all of them, where a record does) are of another act than its verb names, or
        none of them is recent, rated so, or among those that the log counts most.
        """
        held = [set(self._at(term)) for term, _ in self._terms(entry) if self._at(term)]
        if not held:
            return False
        pool = set.intersection(*held) or set.union(*held)
        claims = Claims.of(sentence, self._language)
        if claims.high == claims.low:
            claims = replace(claims, rating=False)  # that something was rated shows without a rating
        return not claims.borne_out(sorted(pool), self._interactions, self._stats, has_content=True)[0]

    def _at(self, term: str) -> Sequence[int]:
        """Where the records are that have `term`, but in what reads like an instruction (looked at when asked)."""
        if term not in self._found:
            self._found[term] = [p for p in self._postings.get(term, ()) if term in self._said(p)]
        return self._found[term]

    def _said(self, position: int) -> frozenset[str]:
        if position not in self._honest:
            record = without_orders(self._interactions[position]).as_record(max_chars=4000)
            self._honest[position] = frozenset(term for term, _ in self._terms(record))
        return self._honest[position]

    def _mixes(self, entry: str) -> bool:
        """Whether an entry with names has words of several records, each of which has some; of names joined, one's."""
        if self._language == "de" or not any(word[:1].isupper() for word in words(entry)):
            return False
        return any(
            not set.intersection(*(set(self._at(term)) for term, _ in terms))
            for part in _JOINTS.split(entry)
            if (terms := [t for t in self._terms(part) if self._at(t[0])])
        )

    def terms_of(self, sentence: str) -> frozenset[str]:
        """The content words of `sentence`, as stems, that occur in the records."""
        relations = _relations(self._language)
        return frozenset(
            term
            for term, written in self._terms(sentence)
            if self._at(term) and fold(written) not in relations and term not in _relation_stems(self._language)
        )

    def _matching(self, terms: Sequence[str]) -> list[int]:
        return sorted({p for t in terms for p in self._at(t)})

    def _strongest(self, terms: Sequence[str], pool: Sequence[int], limit: int) -> list[int]:
        """Greedy cover of `terms` by rarity, then the records that hold most of them; ties go to the newer."""
        total = len(self._interactions)
        weight = {t: math.log(1 + total / len(self._at(t))) for t in terms}
        inside = set(pool)
        terms_of: dict[int, set[str]] = defaultdict(set)
        for term in terms:
            for position in self._at(term):
                if position in inside:
                    terms_of[position].add(term)
        chosen: list[int] = []
        open_terms = set(terms)
        candidates = set(terms_of) or inside
        while candidates and len(chosen) < limit:
            gain = {p: sum(weight[t] for t in terms_of[p] & open_terms) for p in candidates}
            best = max(candidates, key=lambda p: (gain[p], sum(weight[t] for t in terms_of[p]), p))
            # once every term is covered, further records only show that it was no single case
            if gain[best] == 0 and len(chosen) >= min(3, limit):
                break
            chosen.append(best)
            candidates.discard(best)
            open_terms -= terms_of[best]
        return chosen

    def _terms(self, text: str) -> list[tuple[str, str]]:
        """The content words of `text` as `(stem, as written)`: hyphenated words in parts, function words left out."""
        functional = stopwords(self._language)
        return [
            (stem(part, self._language), part)
            for word in words(text)
            for part in _parts(word)
            if fold(part) not in functional or part.isdigit()
        ]

    def _is_known_number(self, written: str) -> bool:
        stats = self._stats
        known: set[str] = {str(stats.count), str(len(self._interactions)), str(stats.rated)}
        known.update(str(n) for n in stats.types.values())
        for moment in (stats.first, stats.last):
            if moment is not None:
                known.add(str(moment.year))
        for value in (stats.rating_mean, stats.rating_min, stats.rating_max):
            if value is not None:
                # 4.6 is two words to the word pattern: 4 and 6
                known.update(re.findall(r"\d+", f"{value:.1f} {value:g} {round(value)}"))
        return written in known


def _parts(word: str) -> list[str]:
    bare = re.sub(r"['’]s$", "", word)
    return [p for p in bare.split("-") if p]


@cache
def _relations(language: str) -> frozenset[str]:
    return RELATION_WORDS.get(language, RELATION_WORDS["en"])


@cache
def _relation_stems(language: str) -> frozenset[str]:
    return frozenset(stem(w, language) for w in _relations(language))
