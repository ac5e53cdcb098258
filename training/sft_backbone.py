"""Stage ``sft-backbone``: a LoRA teaches a downstream model to use cached profiles (the paper's optional last step).

    python -m training sft-backbone --model FOLDER --data PREPARED --profiles FILE.jsonl --out RUN

The profiler is frozen by now: one profile a user was written once, from the visible part of a history, as `evaluate
--out` writes them, and stays as it is (without a file, the extractive backend writes them). The downstream model reads
it in its prompt where an app puts it, in the block of `bump_edge.context`, and is asked for what comes next: the user's
last few interactions are its neighbours, the first held-out one is the answer, and the loss is on the answer alone.

Reported before and after, on users of a split it never saw: the loss of an answer's token with the right profile, with
another user's, and without one; and paired by user, with 95 % intervals, how much the right one lowers it. Profiles
help where both gains are above 0; over another user's profile is the honest one, for any text may help a little.

Departs from the paper in the task, which is next-item from raw logs where the paper takes the labels of LaMP; and in
that a share of the training prompts has no profile (`bare_share`), or else the loss without one would be that of a
model which has forgotten such prompts. A profile that was written from more than the visible part would give the answer
away: this stage cannot see whether a file cheats.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from bump_edge.context import messages_of_profile
from bump_edge.errors import EmptyHistoryError, InputError, UsageError
from bump_edge.prompts import render_interaction
from training.config import as_json, check_ranges
from training.histories import User, folds_of, judged_text, prompt_of
from training.measures import gain
from training.models import CausalModel
from training.prepare import read_shards, sha256_of
from training.profiles import read_profiles, write_profiles
from training.progress import say
from training.runs import open_run, replace_file
from training.supervised import Row, check_settings, check_single, fit, measure, open_trainable, per_token

STAGE = "sft-backbone"
QUESTION = "What will this person do next? Answer with the item."
RIGHT, OTHER, NONE = "right", "other", "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class SftConfig:
    """Settings of the stage.

    Args:
        model: the folder of the downstream model.
        data: the out of the stage `prepare`; its training users are learned from.
        out: the run's folder; the same command goes on with a run that was killed.
        profiles: JSON Lines files of profiles; users without one are left out. Empty: extractive ones.
        datasets: names to learn from; empty takes all.
        max_users: of each data set, for training; 0 takes all.
        split: whose users it is measured on, ``validation`` or ``test``; test_users: of each data set, ≥ 2.
        neighbours: interactions before the answer that the question shows; 0 leaves it to the profile.
        max_chars: of an interaction and of an answer, ≥ 16.
        visible, max_words: of the prompt for an extractive profile.
        bare_share: of the training prompts that have no profile; 0 to 1.
        lora_rank: of the LoRA, ≥ 1.
        rounds: of the bootstrap; ≥ 40.
        steps, batch, learning_rate, warmup, bfloat16, padding, save_every, log_every, seed, workers: see
            `training.supervised.Settings`.
    """

    model: Path
    data: Path
    out: Path
    profiles: tuple[Path, ...] = ()
    datasets: tuple[str, ...] = ()
    max_users: int = 0
    split: str = "validation"
    test_users: int = 100
    neighbours: int = 3
    max_chars: int = 160
    visible: int = 40
    max_words: int = 80
    bare_share: float = 0.2
    lora_rank: int = 16
    rounds: int = 1000
    steps: int = 200
    batch: int = 8
    learning_rate: float = 1e-4
    warmup: float = 0.1
    bfloat16: bool = True
    padding: float = 0.5
    save_every: int = 50
    log_every: int = 10
    seed: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            self, max_users=(0, 10**9), test_users=(2, 10**6), neighbours=(0, 1000), max_chars=(16, 10**5),
            visible=(1, 10**6), max_words=(10, 400), bare_share=(0, 1), lora_rank=(1, 1024), rounds=(40, 10**6),
        )  # fmt: skip
        check_settings(self)
        if folds_of(self.split) & folds_of("train"):
            raise UsageError(f"split is {self.split}: expected validation or test, whose users are not learned from")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A user to learn from or to measure on: what is asked, what is right, and their profile."""

    dataset: str
    question: str
    answer: str
    profile: str

    def row(self, model: CausalModel, profile: str | None) -> Row:
        """The case as tokens, with this profile or none in the prompt."""
        tokens, _ = model.encode(messages_of_profile(profile, self.question))
        name = "bare" if profile is None else self.dataset
        return Row(tuple(tokens), tuple(model.answer(self.answer)), {name: 1})


