"""Supervised training of a causal language model on prompts and their answers: what several stages share.

The loss is on the answers' tokens, and logits are computed there alone; of a step's rows those of similar length run
together, and a prompt that several of them share is read once. A row is made when it is asked for, from its number
alone, so that a run that was killed goes on to where an unbroken one ends. One process.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from bump_edge.errors import UsageError
from training.config import check_ranges
from training.models import CausalModel, load, missing, weights_of, with_lora
from training.packing import Tree, pick, read
from training.prefixes import core, head
from training.runs import Run, arguments, keeper, replace_file

TALLY = "tally.json"


class Settings(Protocol):
    """What the settings of such a stage have in common; a step is of the optimiser.

    `batch` rows a step; `learning_rate` at its top, and `warmup` the share of the steps in which it rises; `lora_rank`
    of a LoRA on all linear layers, 0 for all weights; `bfloat16` for products in it, over weights in float32; `padding`
    tokens that rows of one forward pass may differ by, as a share of the longest; `save_every` and `log_every` in
    steps; `workers`, processes that make rows ahead of the model.
    """

    @property
    def steps(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def lora_rank(self) -> int: ...
    @property
    def bfloat16(self) -> bool: ...
    @property
    def padding(self) -> float: ...
    @property
    def save_every(self) -> int: ...
    @property
    def log_every(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def workers(self) -> int: ...


def check_settings(config: Settings) -> None:
    """Raise `UsageError` for what makes no sense in `config`."""
    check_ranges(
        config, steps=(1, 10**7), batch=(1, 4096), learning_rate=(0, 1), warmup=(0, 1), lora_rank=(0, 1024),
        padding=(0, 1), save_every=(1, 10**7), log_every=(1, 10**7), seed=(0, 2**31 - 1),
        workers=(0, 256),
    )  # fmt: skip
    if config.save_every % config.log_every:
        raise UsageError(
            f"save_every is {config.save_every}: expected a multiple of log_every ({config.log_every}), so that a "
            "resumed run logs what an unbroken one does"
        )


def check_single(stage: str) -> None:
    """Raise `UsageError` where the stage was started in several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            f"{stage} was started in several processes: expected one; run it without accelerate launch (it is short), "
            "or raise batch"
        )


@dataclass(frozen=True, slots=True)
class Row:
    """An example as tokens.

    Args:
        prompt: what is asked; at least one token.
        answer: what to answer, with its end token.
        counts: what a tally of the rows that were trained on adds up.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def read(self) -> tuple[int, ...]:
        """What the model reads: the answer's last token predicts nothing."""
        return (*self.prompt, *self.answer[:-1])


class Rows(Protocol):
    """Rows by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Row: ...


def open_trainable(folder: Path, *, lora_rank: int, seed: int) -> CausalModel:
    """The model in `folder`, a LoRA merged into its base, ready to be trained: all weights, or a new LoRA.

    Raises:
        UsageError: a LoRA on top of a LoRA is asked for.
        ModelError: nothing can be loaded.
    """
    if lora_rank and (weights_of(folder) / "adapter_config.json").is_file():
        raise UsageError(
            f"{folder} is a LoRA, and lora_rank asks for another on top: give its base, or lora_rank 0, which "
            "merges it and trains all weights"
        )
    model = load(folder)
    model.model.requires_grad_(not lora_rank).train()
    if not lora_rank:
        return model
    import torch

    torch.manual_seed(seed)
    return with_lora(model, lora_rank)


def losses_of(model: CausalModel, rows: Sequence[Row], config: Settings) -> Any:
    """The summed loss over each row's answer, (rows,), with gradients."""
    import torch

    alike: dict[tuple[int, ...], list[int]] = {}
    for number, row in enumerate(rows):
        alike.setdefault(row.prompt, []).append(number)
    alone = [numbers[0] for numbers in alike.values() if len(numbers) == 1]
    found: dict[int, Any] = {}
    with torch.autocast(model.device.type, dtype=torch.bfloat16) if config.bfloat16 else nullcontext():
        for places in _alike([len(rows[number].read) for number in alone], config.padding):
            numbers = [alone[place] for place in places]
            found |= zip(numbers, _whole(model, [rows[number] for number in numbers]), strict=True)
        together = [numbers for numbers in alike.values() if len(numbers) > 1]
        trees = [Tree.of([rows[number].read for number in numbers]) for numbers in together]
        for places in _alike([tree.size for tree in trees], config.padding):
            numbers = [number for place in places for number in together[place]]
            losses = _packed(model, [trees[place] for place in places], [rows[number] for number in numbers])
            found |= zip(numbers, losses, strict=True)
    return torch.stack([found[number] for number in range(len(rows))])


