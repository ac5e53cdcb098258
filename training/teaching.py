"""The examples of the warm-up: a prompt as the device would put it, and a profile that is right for it.

Example i is a pure function of the seed and i: which data set, which user, how much of the history has happened, how
much of it is shown, whether a profile is written or brought up to date, and how the profile is worded. So a resumed run
goes on without having kept anything.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bump_edge.errors import EmptyHistoryError, UsageError
from bump_edge.profiler.checks import check
from bump_edge.profiler.selection import choose
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction
from training.histories import User, prompt_of
from training.wording import Draft, draft, rewrite, text_of

WRITE, UPDATE = "write", "update"
MODES = (WRITE, UPDATE)
UPDATE_TOKENS = 300
"""Budget of what is new in an update, as on the device."""

_NEW = (3, 12)  # interactions that an update brings
_TRIES = 20
_WORDINGS = 4  # draws of another wording before the first one is taken again

Reword = Callable[[random.Random], str]
"""Another target for a prompt; empty where what was drawn does not hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One thing to learn.

    Args:
        dataset: where its user is from.
        mode: one of `MODES`.
        prompt: what is asked.
        target: what to answer; it passes the product's checks whole, and is never empty.
        redrawn: how many draws before it did not.
    """

    dataset: str
    mode: str
    prompt: Prompt
    target: str
    redrawn: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """How examples are drawn.

    Args:
        seed: of everything.
        update_share: of the examples that bring a profile up to date, where the history is long enough; 0 to 1.
        min_visible, max_visible: interactions in a prompt in write mode, both included; ≥ 1.
        max_words: the length limit that the prompt states.
        weights: of data sets by name, ≥ 0; those that are not named have 1.
    """

    seed: int = 0
    update_share: float = 0.25
    min_visible: int = 4
    max_visible: int = 24
    max_words: int = 80
    weights: Mapping[str, float] | None = None


class Teacher:
    """Draws examples from users' visible histories.

    Args:
        users: with the names of their data sets.
        lesson: how.
        count_tokens: the model's tokenizer: what is new in an update has a budget of `UPDATE_TOKENS`.

    Raises:
        EmptyHistoryError: no user has `min_visible` visible interactions.
        UsageError: a weight for a data set that is not there, or none above 0.
    """

    def __init__(self, users: Sequence[tuple[str, User]], lesson: Lesson, count_tokens: Callable[[str], int]) -> None:
        self._lesson = lesson
        self._count_tokens = count_tokens
        self._last: tuple[int, Example, Reword] | None = None
        self._users: dict[str, list[User]] = {}
        for dataset, user in users:
            if len(user.visible) >= lesson.min_visible:
                self._users.setdefault(dataset, []).append(user)
        if not self._users:
            longest = max((len(user.visible) for _, user in users), default=0)
            raise EmptyHistoryError(
                f"none of {len(users)} users has {lesson.min_visible} visible interactions (the longest history has "
                f"{longest}): lower min_visible, or prepare longer histories"
            )
        weights = dict(lesson.weights or {})
        if unknown := sorted(weights.keys() - self._users.keys()):
            raise UsageError(f"weights name {unknown[0]!r}: expected some of {', '.join(sorted(self._users))}")
        self._names = sorted(self._users)
        # the device writes anew where more than half is new
        self._shortest_update = max(2 * _NEW[0], lesson.min_visible + _NEW[0])
        self._long = {
            name: [user for user in found if len(user.visible) >= self._shortest_update]
            for name, found in self._users.items()
        }
        self._weights = [weights.get(name, 1.0) for name in self._names]
        if not any(self._weights):
            raise UsageError("weights leaves no data set: give one a weight above 0")

    @property
    def users(self) -> dict[str, int]:
        """Users that examples are drawn from, by data set."""
        return {name: len(self._users[name]) for name in self._names}

    def example(self, number: int, wording: int = 0) -> Example:
        """Example `number`, ≥ 0; another `wording` is another target for the same prompt, or the same where none holds.

        Raises:
            EmptyHistoryError: twenty draws in a row gave nothing that can be learned.
        """
        if self._last is None or self._last[0] != number:
            self._last = (number, *self._made(number))
        _, first, reword = self._last
        if not wording:
            return first
        for again in range(_WORDINGS):
            chance = random.Random(f"warmup {self._lesson.seed} {number} wording {wording} {again}")
            if target := reword(chance):
                return replace(first, target=target, redrawn=again)
        return replace(first, redrawn=_WORDINGS)

    def _made(self, number: int) -> tuple[Example, Reword]:
        first = random.Random(f"warmup {self._lesson.seed} {number}")
        dataset = first.choices(self._names, self._weights)[0]
        updates = first.random() < self._lesson.update_share
        users, mode, shortest = self._users[dataset], WRITE, self._lesson.min_visible
        if updates and self._long[dataset]:
            users, mode, shortest = self._long[dataset], UPDATE, self._shortest_update
        for redrawn in range(_TRIES):
            if redrawn == _TRIES // 2:
                mode = WRITE  # what a number says must hold anew: of some logs no sentence outlives an update
            chance = random.Random(f"warmup {self._lesson.seed} {number} {redrawn}")
            user = chance.choice(users)
            history = user.visible[: chance.randint(shortest, len(user.visible))]
            prompt, target, reword = (self._update if mode == UPDATE else self._write)(history, chance)
            if target:
                made = Example(dataset=dataset, mode=mode, prompt=prompt, target=target, redrawn=redrawn)
                return made, reword
        raise EmptyHistoryError(
            f"{_TRIES} draws from {dataset} gave no profile that passes the checks: these histories say "
            "nothing that could be learned; look at them"
        )

    def _write(self, history: Sequence[Interaction], chance: random.Random) -> tuple[Prompt, str, Reword]:
        prompt, drafts = self._drafts(history, chance)
        return prompt, _passed(prompt, drafts), lambda other: _passed(prompt, draft(prompt, other))

    def _drafts(self, history: Sequence[Interaction], chance: random.Random) -> tuple[Prompt, list[Draft]]:
        shown = chance.randint(self._lesson.min_visible, self._lesson.max_visible)
        prompt = prompt_of(history, visible=shown, max_words=self._lesson.max_words)
        return prompt, draft(prompt, chance)

    def _update(self, history: Sequence[Interaction], chance: random.Random) -> tuple[Prompt, str, Reword]:
        most = min(_NEW[1], len(history) // 2, len(history) - self._lesson.min_visible)
        count = chance.randint(_NEW[0], most)
        before, old = self._drafts(history[:-count], chance)
        standing = check(text_of(old), before)
        if not standing.evidence or standing.dropped:
            return before, "", lambda _: ""
        bare = Prompt(
            interactions=(), stats=HistoryStats.of(history), profile=standing.text, max_words=self._lesson.max_words
        )
        new = choose(history[-count:], budget=UPDATE_TOKENS, count_tokens=self._count_tokens, render=bare.render)
        prompt = replace(bare, interactions=new)

        def passed(other: random.Random) -> str:
            found = check(text_of(rewrite(prompt, old, other)), prompt, standing=standing.evidence)
            return "" if found.dropped else found.text

        return prompt, passed(chance), passed


def _passed(prompt: Prompt, drafts: Sequence[Draft]) -> str:
    found = check(text_of(drafts), prompt)
    return "" if found.dropped else found.text