class Cases:
    """The training rows: every user once an epoch, in an order of its own; row i depends on the seed and i alone.

    Args:
        cases: of the users to learn from.
        model: whose tokens.
        config: its length, seed and share of bare prompts.
    """

    def __init__(self, cases: Sequence[Case], model: CausalModel, config: SftConfig) -> None:
        self._cases, self._model, self._config = cases, model, config
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __len__(self) -> int:
        return self._config.steps * self._config.batch

    def __getitem__(self, number: int) -> Row:
        epoch, place = divmod(number, len(self._cases))
        case = self._cases[self._order(epoch)[place]]
        bare = random.Random(f"sft {self._config.seed} {number} bare").random() < self._config.bare_share
        return case.row(self._model, None if bare else case.profile)

    def _shuffled(self, epoch: int) -> list[int]:
        return random.Random(f"sft {self._config.seed} {epoch} order").sample(range(len(self._cases)), len(self._cases))


def run(config: SftConfig) -> dict[str, Any]:
    """Train and measure; returns the summary. A finished run returns its summary at once.

    Raises:
        UsageError: `out` holds something else, `model` is a LoRA, or several processes were started.
        InputError: `data` is no prepared folder, or a profile file cannot be read.
        EmptyHistoryError: no user to learn from, or fewer than two to measure on, has a profile.
        ModelError: there is no model in `model`.
    """
    check_single(STAGE)
    settings = as_json(config)
    del settings["out"], settings["workers"]  # neither changes what comes out
    settings["profiles_sha256"] = [sha256_of(path) for path in config.profiles]
    if (config.out / "run.json").is_file() and (done := open_run(config.out, STAGE, settings).summary) is not None:
        say(f"{config.out} is finished")
        return done
    known = _known(config.profiles)
    left_out: Counter[str] = Counter()
    cases = _cases(config, "train", config.max_users, known, left_out)
    measured = _cases(config, config.split, config.test_users, known, left_out)
    others = _others(measured, left_out)
    if not cases or not others:
        raise EmptyHistoryError(
            f"{len(cases)} training users have a profile, and {len(others)} of the split {config.split} that another "
            f"user's stands beside: expected at least 1 and 2 (left out: {dict(left_out) or 'none'}); give profiles of "
            "both splits, or more data"
        )
    model = open_trainable(config.model, lora_rank=config.lora_rank, seed=config.seed)
    folder = open_run(config.out, STAGE, settings)  # once all that can be wrong at the start is known to be right
    say(f"{STAGE}: {len(cases)} users to learn from, {len(others)} to measure on; left out: {dict(left_out) or 'none'}")
    resume = folder.start()
    kept = folder.out / "before.json"
    if not kept.is_file():
        replace_file(kept, orjson.dumps(_measured(model, others, config)))
    before = orjson.loads(kept.read_bytes())
    say(f"{STAGE}: before {_told(before)}")
    tally = fit(config, folder, model, Cases(cases, model, config), resume)
    after = _measured(model, others, config)
    say(f"{STAGE}: after {_told(after)}")
    folder.save_model(model.save)
    return folder.finish(
        {
            "steps": config.steps,
            "train_users": len(cases),
            "test_users": len(others),
            "left_out": dict(left_out),
            "examples": {name: tally[name] for name in sorted(tally.keys() - {"read", "trained"})},
            "tokens": {"read": tally["read"], "trained": tally["trained"]},
            "before": before,
            "after": after,
        }
    )


