"""Stage ``judge``: trains the small language model that ranks profiles and interactions, from the same raw logs.

The loss is a softmax over the letters of a list's candidates, at the place where the answer begins (and, in a part of
the questions, after one to three wrong letters, among those that are left: so the same model also writes a whole
permutation). All queries of a lesson share one list, which is read once. A judge learns from training users, is
measured on users that it never saw before and after, and is then frozen.

    python -m training judge --config training/recipes/smollm2-cpu.toml

Departs from the paper, which takes an off-the-shelf model of 4 B parameters as it is: small models rank near chance
before they are trained (this stage prints it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import UsageError
from training import packing, prefixes, runs
from training.assessment import agreement, assess, table_lines
from training.config import as_json, check_ranges
from training.histories import folds_of
from training.judges import LETTERS, PROMPT, Judge, render
from training.language_judges import parts_of
from training.lessons import Lesson, Lessons, users_by_dataset
from training.models import CausalModel, load, missing, with_lora
from training.opening import open_judge
from training.progress import say

GENERATED = "listwise-generate"
"""The paper's kind of judge: it writes the whole permutation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig:
    """Settings of the stage.

    Args:
        model: a folder of transformers to begin with.
        data: the output folder of `prepare`.
        out: the run's folder.
        steps: of the optimiser; 0 only measures the model as it is.
        lessons: a step, of `candidates` users each; ≥ 1. at_once: of these in one forward pass; a divisor of it.
        candidates: in a list at most, 2 to 26.
        max_visible: interactions that a view is made of at most, ≥ 3.
        hinted: steps over which the easy lessons fade out, see `training.lessons.Lessons`.
        learning_rate: at its top. warmup: share of the steps in which it rises.
        lora_rank: of a LoRA on all linear layers; 0 trains all weights.
        bfloat16: products in it, over weights in float32.
        save_every, log_every: in steps.
        seed: of everything.
        workers: processes that make lessons ahead of the model; 0 makes them in between.
        test_users: of each data set, for the measurement before and after; ≥ 2.
        split: whose users these are.
        shuffles: presentations of each of their lists.
        compare: judges that are measured beside it, of `training.opening.JUDGES`; with the paper's among them,
            ``listwise-generate``, the agreement of each with it is told.
    """

    model: Path
    data: Path
    out: Path
    steps: int = 300
    lessons: int = 4
    at_once: int = 1
    candidates: int = 9
    max_visible: int = 40
    hinted: int = 40
    learning_rate: float = 1e-4
    warmup: float = 0.05
    lora_rank: int = 0
    bfloat16: bool = False
    save_every: int = 50
    log_every: int = 5
    seed: int = 0
    workers: int = 0
    test_users: int = 60
    split: str = "test"
    shuffles: int = 1
    compare: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(
            self, steps=(0, 10**7), lessons=(1, 10**4), candidates=(2, len(LETTERS)), max_visible=(3, 10**4),
            hinted=(0, 10**7), learning_rate=(0, 1), warmup=(0, 1), lora_rank=(0, 1024), save_every=(1, 10**7),
            log_every=(1, 10**7), test_users=(2, 10**6), shuffles=(1, 100), workers=(0, 256),
            at_once=(1, self.lessons),
        )  # fmt: skip
        if self.lessons % self.at_once:
            raise UsageError(f"at_once is {self.at_once}: expected a divisor of lessons, {self.lessons}")
        if self.save_every % self.log_every:
            raise UsageError(
                f"save_every is {self.save_every} and log_every {self.log_every}: expected a multiple of it, or a "
                "resumed run would log some steps twice"
            )
        folds_of(self.split)


