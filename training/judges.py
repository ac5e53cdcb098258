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

Departs from the paper: it has the first kind only, served by vLLM; that is the judge ``served`` (`training.served`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from bump_edge.errors import UsageError
from bump_edge.metrics import bm25_scores
from bump_edge.prompts import neutralise
from bump_edge.text import stems, stopwords

PROMPT = "judge/3"
"""Version of the wording below: a trained judge depends on it."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

KEPT = 100_000
"""Texts whose terms or vector a judge keeps, those asked for last: a run of GRPO writes new ones without end."""

Direction = Literal["forward", "backward"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateList:
    """One ranking to be made.

    Args:
        direction: ``forward``: a profile asks for interactions; ``backward``: an interaction asks for profiles.
        query: the profile or the interaction.
        candidates: in the order of their letters; at least two.
        last: the candidate that the prompt lists last, out of its letter's turn: the one in which the lists of a group
            differ. None lists all in the order of their letters.
    """

    direction: Direction
    query: str
    candidates: tuple[str, ...]
    last: int | None = None


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Where texts are cut, at a word.

    Args:
        record: characters of an interaction, ≥ 1.
        profile: characters of a profile, ≥ 1.
    """

    record: int = 160
    profile: int = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A judge's prompt in parts, from what most prompts share to what is one's own.

    Args:
        system: the task; the same for all lists.
        shared: what the lists of a group have in common, in the user's turn.
        own: the rest of the user's turn; may be empty.
        answer: how the answer begins.
    """

    system: str
    shared: str
    own: str
    answer: str


LISTWISE = "Match each person with what they did: the likeliest letter first."
POINTWISE = "Match people with what they did: yes or no."


def render(wanted: CandidateList, limits: Limits | None = None) -> Asked:
    """The listwise question: candidates first, each with its letter behind it, the query last, in both directions.

    A group shares the candidates of the forward direction, and all but its own profile (`CandidateList.last`) of the
    backward one. The query opens the answer, in the form of a candidate, so that its letter is what a language model
    would go on with anyway: of exact repetitions an untrained SmolLM2 finds 61 % among 3 to 6 in this form, and 24 %
    where letters come first and the answer is asked for in words. The paper says nothing of the order.

    Args:
        wanted: the ranking; at most 26 candidates.
        limits: of its texts.

    Raises:
        UsageError: more candidates than letters.
    """
    limits = limits or Limits()
    if not 2 <= len(wanted.candidates) <= len(LETTERS):
        raise UsageError(f"{len(wanted.candidates)} candidates: expected 2 to {len(LETTERS)} for a listwise judge")
    forward = wanted.direction == "forward"
    size, other = (limits.record, limits.profile) if forward else (limits.profile, limits.record)
    lines = [f"{_line(text, size)} -> {a}" for a, text in zip(LETTERS, wanted.candidates, strict=False)]
    last = f"\n{lines.pop(wanted.last)}" if wanted.last is not None else ""
    kinds, query = ("Records", "Profile") if forward else ("Profiles", "Record")
    return Asked(
        system=LISTWISE,
        shared="\n".join([f"{kinds}:", *lines]),
        own=last,
        answer=f"{query}: {_line(wanted.query, other)} ->",
    )


def render_pair(record: str, profile: str, limits: Limits | None = None) -> Asked:
    """The pointwise question; the record first, which a group shares in both directions."""
    limits = limits or Limits()
    return Asked(
        system=POINTWISE,
        shared=f"Record: {_line(record, limits.record)}",
        own=f"\nProfile: {_line(profile, limits.profile)}\nIs the record this person's?",
        answer="Answer:",
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
    """BM25 over stems without function words; the candidates of a query are its collection.

    The terms of `kept` texts are kept, those that were asked for last.
    """

    name = "bm25"
    reads_order = False

    def __init__(self, language: str = "en", *, kept: int = KEPT) -> None:
        self._language = language
        self._of = lru_cache(maxsize=kept)(self._terms)

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by term overlap; a query that meets nothing leaves all candidates tied."""
        return [
            Judgement(scores=tuple(bm25_scores(self._of(one.query), [self._of(text) for text in one.candidates])))
            for one in lists
        ]

    @property
    def kept_texts(self) -> int:
        """How many texts' terms are kept now."""
        return self._of.cache_info().currsize

    def _terms(self, text: str) -> list[str]:
        stopped = stopwords(self._language)
        return [t for t in stems(text, self._language) if t not in stopped]
