"""Stage ``warmup``: the supervised start of the profiler, on profiles that need no model to write.

    python -m training warmup --config RECIPE --model FOLDER --data PREPARED --out RUN

A model that cannot write a profile gets no reward to climb: this stage teaches it form, copying and brevity, in both
modes (write, update). The targets come from `training.teaching`: what the `extractive` backend reads in the very
prompt, worded in many ways and held against the product's checks; the loss and the loop are `training.supervised`. (To
compute the fixed prefix, which all prompts of a mode share, once a step was measured on the CPU and gained nothing: a
step of few prompts pays more for the kept keys and values than for 105 tokens.)

Departs from the paper, which starts GRPO from an instruction-tuned model of 4 B parameters and has no such stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.errors import EmptyHistoryError, UsageError
from training.config import as_json, check_ranges
from training.histories import User
from training.models import CausalModel
from training.prepare import read_shards
from training.progress import say
from training.rounding import Rounding, check_block, rounds
from training.runs import open_run
from training.supervised import Row, check_settings, check_single, fit, measure, open_trainable, per_token
from training.teaching import MODES, Example, Lesson, Teacher


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmupConfig:
    """Settings of the stage.

    Args:
        model: the folder of the model to start from; a LoRA is merged into its base first.
        data: the out of the stage `prepare`; its training users are learned from, its validation users measured on.
        out: the run's folder; the same command goes on with a run that was killed.
        steps: of the optimiser.
        batch: examples a step.
        wordings: targets for each prompt, one example each; a prompt is read once for those in a step.
        learning_rate: at its top.
        warmup: share of the steps in which the learning rate rises; 0 to 1.
        lora_rank: of a LoRA on all linear layers; 0 trains all weights.
        int4_block: train on weights rounded as an export to int4 in blocks of so many rounds them, see
            `training.rounding`; 0 does not.
        bfloat16: products in it, over weights in float32.
        padding: tokens that examples of one forward pass may differ by, as a share of the longest; 0 to 1.
        update_share: of the examples that bring a profile up to date; 0 to 1.
        min_visible, max_visible: interactions in a prompt, both included.
        max_words: the length limit that prompts state.
        datasets: names to learn from; empty takes all.
        weights: of the data sets, in the order of `datasets`; empty weighs all alike.
        validation_users: of each data set, an example each; 0 measures nothing.
        save_every, log_every: in steps; the first a multiple of the second.
        seed: of the examples.
        workers: processes that make examples ahead of the model; 0 makes them in between.
    """

    model: Path
    data: Path
    out: Path
    steps: int = 200
    batch: int = 8
    wordings: int = 1
    learning_rate: float = 6e-5
    warmup: float = 0.1
    lora_rank: int = 0
    int4_block: int = 0
    bfloat16: bool = True
    padding: float = 0.5
    update_share: float = 0.25
    min_visible: int = 4
    max_visible: int = 24
    max_words: int = 80
    datasets: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    validation_users: int = 10
    save_every: int = 50
    log_every: int = 10
    seed: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            self, update_share=(0, 1), min_visible=(1, 1000), max_visible=(self.min_visible, 1000),
            max_words=(10, 400), validation_users=(0, 10**6), wordings=(1, 100),
        )  # fmt: skip
        check_settings(self)
        check_block(self.int4_block)
        if self.weights and len(self.weights) != len(self.datasets):
            raise UsageError(f"weights has {len(self.weights)} entries: expected one for each of datasets")
        if any(weight < 0 for weight in self.weights):
            raise UsageError(f"weights is {list(self.weights)}: expected numbers of 0 and more")


class Rows:
    """Examples as a data set of torch, made when they are asked for; a prompt's wordings follow one another."""

    def __init__(self, teacher: Teacher, model: CausalModel, length: int, wordings: int = 1) -> None:
        self._teacher, self._model, self._length, self._wordings = teacher, model, length, wordings

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> Row:
        return row_of(self._teacher.example(*divmod(number, self._wordings)), self._model)

    def __iter__(self) -> Iterator[Row]:
        return (self[number] for number in range(self._length))


def row_of(example: Example, model: CausalModel) -> Row:
    """An example as the model's tokens."""
    tokens, _ = model.encode_prompt(example.prompt)
    words = len(example.target.split())
    counts = {f"{example.mode} {example.dataset}": 1, "redrawn": example.redrawn, "words": words}
    return Row(tuple(tokens), tuple(model.answer(example.target)), counts)


