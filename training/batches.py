"""The stream of users that GRPO sees: step by step a batch from one data set, drawn by seed and step alone.

A user of the training split gives a different pair of visible window and held-out interactions each time: their history
is cut at a random point, the window is what was last before it, what comes next is held out. A share of them is asked
to update the extractive profile of the earlier part by what is new. All users of a step are of one data set: a game
told from an office chair says nothing of a profile.

Departs from the paper, which has one split of each history: random cuts are more pairs from the same logs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.backends.chat import messages_of
from bump_edge.errors import EmptyHistoryError, UsageError
from bump_edge.models import open_model
from bump_edge.prompts import Prompt
from bump_edge.settings import load
from bump_edge.types import HistoryStats, Interaction
from training.config import check_ranges
from training.histories import judged_text, prompt_of
from training.prepare import read_shards


@dataclass(frozen=True, kw_only=True, slots=True)
class Cuts:
    """How histories are cut and asked about.

    Args:
        users: in a step, ≥ 2.
        held_out: P, what follows the cut, ≥ 1.
        hard_pool: BUMP+: this many times P follow the cut, of which the reward picks the P hardest; ≥ 1.
        visible: interactions of the window at most, ≥ 2; min_visible: at least, ≥ 1.
        update_share: of the users that are asked to update, 0 to 1. update_new: new interactions at most, ≥ 1.
        max_words: that the prompt asks for.
        seed: of every draw.
    """

    users: int = 8
    held_out: int = 1
    hard_pool: int = 1
    visible: int = 20
    min_visible: int = 4
    update_share: float = 0.2
    update_new: int = 5
    max_words: int = 80
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            self, users=(2, 10**6), held_out=(1, 1000), hard_pool=(1, 100), visible=(2, 10**4),
            min_visible=(1, 10**4), update_share=(0, 1), update_new=(1, 10**4), max_words=(10, 400),
        )  # fmt: skip


def read_users(
    folder: Path, cuts: Cuts, *, datasets: Sequence[str] = (), limit: int = 0
) -> dict[str, dict[str, list[Interaction]]]:
    """Data set → user → history, oldest first, of the training users of a prepared folder.

    Args:
        folder: what `prepare` wrote.
        cuts: users whose history is too short to be cut are left out.
        datasets: only these; all without.
        limit: users of a data set at most, the first in the folder's order; 0 takes all.

    Raises:
        InputError: the folder is no output of `prepare`.
        UsageError: an unknown data set, or fewer users than a step needs.
        EmptyHistoryError: no user can be cut.
    """
    found: dict[str, dict[str, list[Interaction]]] = {}
    short = 0
    for dataset, user in read_shards(folder, "train"):
        mine = found.setdefault(dataset, {})
        if (datasets and dataset not in datasets) or (limit and len(mine) >= limit):
            continue
        history = [*user.visible, *user.held_out]
        if len(history) < cuts.min_visible + cuts.held_out:
            short += 1
            continue
        mine[user.user_id] = history
    if unknown := sorted(set(datasets) - found.keys()):
        raise UsageError(f"datasets names {unknown[0]!r}: expected some of {', '.join(sorted(found))}, in {folder}")
    found = {name: users for name, users in sorted(found.items()) if users}
    if not found:
        raise EmptyHistoryError(
            f"no training user of {folder} has {cuts.min_visible} interactions to see and {cuts.held_out} to hold out "
            f"({short} have fewer): lower min_visible, or prepare longer histories"
        )
    if few := [name for name, users in found.items() if len(users) < cuts.users]:
        raise UsageError(
            f"{few[0]} has {len(found[few[0]])} training users that can be cut, a step takes {cuts.users}: lower "
            "users, leave the data set out, or prepare more"
        )
    return found


def extractive(prompts: Sequence[Prompt]) -> list[str]:
    """The profiles that the runtime's extractive backend writes."""
    backend = open_model("extractive", load())
    try:
        return [g.text for g in generate(backend, prompts, GenerationOptions(max_tokens=200))]
    finally:
        backend.close()


class Stream:
    """The rows of all steps, made when they are asked for; row i is user ``i % users`` of step ``i // users``.

    Args:
        users: of `read_users`.
        cuts: how to cut and ask.
        write: the profile that update mode begins with.
    """

    def __init__(
        self,
        users: Mapping[str, Mapping[str, Sequence[Interaction]]],
        cuts: Cuts,
        write: Callable[[Sequence[Prompt]], Sequence[str]] = extractive,
    ) -> None:
        self._users = users
        self._names = {dataset: sorted(histories) for dataset, histories in users.items()}
        self._cuts = cuts
        self._write = write
        # a row is asked for G times in a row, and again for every part of an update
        self._row = lru_cache(maxsize=4 * cuts.users)(self._make)

    def __reduce__(self) -> tuple[Any, ...]:
        # `datasets` hashes what it is given, and would walk through every history
        return (str, (f"stream {self._cuts}",))

    def __call__(self, batch: Mapping[str, Sequence[int]]) -> dict[str, list[Any]]:
        """Rows by their numbers, as `datasets` asks a transform: ``{"row": [i, …]}`` → columns."""
        rows = [self._row(at) for at in batch["row"]]
        return {key: [row[key] for row in rows] for key in rows[0]}

    def step(self, step: int) -> tuple[str, list[str]]:
        """The data set and the users of a step, 0 for the first."""
        chance = random.Random(f"{self._cuts.seed} {step} users")
        dataset = chance.choice(sorted(self._names))
        return dataset, chance.sample(self._names[dataset], self._cuts.users)

    def _make(self, at: int) -> dict[str, Any]:
        step, place = divmod(at, self._cuts.users)
        dataset, names = self.step(step)
        user, cuts = names[place], self._cuts
        history = self._users[dataset][user]
        chance = random.Random(f"{cuts.seed} {step} {user} cut")
        end = chance.randint(cuts.min_visible, len(history) - cuts.held_out)
        before, after = history[:end], history[end : end + cuts.held_out * cuts.hard_pool]
        window = before[-cuts.visible :]
        new = min(chance.randint(1, cuts.update_new), len(window) - 1)
        if chance.random() < cuts.update_share and new:
            mode = "update"
            known = prompt_of(before[:-new], visible=cuts.visible, max_words=cuts.max_words)
            prompt = _update(self._write([known])[0], before, new, cuts)
        else:
            mode = "write"
            prompt = prompt_of(before, visible=cuts.visible, max_words=cuts.max_words)
        mixed = list(prompt.interactions)
        chance.shuffle(mixed)
        other = Prompt(
            interactions=tuple(mixed), stats=prompt.stats, profile=prompt.profile, max_words=prompt.max_words
        )
        return {
            "prompt": messages_of(prompt),
            "asked": prompt,
            "other": messages_of(other),
            "key": f"{dataset}/{user}",
            "dataset": dataset,
            "mode": mode,
            "held_out": [judged_text(i) for i in after],
            "visible": [judged_text(i) for i in window],
        }


def _update(profile: str, before: Sequence[Interaction], new: int, cuts: Cuts) -> Prompt:
    return Prompt(
        interactions=tuple(before[-new:]), stats=HistoryStats.of(before), profile=profile, max_words=cuts.max_words
    )


def dataset_of(stream: Stream, rows: int) -> Any:
    """The first `rows` rows of a stream as a data set of `datasets`, each made when it is read."""
    from datasets import Dataset

    return Dataset.from_dict({"row": list(range(rows))}).with_transform(stream)