def _whole(model: CausalModel, group: Sequence[Row]) -> list[Any]:
    """The losses of rows, the longest first, one sequence each."""
    import torch

    ids = torch.zeros(len(group), len(group[0].read), dtype=torch.long)
    at: list[tuple[int, int]] = []
    for n, row in enumerate(group):
        ids[n, : len(row.read)] = torch.tensor(row.read)
        at += [(n, len(row.prompt) - 1 + k) for k in range(len(row.answer))]
    # padding stands behind all that looks back, so causal attention needs no mask
    hidden = core(model.model)(input_ids=ids.to(model.device), use_cache=False).last_hidden_state
    return _losses(model, pick(hidden, at), group)


def _packed(model: CausalModel, trees: Sequence[Tree], rows: Sequence[Row]) -> list[Any]:
    """The losses of rows whose prompts are read once: the sequences of the trees, in their order."""
    paths = [(n, path) for n, tree in enumerate(trees) for path in tree.paths]
    at = [(n, node) for (n, path), row in zip(paths, rows, strict=True) for node in path[-len(row.answer) :]]
    return _losses(model, pick(read(model.model, trees), at), rows)


def _losses(model: CausalModel, hidden: Any, rows: Sequence[Row]) -> list[Any]:
    """From the states before each token of the rows' answers, (all tokens, width), the summed loss of each row."""
    import torch

    wanted = torch.tensor([token for row in rows for token in row.answer], device=hidden.device)
    each = torch.nn.functional.cross_entropy(head(model.model)(hidden).float(), wanted, reduction="none")
    return [part.sum() for part in torch.split(each, [len(row.answer) for row in rows])]


def loss_of(model: CausalModel, rows: Sequence[Row], config: Settings) -> tuple[Any, int]:
    """The summed loss over all rows' answers, with a gradient, and how many tokens were learned."""
    return losses_of(model, rows, config).sum(), sum(len(row.answer) for row in rows)


def measure(model: CausalModel, rows: Sequence[Row], config: Settings) -> list[float]:
    """The summed loss over each row's answer, in nats, without a gradient."""
    import torch

    out: list[float] = []
    training = model.model.training
    model.model.eval()
    with torch.no_grad():
        for at in range(0, len(rows), config.batch):
            out += losses_of(model, rows[at : at + config.batch], config).tolist()
    model.model.train(training)
    return out


def per_token(losses: Sequence[float], rows: Sequence[Row]) -> float | None:
    """The mean loss of a token over the rows' answers, from what `measure` found; None without rows."""
    return round(sum(losses) / sum(len(row.answer) for row in rows), 6) if rows else None


def fit(
    config: Settings, run: Run, opened: CausalModel, rows: Rows, resume: str | None, callbacks: Sequence[Any] = ()
) -> Counter[str]:
    """Train on the rows in their order, `batch` a step; returns the tally of what was trained on.

    Args:
        config: see `Settings`.
        run: where checkpoints and the log go.
        opened: of `open_trainable`; its weights are changed.
        rows: `steps` × `batch` of them.
        resume: the checkpoint to go on from, of `Run.start`.
        callbacks: of a `Trainer`, called before those of the run.

    Returns:
        The sums of the rows' `counts`, and the tokens ``read`` and ``trained``, over the whole run.
    """
    try:
        import torch
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
    except ImportError as error:
        raise missing(error) from None
    tally: Counter[str] = Counter()
    if resume is not None:
        tally.update(orjson.loads((Path(resume) / TALLY).read_bytes()))

    class Supervised(Trainer):  # type: ignore[misc,unused-ignore]
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
            batch: Sequence[Row] = inputs["rows"]
            loss, learned = loss_of(opened, batch, config)
            for row in batch:
                tally.update(row.counts)
                tally.update(read=len(row.read), trained=len(row.answer))
            return loss / learned

        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(rows)

        def floating_point_ops(self, _inputs: Any) -> int:
            return 0  # it would look for input_ids

    class Tallies(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            replace_file(run.out / f"checkpoint-{state.global_step}" / TALLY, orjson.dumps(tally))

    said = arguments(
        run, steps=config.steps, learning_rate=config.learning_rate, warmup=config.warmup,
        save_every=config.save_every, log_every=config.log_every, seed=config.seed, bfloat16=config.bfloat16,
        workers=config.workers,
    )  # fmt: skip
    set_seed(config.seed)
    trainer = Supervised(
        model=opened.model,
        args=TrainingArguments(**said, per_device_train_batch_size=config.batch),
        train_dataset=rows,
        data_collator=lambda batch: {"rows": batch},
        callbacks=[*callbacks, Tallies(), keeper(run)],  # in this order: the last one says that a checkpoint is whole
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=resume)
    return tally


def _alike(lengths: Sequence[int], padding: float) -> list[list[int]]:
    """Positions in `lengths` in groups of similar length, the longest first."""
    out: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number], reverse=True):
        if out and lengths[number] >= (1 - padding) * lengths[out[-1][0]]:
            out[-1].append(number)
        else:
            out.append([number])
    return out