def run(config: JudgeConfig) -> dict[str, Any]:
    """Train and measure; returns the summary. A run that was killed goes on; one that is finished says what it said.

    Raises:
        InputError, EmptyHistoryError: the data cannot be read, or has too few users.
        ModelError: the model cannot be opened.
        UsageError: a setting makes no sense, or `out` holds another run.
    """
    settings = {k: v for k, v in as_json(config).items() if k not in ("out", "workers")}
    settings["prompt"] = PROMPT
    folder = runs.open_run(config.out, "judge", settings)
    if folder.summary is not None:
        return folder.summary
    test = users_by_dataset(config.data, config.split, config.test_users)
    lessons = Lessons(
        users_by_dataset(config.data, "train"), candidates=config.candidates, max_visible=config.max_visible,
        hinted=config.hinted * config.lessons, seed=config.seed,
    )  # fmt: skip
    model = train(config, lessons, folder)
    summary = {
        "steps": config.steps,
        "lessons": config.steps * config.lessons,
        "loss": _means(folder.rows(), "loss"),
        "tokens": _total(folder.rows(), "tokens"),
    }
    folder.save_model(model.save)

    def measured(name: str, weights: Path, kind: str = "listwise-logits") -> dict[str, Any]:
        def opened() -> Judge:
            return open_judge(kind, model=weights, bfloat16=config.bfloat16)

        return _measured(config, opened, test, folder.out / f"{name}.json")

    before, after = measured("before", config.model), measured("after", folder.model)
    others = {name: measured(f"other-{name}", folder.model, name) for name in config.compare}
    if generated := others.get(GENERATED):
        for found in (after, *others.values()):
            found["agreement"] = agreement(found["rankings"], generated["rankings"])
    for line in table_lines({"before": before, "after": after, **others}):
        say(line)
    return folder.finish({**summary, "before": before, "after": after, "others": others})


def train(config: JudgeConfig, lessons: Lessons, folder: runs.Run) -> CausalModel:
    """The trained model; a run's checkpoints are in `folder`."""
    try:
        import torch
        from transformers import PrinterCallback, Trainer, TrainingArguments
    except ImportError as error:
        raise missing(error) from None
    resume = folder.start()
    model = load(config.model, trainable=True)
    if config.lora_rank:
        model = with_lora(model, config.lora_rank)
    letters = [model.token_of(f" {letter}") for letter in LETTERS]

    class Stream(torch.utils.data.Dataset[Questions]):
        def __len__(self) -> int:
            return config.steps * config.lessons

        def __getitem__(self, number: int) -> Questions:
            return Questions.of(lessons[number], model, letters)

    stream = Stream()

    class JudgeTrainer(Trainer):  # type: ignore[misc,unused-ignore]
        tokens = 0
        right: list[float] = []  # noqa: RUF012  (one trainer a run)

        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(stream)  # the order is the lessons'

        def compute_loss(self, _model: Any, inputs: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
            # the trainer's own would cover the model's forward pass, which is not what is called here
            with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=config.bfloat16):
                loss, read, right = loss_of(model, letters, inputs["lessons"])
            self.tokens += read
            self.right.append(right)
            return loss  # the trainer takes the mean of a step's parts

        def log(self, logs: dict[str, float], *rest: Any) -> None:
            if "loss" in logs:
                logs = {**logs, "tokens": self.tokens, "accuracy": sum(self.right) / len(self.right)}
                self.tokens, self.right = 0, []
            super().log(logs, *rest)

    arguments = runs.arguments(
        folder, steps=config.steps, learning_rate=config.learning_rate, warmup=config.warmup,
        save_every=config.save_every, log_every=config.log_every, seed=config.seed, bfloat16=config.bfloat16,
        workers=config.workers,
    )  # fmt: skip
    trainer = JudgeTrainer(
        model=model.model,
        args=TrainingArguments(
            per_device_train_batch_size=config.at_once,
            gradient_accumulation_steps=config.lessons // config.at_once,
            **arguments,
        ),
        train_dataset=stream,
        data_collator=lambda batch: {"lessons": batch},
        callbacks=[runs.keeper(folder)],
    )
    trainer.remove_callback(PrinterCallback)  # stdout is for the summary
    if trainer.accelerator.num_processes > 1:
        raise UsageError(
            f"the stage judge got {trainer.accelerator.num_processes} processes: expected one; run it without "
            "accelerate launch (a judge is small; grpo is the stage that spreads)"
        )
    if config.steps:
        trainer.train(resume_from_checkpoint=resume)
    return model


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """A lesson as tokens: its questions as one tree, and what is asked where.

    Args:
        tree: of all questions, with the wrong letters that some go on with.
        nodes: of the tree, behind each of which a letter is asked for.
        closed: for each node the candidates that are ruled out there; its length is the candidates of the list.
        targets: for each node the place of the right candidate.
        weights: of each node; each of the lesson's queries counts alike, and all of them 1.
    """

    tree: packing.Tree
    nodes: tuple[int, ...]
    closed: tuple[tuple[bool, ...], ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, lesson: Lesson, model: CausalModel, letters: Sequence[int]) -> Questions:
        """A lesson in the tokens of a model, whose weights are not used, and its tokens of the letters."""
        asked = [parts_of(model, render(one)) for one in lesson.lists]
        tree = packing.Tree.of(
            [
                [*(token for part in parts for token in part), *(letters[place] for place in wrong)]
                for parts, wrong in zip(asked, lesson.wrong, strict=True)
            ]
        )
        nodes, closed, targets, weights = [], [], [], []
        for path, target, wrong in zip(tree.paths, lesson.targets, lesson.wrong, strict=True):
            for written in range(len(wrong) + 1):
                nodes.append(path[written - len(wrong) - 1])
                closed.append(tuple(place in wrong[:written] for place in range(len(asked))))
                targets.append(target)
                weights.append(1 / (len(asked) * (len(wrong) + 1)))
        return cls(tree=tree, nodes=tuple(nodes), closed=tuple(closed), targets=tuple(targets), weights=tuple(weights))


