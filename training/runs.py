"""A training run on disk: its settings, complete checkpoints, a log, and the result; killed at any time, it goes on.

    OUT/run.json           the stage and its settings: another command into the same folder is refused
    OUT/checkpoint-N/      of transformers; with complete.json, written last, or else thrown away at the next start
    OUT/log.jsonl          one line a logged step
    OUT/tensorboard/       the same for TensorBoard
    OUT/model/             the trained model, renamed into place when it is whole
    OUT/summary.json       what the stage printed: a finished run is not run again

Everything that a step draws depends on the seed and the step alone, and transformers keeps optimiser, schedule and
generators in a checkpoint, so that a resumed run ends where an unbroken one does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import orjson

from bump_edge.errors import UsageError
from training.models import missing
from training.progress import say

FORMAT = "bump-edge-run/1"
COMPLETE = "complete.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder; see `open_run`."""

    out: Path
    stage: str

    @property
    def summary(self) -> dict[str, Any] | None:
        """What a finished run said; None while it is not."""
        path = self.out / "summary.json"
        found: dict[str, Any] | None = orjson.loads(path.read_bytes()) if path.is_file() else None
        return found

    @property
    def model(self) -> Path:
        """Where the trained model is, once the run is finished."""
        return self.out / "model"

    def checkpoint(self) -> Path | None:
        """The last complete checkpoint; what a kill has left half-written is removed."""
        found = sorted(self.out.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
        for path in found:
            if not _is_whole(path):
                say(f"{path.name} is incomplete: removed")
                shutil.rmtree(path)
        whole = [path for path in found if path.is_dir()]
        return whole[-1] if whole else None

    def start(self) -> str | None:
        """Where to resume from, for ``Trainer.train``; the log is cut back to that step."""
        last = self.checkpoint()
        step = int(last.name.rpartition("-")[2]) if last is not None else 0
        if last is not None:
            say(f"{self.stage}: going on from step {step}")
        log = self.out / "log.jsonl"
        if log.is_file():
            lines = [line for line in log.read_bytes().split(b"\n") if _step_of(line, step + 1) <= step]
            replace_file(log, b"".join(line + b"\n" for line in lines))
        return str(last) if last is not None else None

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row, which has its `step`, to the log."""
        with (self.out / "log.jsonl").open("ab") as file:
            file.write(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")

    def rows(self) -> list[dict[str, Any]]:
        """The log so far."""
        path = self.out / "log.jsonl"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []

    def save_model(self, save: Callable[[Path], None]) -> None:
        """Write the trained model; it appears when it is whole, in place of an earlier one."""
        with tempfile.TemporaryDirectory(dir=self.out, prefix=".model-") as work:
            new = Path(work) / "model"
            new.mkdir()
            save(new)
            if self.model.exists():
                shutil.rmtree(self.model)
            new.rename(self.model)

    def finish(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the summary, which ends the run; returns it with the paths in it."""
        whole = {"out": str(self.out), "model": str(self.model), **summary}
        replace_file(self.out / "summary.json", orjson.dumps(whole, option=orjson.OPT_INDENT_2) + b"\n")
        return whole


def open_run(out: Path, stage: str, settings: Mapping[str, Any]) -> Run:
    """The run in `out`, new or to be gone on with.

    Args:
        out: its folder; made if there is none.
        stage: which stage.
        settings: all that decides what it computes, JSON-ready; not `out` itself.

    Raises:
        UsageError: the folder holds something else, or a run with other settings.
    """
    path = out / "run.json"
    wanted = {"format": FORMAT, "stage": stage, "settings": orjson.loads(orjson.dumps(dict(settings)))}
    known = orjson.loads(path.read_bytes()) if path.is_file() else None
    if known == wanted:
        return Run(out, stage)
    # a run that ended before it wrote anything, of a wrong path say, holds nothing to go on with
    if out.exists() and any(found != path for found in out.iterdir()):
        _refuse(out, known, wanted)
    out.mkdir(parents=True, exist_ok=True)
    replace_file(path, orjson.dumps(wanted, option=orjson.OPT_INDENT_2) + b"\n")
    return Run(out, stage)


def _refuse(out: Path, known: Any, wanted: Mapping[str, Any]) -> NoReturn:
    if known is None:
        raise UsageError(f"{out} exists and is no run: give another out, or remove it")
    if known.get("format") != FORMAT or known.get("stage") != wanted["stage"]:
        raise UsageError(f"{out} holds a run of {known.get('stage')!r}: give another out for {wanted['stage']}")
    before, now = known["settings"], wanted["settings"]
    different = sorted(k for k in {*now, *before} if now.get(k) != before.get(k))
    key = different[0]
    raise UsageError(
        f"{out} holds a run with {key} = {before.get(key)!r}, not {now.get(key)!r}: give another out, or the settings "
        "that it began with",
        details={"keys": different},
    )


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old bytes or the new ones."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def arguments(
    run: Run, *, steps: int, learning_rate: float, warmup: float, save_every: int, log_every: int, seed: int,
    bfloat16: bool, workers: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """What every stage says to transformers' `TrainingArguments`, or a class derived from it.

    Args:
        run: its folder takes the checkpoints; the last two are kept.
        steps: of the optimiser. warmup: share of them in which the learning rate rises; it then falls on a cosine.
        learning_rate: at its top.
        save_every, log_every: in steps.
        seed: of everything.
        bfloat16: products in it, over weights in float32.
        workers: processes that make the examples ahead of the model; 0 makes them in between.
    """
    import torch

    # where transformers 5 looks for it
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(run.out / "tensorboard")
    return {
        "output_dir": str(run.out), "max_steps": steps, "learning_rate": learning_rate,
        "warmup_steps": round(warmup * steps), "lr_scheduler_type": "cosine",
        "save_steps": save_every, "save_total_limit": 2, "logging_steps": log_every, "seed": seed, "data_seed": seed,
        "bf16": bfloat16, "use_cpu": not torch.cuda.is_available(), "report_to": ["tensorboard"],
        "disable_tqdm": True, "dataloader_num_workers": workers, "dataloader_pin_memory": False,
        "remove_unused_columns": False, "max_grad_norm": 1.0, "weight_decay": 0.0, "push_to_hub": False,
    }  # fmt: skip


def keeper(run: Run) -> Any:
    """The callback of a `Trainer` that marks complete checkpoints, and writes the log."""
    try:
        from accelerate import PartialState
        from transformers import TrainerCallback
    except ImportError as error:
        raise missing(error) from None

    class Keeper(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:  # type: ignore[override]
            # every process writes a part of it: it is whole when the last one has
            processes = PartialState()
            processes.wait_for_everyone()
            if not processes.is_main_process:
                return
            folder = run.out / f"checkpoint-{state.global_step}"
            sizes = {p.name: p.stat().st_size for p in sorted(folder.iterdir()) if p.is_file()}
            replace_file(folder / COMPLETE, orjson.dumps(sizes))

        def on_log(  # type: ignore[override]
            self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any
        ) -> None:
            if state.is_world_process_zero and logs:
                run.log({"step": state.global_step, **logs})
                shown = {k: logs[k] for k in ("loss", "accuracy", "reward", "learning_rate") if k in logs}
                if shown:
                    said = ", ".join(f"{key} {float(value):.4g}" for key, value in shown.items())
                    say(f"{run.stage}: step {state.global_step}/{state.max_steps}, {said}")

    return Keeper()


def _is_whole(checkpoint: Path) -> bool:
    try:
        sizes = orjson.loads((checkpoint / COMPLETE).read_bytes())
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, orjson.JSONDecodeError):
        return False


def _step_of(line: bytes, otherwise: int) -> int:
    try:
        return int(orjson.loads(line)["step"])
    except (orjson.JSONDecodeError, KeyError):
        return otherwise
