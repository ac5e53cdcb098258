"""What a judge learns from: lists of users of one data set, made of raw logs alone, no label anywhere.

A lesson is one list of candidates and several queries to it, one a user: forward, the candidates are what the users did
next and the queries are views of what they did before; backward, the other way round. A view is an extractive profile
of a window of the log, the same with its sentences in another order or some left out, or a few interactions as they
are. All of lesson `i` follows from the seed and `i`, so that a resumed run sees what an unbroken one does.

Departs from the paper, which trains no judge: see `training.judge`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bump_edge.backends.base import Backend, GenerationOptions, generate
from bump_edge.errors import EmptyHistoryError
from bump_edge.models import open_model
from bump_edge.settings import load
from bump_edge.text import sentences
from bump_edge.types import Interaction
from training.histories import User, judged_text, prompt_of
from training.judges import CandidateList, Direction
from training.prepare import read_shards

MIN_VISIBLE = 3
"""Interactions that a view is made of at least."""
HINT_CHARS = 80
"""Characters of a record in a hint."""
HINTED_CANDIDATES = 6
"""Candidates of a hinted list at most."""
TRIES = 20
"""Draws of users for a lesson before it is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """One list of candidates, and who is asked for.

    Args:
        dataset: whose users these are.
        lists: one a query, all with the same candidates.
        targets: the place of the right candidate of each.
        wrong: places of wrong candidates, for each query, that are written before the right one may be.
    """

    dataset: str
    lists: tuple[CandidateList, ...]
    targets: tuple[int, ...]
    wrong: tuple[tuple[int, ...], ...]


def users_by_dataset(folder: Path, split: str, limit: int = 0) -> dict[str, list[User]]:
    """The users of a split of a prepared folder, by data set; of each the first `limit`, 0 for all.

    Raises:
        InputError: the folder is no output of `prepare`.
        EmptyHistoryError: nobody is there.
    """
    found: dict[str, list[User]] = {}
    for dataset, user in read_shards(folder, split):
        group = found.setdefault(dataset, [])
        if not limit or len(group) < limit:
            group.append(user)
    if not found:
        raise EmptyHistoryError(f"{folder} has no user of the split {split}: run prepare on more data")
    return found


class Lessons:
    """Lessons by number.

    Args:
        users: by data set; each data set needs two users with at least `MIN_VISIBLE` + 1 interactions.
        candidates: in a list at most, 2 to 26; a quarter of the lists have fewer.
        max_visible: interactions of a window at most, ≥ `MIN_VISIBLE`.
        hinted: in the first so many lessons, from all of them down to none, lists are short and the view is what came
            next itself, soon among some that came before: to match what is the same is the way into matching what is
            alike.
        seed: of everything.

    Raises:
        EmptyHistoryError: a data set has too few users to make a list.
    """

    def __init__(
        self,
        users: Mapping[str, Sequence[User]],
        *,
        candidates: int = 9,
        max_visible: int = 40,
        hinted: int = 0,
        seed: int = 0,
    ) -> None:
        self._histories: dict[str, list[tuple[Interaction, ...]]] = {}
        for dataset, group in sorted(users.items()):
            long = [(*u.visible, *u.held_out) for u in group]
            long = [h for h in long if len(h) > MIN_VISIBLE]
            if len(long) < 2:
                raise EmptyHistoryError(
                    f"{dataset} has {len(long)} users with more than {MIN_VISIBLE} interactions: expected at least 2, "
                    "to tell one from another; leave the data set out, or give more of it"
                )
            self._histories[dataset] = long
        self._candidates = candidates
        self._max_visible = max_visible
        self._hinted = hinted
        self._seed = seed
        self._extractive: Backend = open_model("extractive", load())

    def __getitem__(self, number: int) -> Lesson:
        """The lesson `number` ≥ 0; data sets and directions take turns."""
        names = list(self._histories)
        dataset = names[number % len(names)]
        chance = random.Random(f"lesson {self._seed} {number}")
        direction: Direction = "forward" if number // len(names) % 2 == 0 else "backward"
        progress = number / self._hinted if number < self._hinted else 1.0
        hint = int(1 + 3 * progress) if chance.random() >= progress else 0
        pairs = next((p for p in (self._pairs(dataset, chance, hint) for _ in range(TRIES)) if len(p) > 1), None)
        if pairs is None:
            raise EmptyHistoryError(
                f"{dataset}: {TRIES} times in a row no two users could be told apart by the texts of their "
                "interactions; leave the data set out, or give more of it"
            )
        views, records = [view for view, _ in pairs], [record for _, record in pairs]
        candidates, queries = (records, views) if direction == "forward" else (views, records)
        order = chance.sample(range(len(pairs)), len(pairs))
        shown = tuple(candidates[at] for at in order)
        last = chance.randrange(len(pairs)) if direction == "backward" else None
        targets = tuple(order.index(at) for at in range(len(pairs)))
        return Lesson(
            dataset=dataset,
            lists=tuple(
                CandidateList(direction=direction, query=query, candidates=shown, last=last) for query in queries
            ),
            targets=targets,
            wrong=tuple(() if hint else self._wrong(target, len(pairs), chance) for target in targets),
        )

    def _pairs(self, dataset: str, chance: random.Random, hint: int) -> list[tuple[str, str]]:
        """(view, what came next) of users whom the texts can tell apart; with `hint` views of so many records."""
        histories = self._histories[dataset]
        wanted = self._candidates if chance.random() < 0.75 else chance.randint(2, self._candidates)
        wanted = min(wanted, HINTED_CANDIDATES) if hint else wanted
        pairs: list[tuple[str, str]] = []
        taken: set[str] = set()
        for history in chance.sample(histories, min(4 * wanted, len(histories))):
            if len(pairs) == wanted:
                break
            at = chance.randint(MIN_VISIBLE, len(history) - 1)
            record = judged_text(history[at])
            own = {judged_text(i) for i in history}
            if not record.strip() or record in taken or own & {known for _, known in pairs}:
                continue
            window = history[max(0, at - chance.randint(MIN_VISIBLE, self._max_visible)) : at]
            if view := self._hint(window, record, hint, chance) if hint else self._view(window, chance):
                pairs.append((view, record))
                taken |= own
        return pairs

    def _hint(self, window: Sequence[Interaction], record: str, most: int, chance: random.Random) -> str:
        before = [judged_text(i) for i in chance.sample(window, min(len(window), chance.randint(0, most - 1)))]
        said = [text[:HINT_CHARS] for text in (*before, record)]
        return ". ".join(chance.sample(said, len(said)))

    def _view(self, window: Sequence[Interaction], chance: random.Random) -> str:
        kind = chance.random()
        if kind < 0.25:
            some = sorted(chance.sample(range(len(window)), min(len(window), chance.randint(3, 8))))
            return ". ".join(judged_text(window[at])[:80] for at in some)
        [written] = generate(self._extractive, [prompt_of(window, visible=self._max_visible)], GenerationOptions())
        if kind < 0.75:
            return written.text
        said = sentences(written.text)
        return " ".join(chance.sample(said, chance.randint(max(1, len(said) - 1), len(said)))) if said else ""

    def _wrong(self, target: int, count: int, chance: random.Random) -> tuple[int, ...]:
        if chance.random() < 0.6:
            return ()
        others = [place for place in range(count) if place != target]
        return tuple(chance.sample(others, chance.randint(1, min(3, len(others)))))