def case_of(dataset: str, user: User, profile: str, config: SftConfig) -> Case:
    """What a user is asked and should answer: the first held-out interaction, after its neighbours."""
    near = user.visible[-config.neighbours :] if config.neighbours else ()
    lines = [f"- {render_interaction(i, max_chars=config.max_chars)}" for i in near]
    shown = "\n".join(["The latest that this person did, oldest first:", *lines, "", QUESTION]) if lines else QUESTION
    target = user.held_out[0]
    answer = " ".join((target.item or judged_text(target)).split())
    if len(answer) > config.max_chars:
        answer = answer[: config.max_chars].rsplit(" ", 1)[0]
    return Case(dataset=dataset, question=shown, answer=answer, profile=profile)


def _known(files: Sequence[Path]) -> dict[str, str] | None:
    if not files:
        return None
    out: dict[str, str] = {}
    for path in files:
        found = read_profiles(path)
        if twice := sorted(found.keys() & out.keys()):
            raise InputError(f"{path}: user {twice[0]!r} has a profile in another file already; keep one")
        out |= found
    return out


def _cases(
    config: SftConfig, split: str, limit: int, known: Mapping[str, str] | None, left_out: Counter[str]
) -> list[Case]:
    """The users of a split, at most `limit` (0: all) of each data set, who have a profile and an answer."""
    users: dict[str, list[User]] = {}
    for dataset, user in read_shards(config.data, split):
        mine = users.setdefault(dataset, [])
        if known is not None and not known.get(user.user_id, "").strip():
            left_out[f"{split}_users_without_profile"] += 1
        elif not limit or len(mine) < limit:
            mine.append(user)
    if split == "train" and (unknown := sorted(set(config.datasets) - users.keys())):
        raise UsageError(f"datasets names {unknown[0]!r}: expected some of {', '.join(sorted(users)) or 'none'}")
    pairs = [(d, user) for d, found in users.items() if not config.datasets or d in config.datasets for user in found]
    if known is not None:
        texts = [known[user.user_id] for _, user in pairs]
    else:
        prompts = [prompt_of(u.visible, visible=config.visible, max_words=config.max_words) for _, u in pairs]
        texts = write_profiles("extractive", prompts)
    cases = [case_of(dataset, user, text, config) for (dataset, user), text in zip(pairs, texts, strict=True)]
    whole = [case for case in cases if case.answer and case.profile.strip()]
    if len(whole) < len(cases):
        left_out[f"{split}_users_without_words"] += len(cases) - len(whole)
    return whole


def _others(cases: Sequence[Case], left_out: Counter[str]) -> list[tuple[Case, str]]:
    """Each case with the profile of the next user of its data set whose profile is another."""
    out = []
    for at, case in enumerate(cases):
        ring = [*cases[at + 1 :], *cases[:at]]
        found = next((o.profile for o in ring if o.dataset == case.dataset and o.profile != case.profile), None)
        if found is None:
            left_out["users_alone_in_their_data_set"] += 1
        else:
            out.append((case, found))
    return out


def _measured(model: CausalModel, cases: Sequence[tuple[Case, str]], config: SftConfig) -> dict[str, Any]:
    """The loss of an answer's token under the three conditions, and what the right profile gains, paired by user."""
    losses: dict[str, list[float]] = {}
    means: dict[str, float | None] = {}
    for kind in (RIGHT, OTHER, NONE):
        rows = [case.row(model, {RIGHT: case.profile, OTHER: other, NONE: None}[kind]) for case, other in cases]
        found = measure(model, rows, config)
        means[kind] = per_token(found, rows)
        losses[kind] = [loss / len(row.answer) for loss, row in zip(found, rows, strict=True)]
    over = {kind: gain((losses[kind], losses[RIGHT]), rounds=config.rounds) for kind in (OTHER, NONE)}
    return {"loss": means, "gain_over": over}


def _told(found: Mapping[str, Any]) -> str:
    losses = ", ".join(f"{kind} {value:.4f}" for kind, value in found["loss"].items())
    gains = ", ".join(f"over {kind} {row['gain']} {row['ci95']}" for kind, row in found["gain_over"].items())
    return f"loss with {losses}; gain {gains}"