def run(config: WarmupConfig) -> dict[str, Any]:
    """Train; returns the summary. A finished run returns its summary at once.

    Raises:
        UsageError: `out` holds something else, or several processes were started.
        InputError: `data` is no prepared folder.
        EmptyHistoryError: it has no users to learn from.
        ModelNotFoundError, ModelCorruptError: there is no model in `model`.
    """
    check_single("warmup")
    settings = as_json(config)
    del settings["out"], settings["workers"]  # neither changes what comes out
    if not config.int4_block:
        del settings["int4_block"]  # runs from before there was such a thing go on
    if (config.out / "run.json").is_file() and (done := open_run(config.out, "warmup", settings).summary) is not None:
        say(f"{config.out} is finished")
        return done
    found = _users(config, "train")
    model = open_trainable(config.model, lora_rank=config.lora_rank, seed=config.seed)
    lesson = Lesson(
        seed=config.seed, update_share=config.update_share, min_visible=config.min_visible,
        max_visible=config.max_visible, max_words=config.max_words,
        weights=dict(zip(config.datasets, config.weights, strict=False)),
    )  # fmt: skip

    def count_tokens(text: str) -> int:
        return len(model.plain(text))

    teacher = Teacher(found, lesson, count_tokens)
    run = open_run(config.out, "warmup", settings)  # once all that can be wrong at the start is known to be right
    say(f"warmup: learns from {', '.join(f'{n} users of {name}' for name, n in teacher.users.items())}")
    measured = _validation(config, lesson, model, count_tokens, known=set(teacher.users))
    resume = run.start()
    before = next((row for row in run.rows() if row["step"] == 0), None)
    if before is None:
        before = {"step": 0, "validation_loss": _loss(model, measured, config)}
        run.log(before)
    say(f"warmup: validation loss {before['validation_loss']} before")
    total = config.steps * config.batch
    callbacks = [rounds(model.model, config.int4_block)] if config.int4_block else []
    tally = fit(config, run, model, Rows(teacher, model, total, config.wordings), resume, callbacks)
    after = _loss(model, measured, config)
    say(f"warmup: validation loss {after} after")
    counts = {mode: {n: tally[f"{mode} {n}"] for n in teacher.users if tally[f"{mode} {n}"]} for mode in MODES}
    run.save_model(model.save)
    return run.finish(
        {
            "steps": config.steps,
            "examples": total,
            "by_mode": counts,
            "redrawn": round(tally["redrawn"] / (tally["redrawn"] + total), 4),
            "tokens": {"read": tally["read"], "trained": tally["trained"]},
            "target_words": round(tally["words"] / total, 1),
            "validation_examples": len(measured),
            "validation_loss": {"before": before["validation_loss"], "after": after},
        },
    )


def _loss(model: CausalModel, rows: Sequence[Row], config: WarmupConfig) -> float | None:
    """Nats a token of the answers, of the model that is exported (with `int4_block`, rounded); None without rows."""
    if not config.int4_block:
        return per_token(measure(model, rows, config), rows)
    rounding = Rounding(model.model, config.int4_block)
    rounding.round()
    try:
        return per_token(measure(model, rows, config), rows)
    finally:
        rounding.restore()


def _users(config: WarmupConfig, split: str) -> list[tuple[str, User]]:
    found = list(read_shards(config.data, split))
    names = sorted({dataset for dataset, _ in found})
    if unknown := sorted(set(config.datasets) - set(names)) if split == "train" else []:
        raise UsageError(f"datasets names {unknown[0]!r}: expected some of {', '.join(names) or 'none'}")
    users = [pair for pair in found if not config.datasets or pair[0] in config.datasets]
    if not users and split == "train":
        raise EmptyHistoryError(
            f"{config.data} has no training users: prepare more data, or a data set that is not evaluation_only"
        )
    return users


def _validation(
    config: WarmupConfig, lesson: Lesson, model: CausalModel, count_tokens: Any, *, known: set[str]
) -> list[Row]:
    """An example of each of the first `validation_users` of a data set that is learned from."""
    rows: list[Row] = []
    taken: Counter[str] = Counter()
    for dataset, user in _users(config, "validation"):
        enough = taken[dataset] == config.validation_users
        if enough or dataset not in known or len(user.visible) < lesson.min_visible:
            continue
        alone = Lesson(
            seed=lesson.seed, update_share=lesson.update_share, min_visible=lesson.min_visible,
            max_visible=lesson.max_visible, max_words=lesson.max_words,
        )  # fmt: skip
        try:
            example = Teacher([(dataset, user)], alone, count_tokens).example(taken[dataset])
        except EmptyHistoryError:
            continue  # a history that says nothing
        taken[dataset] += 1
        rows.append(row_of(example, model))
    return rows
