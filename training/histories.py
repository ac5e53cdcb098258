"""Users as training and evaluation see them: a visible prefix, a held-out suffix, and the fold that they belong to.

Users are split by ``int(sha256(user_id), 16) % 10``: 0 is test, 1 validation, 2 to 9 training. Nothing is tuned on
test users.

Departs from the paper, which says nothing of it: order is by time where every interaction of a user has a timestamp
(ties in file order), and file order otherwise.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.errors import EmptyHistoryError, InputError, UsageError
from bump_edge.prompts import Prompt
from bump_edge.readers import Problems, Reader, to_interaction
from bump_edge.types import HistoryStats, Interaction, meta_labels, timestamp_ms

FOLDS = 10
SPLITS = ("train", "validation", "test")
VISIBLE = 40
"""Interactions of the visible prefix, the last ones, that a prompt and the raw history show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """One user, cut in two by time.

    Args:
        user_id: as the log names them.
        visible: what a profile may be written from, oldest first; at least one.
        held_out: what it must tell, oldest first; at least one.
    """

    user_id: str
    visible: tuple[Interaction, ...]
    held_out: tuple[Interaction, ...]

    def __post_init__(self) -> None:
        if not self.visible or not self.held_out:
            raise UsageError(
                f"user {self.user_id!r} has {len(self.visible)} visible and {len(self.held_out)} held-out "
                "interactions: expected at least one of each"
            )


def fold_of(user_id: str) -> int:
    """The user's fold, 0 to 9."""
    return int(hashlib.sha256(user_id.encode()).hexdigest(), 16) % FOLDS


def split_of(user_id: str) -> str:
    """The user's part, one of `SPLITS`."""
    return {0: "test", 1: "validation"}.get(fold_of(user_id), "train")


def folds_of(split: str) -> frozenset[int]:
    """The folds of a part, or of ``all``."""
    known = {"test": {0}, "validation": {1}, "train": set(range(2, FOLDS)), "all": set(range(FOLDS))}
    if split not in known:
        raise UsageError(f"split is {split!r}: expected one of {', '.join(known)}")
    return frozenset(known[split])


def in_time_order(history: Sequence[Interaction]) -> list[Interaction]:
    """The history by time where all of it has one, else as it is; an interaction twice, equal in every field, once."""
    unique = list({i.digest: i for i in history}.values())
    if any(i.timestamp is None for i in unique):
        return unique
    return sorted(unique, key=lambda i: timestamp_ms(i.timestamp) if i.timestamp else 0)


def cut(history: Sequence[Interaction], held_out: int = 1) -> User:
    """The user with the last `held_out` (≥ 1) interactions of an ordered history held out.

    Raises:
        UsageError: nothing is left to be seen.
    """
    return User(user_id=history[0].user_id, visible=tuple(history[:-held_out]), held_out=tuple(history[-held_out:]))


def read_histories(
    path: Path,
    *,
    folds: Collection[int],
    limit: int | None = None,
    min_length: int = 1,
    problems: Counter[str] | None = None,
) -> list[list[Interaction]]:
    """The histories of the users of `folds` in any format that the product reads; each in time order.

    Only these users' interactions are held in memory. The order of users, and so which `limit` of them are taken, is
    by a hash of their name: the same whatever the order of the file.

    Args:
        path: the history file.
        folds: of 0 to 9.
        limit: users at most.
        min_length: users with fewer interactions are left out; ≥ 1.
        problems: skipped lines by reason, and `short_users`, are added to it.

    Raises:
        InputError: the file cannot be read.
        EmptyHistoryError: no user of these folds has an interaction in it.
    """
    histories: dict[str, list[Interaction]] = {}
    wanted: dict[str, bool] = {}
    for interaction in interactions(path, problems):
        user = interaction.user_id
        if user not in wanted:
            wanted[user] = fold_of(user) in folds
        if wanted[user]:
            histories.setdefault(user, []).append(interaction)
    if not histories:
        raise EmptyHistoryError(
            f"{path} has no interaction of a user of folds {sorted(folds)} ({len(wanted)} users in all): give another "
            "file, or another split"
        )
    ordered = {user: in_time_order(history) for user, history in histories.items()}
    long = [user for user, history in ordered.items() if len(history) >= min_length]
    if problems is not None and len(long) < len(ordered):
        problems["short_users"] += len(ordered) - len(long)
    return [ordered[user] for user in by_hash(long)[:limit]]


def by_hash(users: Iterable[str]) -> list[str]:
    """User names in the order in which an evaluation takes them: by a hash that has nothing to do with the folds."""
    return sorted(users, key=lambda user: hashlib.sha256(f"bench {user}".encode()).digest())


def interactions(path: Path, problems: Counter[str] | None = None) -> Iterable[Interaction]:
    """The interactions of a file in its order, a stream; skipped lines by reason are added to `problems`.

    Raises:
        InputError: the file is no regular file, or cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path} is no file: expected a history (JSON Lines, CSV or LaMP; plain, gzip or zstd)")
    reader = Reader(path)
    found: Problems = reader.problems
    for batch in reader.batches():
        yield from map(to_interaction, batch)
    if problems is not None:
        problems.update(found.counts)


def judged_text(interaction: Interaction) -> str:
    """What a judge reads of an interaction: item, text and labels, without type, date, rating and counts."""
    labels = [
        value for key, value in meta_labels(interaction.meta) if not isinstance(interaction.meta[key], int | float)
    ]
    return ". ".join(part for part in (interaction.item, interaction.text, *labels) if part)


def prompt_of(history: Sequence[Interaction], *, visible: int = VISIBLE, max_words: int = 80) -> Prompt:
    """The prompt for a visible history: its last `visible` interactions."""
    return Prompt(interactions=tuple(history[-visible:]), stats=HistoryStats.of(history), max_words=max_words)


def raw_text(history: Sequence[Interaction], *, visible: int = VISIBLE) -> str:
    """The last `visible` interactions of a history as one text: the baseline without a profiler."""
    return " ".join(judged_text(i) for i in history[-visible:])


def as_row(user: User, dataset: str) -> dict[str, Any]:
    """A user as one line of a prepared shard."""
    return {
        "user_id": user.user_id,
        "dataset": dataset,
        "visible": [_bare(i) for i in user.visible],
        "held_out": [_bare(i) for i in user.held_out],
    }


def _bare(interaction: Interaction) -> dict[str, Any]:
    row = interaction.as_dict()
    del row["user_id"]
    return row
