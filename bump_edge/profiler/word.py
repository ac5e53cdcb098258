"""A person's word about their profile, as rules: which records may be read, which sentences may be written.

A block works on both ends. The records that it matches are kept out of every prompt, so that a model does not even see
them, and out of the evidence, so that no sentence can rest on them; the sentences that it matches are dropped
after generation. Words match by stem and by beginning (``guitar`` also means *guitars* and *guitarist*). Paraphrases
(``diet`` for *weight loss*) are seen as far as an embedder sees them, where the app has one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bump_edge.errors import UsageError
from bump_edge.profiler.options import SIMILARITY
from bump_edge.store import Correction
from bump_edge.text import fold, stems, words
from bump_edge.types import Interaction

Embedder = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts → one vector each, of one length; for example ``SentenceTransformer(...).encode``."""

_BEGINNING = 4  # characters: shorter stems begin too many words
_SAME = 0.8  # share of a sentence's stems that makes it a rejected one again


class Topic:
    """A topic as a person names it: ``guitars``, ``weight loss``.

    Args:
        text: its words; a text that has them all is about it.

    Raises:
        UsageError: there is no word in it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._stems = tuple(dict.fromkeys(stems(text)) or dict.fromkeys(fold(w) for w in words(text)))
        if not self._stems:
            raise UsageError(f"the topic is {text!r}: expected at least one word")
        # what a stem has in common with its words as written (study, studi): quick to rule out
        self._heads = tuple(s[: max(1, len(s) - 2)] for s in self._stems)

    def matches(self, text: str) -> bool:
        """Whether `text` is about the topic."""
        folded = fold(text)
        if not all(head in folded for head in self._heads):
            return False
        found = set(stems(text)) | {fold(w) for w in words(text)}
        return all(
            wanted in found or (len(wanted) >= _BEGINNING and any(f.startswith(wanted) for f in found))
            for wanted in self._stems
        )


def pattern(text: str) -> re.Pattern[str]:
    """A blocked pattern, compiled; case does not count.

    Raises:
        UsageError: it is no regular expression.
    """
    try:
        return re.compile(text, re.I)
    except re.error as error:
        raise UsageError(f"the pattern {text!r} is no regular expression: {error}") from error


@dataclass(slots=True)
class Word:
    """What a person said about their profile.

    Args:
        pins: sentences that stay, in the order in which they were confirmed.
        rejected: sentences that must not come back.
        topics, patterns: what is blocked.
        embedder: sees paraphrases of topics; None for none.
        similarity: cosine from which on a text counts as being about a topic, with an embedder; 0 to 1.
    """

    pins: tuple[str, ...] = ()
    rejected: tuple[frozenset[str], ...] = ()
    topics: tuple[Topic, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()
    embedder: Embedder | None = None
    similarity: float = SIMILARITY
    _topic_vectors: list[Sequence[float]] = field(default_factory=list)

    @classmethod
    def of(
        cls, corrections: Iterable[Correction], *, embedder: Embedder | None = None, similarity: float = SIMILARITY
    ) -> Word:
        """Read the rules off the corrections that hold."""
        said: dict[str, list[str]] = {"pin": [], "reject": [], "topic": [], "pattern": []}
        for correction in corrections:
            if correction.active:
                said[correction.kind].append(correction.text)
        return cls(
            pins=tuple(said["pin"]),
            rejected=tuple(frozenset(stems(s)) for s in said["reject"]),
            topics=tuple(Topic(t) for t in said["topic"]),
            patterns=tuple(pattern(p) for p in said["pattern"]),
            embedder=embedder,
            similarity=similarity,
        )

    @property
    def blocks(self) -> bool:
        """Whether anything is blocked."""
        return bool(self.topics or self.patterns)

    def blocked(self, text: str) -> bool:
        """Whether `text`, a sentence or a record, is about something that is blocked, by its words."""
        return any(p.search(text) for p in self.patterns) or any(t.matches(text) for t in self.topics)

    def readable(self, interactions: Sequence[Interaction]) -> list[Interaction]:
        """The interactions that a prompt may carry, in their order."""
        if not self.blocks:
            return list(interactions)
        records = [i.as_record(max_chars=100_000) for i in interactions]
        left = [n for n, record in enumerate(records) if not self.blocked(record)]
        if self.embedder is not None and self.topics and left:
            close = self._paraphrases(self.embedder, [records[n][:1000] for n in left])
            left = [n for n, is_close in zip(left, close, strict=True) if not is_close]
        return [interactions[n] for n in left]

    def refuses(self, sentence: str) -> str:
        """Why `sentence` may not be written: ``blocked``, ``rejected``, or nothing."""
        if self.blocks and self.blocked(sentence):
            return "blocked"
        if self.topics and self.embedder is not None and self._paraphrases(self.embedder, [sentence])[0]:
            return "blocked"
        if self.rejected:
            content = frozenset(stems(sentence))
            if any(content and len(content & r) >= _SAME * max(len(content), len(r)) for r in self.rejected):
                return "rejected"
        return ""

    def _paraphrases(self, embed: Embedder, texts: Sequence[str]) -> list[bool]:
        if not self._topic_vectors:
            self._topic_vectors = list(embed([t.text for t in self.topics]))
        return [
            any(_cosine(vector, topic) >= self.similarity for topic in self._topic_vectors)
            for vector in embed(list(texts))
        ]


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    norm = math.sqrt(sum(float(x) * float(x) for x in a) * sum(float(y) * float(y) for y in b))
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True)) / norm if norm else 0.0
