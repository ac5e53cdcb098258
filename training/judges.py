"""What a judge is: something that ranks candidates for a query. Four kinds, one interface, one prompt.

=====================  =======================================================  ===============================
kind                   how it ranks                                             reads the order of presentation
=====================  =======================================================  ===============================
``listwise-generate``  writes the whole permutation, letters only (the paper's) yes
``listwise-logits``    one forward pass, by the logits of the letters           yes
``pointwise``          log-odds of yes over no, one candidate at a time         no
``embedding``          cosine of two encodings; `bm25` has no model             no
=====================  =======================================================  ===============================

A judge gives one score a candidate *as presented*; a higher one is better. The written permutation becomes scores by
its ranks. What reads no order needs one presentation instead of M, and its ties are broken in expectation.

Departs from the paper: it has the first kind only, served by vLLM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bump_edge.errors import UsageError
from bump_edge.metrics import bm25_scores
from bump_edge.prompts import neutralise
from bump_edge.text import stems, stopwords

PROMPT = "judge/1"
"""Version of the wording below: a trained judge depends on it."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Direction = Literal["forward", "backward"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateList:
    """One ranking to be made.

    Args:
        direction: ``forward``: a profile asks for interactions; ``backward``: an interaction asks for profiles.
        query: the profile or the interaction.
        candidates: in the order in which they are presented; at least two.
    """

    direction: Direction
    query: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A judge's answer to one `CandidateList`.

    Args:
        scores: one finite score a candidate, as presented; higher is better.
        parsed: False when the answer was no full permutation, and had to be repaired.
        tokens: tokens prefilled or written for it; 0 for a judge without a language model.
    """

    scores: tuple[float, ...]
    parsed: bool = True
    tokens: int = 0


class Judge(Protocol):
    """Ranks candidate lists."""

    @property
    def name(self) -> str:
        """Which judge this is, for tables and logs."""
        ...

    @property
    def reads_order(self) -> bool:
        """Whether the order in which candidates are presented can change the answer."""
        ...

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """One judgement a list, in the order of `lists`."""
        ...


def render(wanted: CandidateList, *, max_chars: int = 400) -> str:
    """The listwise prompt: letters for candidates; what a GRPO group shares comes first.

    Forward, the group shares the candidates, so the profile comes last. Backward, it shares the query and all
    candidates but one, so the query comes first.

    Args:
        wanted: the ranking; at most 26 candidates.
        max_chars: a query or candidate is cut at a word to at most this many characters.

    Raises:
        UsageError: more candidates than letters.
    """
    if not 2 <= len(wanted.candidates) <= len(LETTERS):
        raise UsageError(f"{len(wanted.candidates)} candidates: expected 2 to {len(LETTERS)} for a listwise judge")
    listed = "\n".join(
        f"{letter}. {_line(text, max_chars)}" for letter, text in zip(LETTERS, wanted.candidates, strict=False)
    )
    query = _line(wanted.query, max_chars)
    if wanted.direction == "forward":
        return (
            f"Records of different people:\n{listed}\n\nProfile of one person: {query}\n\n"
            "Letters of the records from the likeliest to be this person's to the least likely:"
        )
    return (
        f"Record of one person: {query}\n\nProfiles of different people:\n{listed}\n\n"
        "Letters of the profiles from the likeliest to be this person's to the least likely:"
    )


def render_pair(direction: Direction, query: str, candidate: str, *, max_chars: int = 400) -> str:
    """The pointwise prompt; again what a group shares comes first."""
    record, profile = (candidate, query) if direction == "forward" else (query, candidate)
    return (
        f"Record: {_line(record, max_chars)}\n\nProfile of a person: {_line(profile, max_chars)}\n\n"
        "Is the record this person's, yes or no? Answer:"
    )


def _line(text: str, max_chars: int) -> str:
    line = " ".join(neutralise(text).split())
    return line if len(line) <= max_chars else line[: max_chars - 1].rsplit(" ", 1)[0] + "…"


def parse_permutation(answer: str, count: int) -> tuple[list[int], bool]:
    """The positions that a written answer ranks, best first, and whether it was a full permutation.

    Of a repeated letter the first occurrence counts; missing ones are appended in the order of presentation. An answer
    without any letter is thus the order of presentation, which over shuffles is chance.

    Args:
        answer: such as ``B > A > C`` or ``B A C``; letters that stand alone.
        count: candidates, 1 to 26.
    """
    found = [LETTERS.index(letter) for letter in re.findall(r"(?<![^\W_])[A-Z](?![^\W_])", answer)]
    order = list(dict.fromkeys(position for position in found if position < count))
    whole = len(order) == count == len(found)
    return [*order, *(position for position in range(count) if position not in order)], whole


def scores_of_order(order: Sequence[int]) -> tuple[float, ...]:
    """Scores of the candidates as presented, from a permutation of their positions, best first."""
    scores = [0.0] * len(order)
    for rank, position in enumerate(order):
        scores[position] = -float(rank)
    return tuple(scores)


class Bm25Judge:
    """BM25 over stems without function words; the candidates of a query are its collection."""

    name = "bm25"
    reads_order = False

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._terms: dict[str, list[str]] = {}

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by term overlap; a query that meets nothing leaves all candidates tied."""
        return [
            Judgement(scores=tuple(bm25_scores(self._of(one.query), [self._of(text) for text in one.candidates])))
            for one in lists
        ]

    def _of(self, text: str) -> list[str]:
        if (known := self._terms.get(text)) is None:
            stopped = stopwords(self._language)
            known = self._terms[text] = [t for t in stems(text, self._language) if t not in stopped]
        return known