def loss_of(model: CausalModel, letters: Sequence[int], asked: Sequence[Questions]) -> tuple[Any, int, float]:
    """The mean loss of lessons, a scalar with a gradient; the tokens read; the share of right first answers."""
    import torch

    most = max(len(row) for one in asked for row in one.closed)
    closed = torch.tensor([[*row, *[True] * (most - len(row))] for one in asked for row in one.closed])
    hidden = packing.pick(
        packing.read(model.model, [one.tree for one in asked]),
        [(row, node) for row, one in enumerate(asked) for node in one.nodes],
    )
    weight = prefixes.head(model.model).weight[list(letters[:most])]
    scores = hidden.float() @ weight.float().T  # (questions, candidates)
    scores = scores.masked_fill(closed.to(scores.device), float("-inf"))
    wanted = torch.tensor([target for one in asked for target in one.targets], device=scores.device)
    weights = torch.tensor([weight for one in asked for weight in one.weights], device=scores.device)
    losses = torch.nn.functional.cross_entropy(scores, wanted, reduction="none")
    first = [number for number, row in enumerate(row for one in asked for row in one.closed) if not any(row)]
    right = float((scores[first].argmax(-1) == wanted[first]).float().mean())
    return (losses * weights).sum() / len(asked), sum(one.tree.size for one in asked), right


def _measured(config: JudgeConfig, open_one: Callable[[], Judge], test: Any, path: Path) -> dict[str, Any]:
    """What `assess` says of a judge; kept in `path`, so that a resumed run does not measure again."""
    if path.is_file():
        known: dict[str, Any] = orjson.loads(path.read_bytes())
        return known
    found = assess(open_one(), test, candidates=config.candidates, shuffles=config.shuffles, seed=config.seed)
    runs.replace_file(path, orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return found


def _means(rows: Sequence[dict[str, Any]], key: str) -> dict[str, float]:
    values = [row[key] for row in rows if key in row]
    fifth = max(len(values) // 5, 1)
    if not values:
        return {}
    return {"first": round(sum(values[:fifth]) / fifth, 4), "last": round(sum(values[-fifth:]) / fifth, 4)}


def _total(rows: Sequence[dict[str, Any]], key: str) -> int:
    return sum(int(row[key]) for row in rows if key in row)
