"""The stage warmup, with real processes and a tiny model: it learns, survives a kill, and says what is wrong."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import orjson
import pytest
import torch

from bump_edge.errors import EmptyHistoryError, InputError, ModelNotFoundError, UsageError
from tests.training.killing import finished, killed, sealed
from tests.training.planted import write_log
from tests.training.tiny import write_model
from training.models import load
from training.prepare import PrepareConfig
from training.prepare import run as prepare
from training.supervised import loss_of, losses_of
from training.teaching import Lesson, Teacher
from training.warmup import Rows, WarmupConfig, row_of, run

STEPS = 24


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model and prepared users."""
    torch.set_num_threads(1)
    base = tmp_path_factory.mktemp("warmup")
    log = write_log(base / "made.jsonl", range(40), length=10)
    prepare(PrepareConfig(data=(log,), out=base / "users"))
    return write_model(base / "model"), base / "users"


def arguments(folders: tuple[Path, Path], out: Path, **settings: object) -> list[str]:
    model, data = folders
    given = {
        "model": model, "data": data, "out": out, "steps": STEPS, "batch": 2, "learning_rate": 0.003,
        "save_every": 4, "log_every": 2, "validation_users": 4, "bfloat16": "false", "max_visible": 6,
        "workers": 1,
    }  # fmt: skip
    flags = [[f"--{key.replace('_', '-')}", str(value)] for key, value in {**given, **settings}.items()]
    return [sys.executable, "-m", "training", "warmup", *(part for flag in flags for part in flag)]


def losses(out: Path) -> dict[int, float]:
    rows = [orjson.loads(line) for line in (out / "log.jsonl").read_bytes().splitlines()]
    assert len(rows) == len({(row["step"], "loss" in row) for row in rows})  # no step twice
    return {row["step"]: float(row["loss"]) for row in rows if "loss" in row}


def test_a_killed_run_goes_on_to_where_an_unbroken_one_ends(folders: tuple[Path, Path], tmp_path: Path) -> None:
    unbroken = finished([*sealed(), *arguments(folders, tmp_path / "a")])
    assert unbroken["validation_loss"]["after"] < unbroken["validation_loss"]["before"]
    command = arguments(folders, tmp_path / "b")
    killed(command, tmp_path / "b", 8)
    resumed = finished(command)
    assert losses(tmp_path / "b") == pytest.approx(losses(tmp_path / "a"), abs=1e-4)
    assert resumed["validation_loss"] == pytest.approx(unbroken["validation_loss"], abs=1e-5)
    for key in ("by_mode", "tokens", "redrawn", "target_words", "examples"):
        assert resumed[key] == unbroken[key]
    a, b = (load(tmp_path / name / "model").model.state_dict() for name in "ab")
    assert all(torch.allclose(a[key], b[key], atol=1e-5) for key in a)
    # a finished run is not run again
    began = time.monotonic()
    config = WarmupConfig(
        model=folders[0], data=folders[1], out=tmp_path / "a", steps=STEPS, batch=2, learning_rate=0.003, save_every=4,
        log_every=2, validation_users=4, bfloat16=False, max_visible=6,
    )  # fmt: skip
    assert run(config) == {key: value for key, value in unbroken.items() if key != "stage"}
    assert time.monotonic() - began < 2


def test_the_loss_is_that_of_reading_each_example_alone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    from training.prepare import read_shards

    model = load(folders[0])
    teacher = Teacher(list(read_shards(folders[1], "train")), Lesson(max_visible=8), lambda text: len(text.split()))
    rows = [*Rows(teacher, model, 4), *Rows(teacher, model, 9, wordings=3)]
    assert len({len(row.read) for row in rows}) > 2
    assert len({row.prompt for row in rows}) == 4  # of three of them several targets, which share its reading
    assert len({row.answer for row in rows}) > 6
    expected = []
    for row in rows:
        whole = torch.tensor([[*row.prompt, *row.answer]])
        labels = torch.tensor([[*([-100] * len(row.prompt)), *row.answer]])
        expected.append(float(model.model(input_ids=whole, labels=labels).loss) * len(row.answer))
    for padding in (0.0, 0.3, 1.0):
        config = WarmupConfig(model=folders[0], data=folders[1], out=tmp_path, bfloat16=False, padding=padding)
        total, learned = loss_of(model, rows, config)
        assert float(total) == pytest.approx(sum(expected), rel=1e-5)
        assert losses_of(model, rows, config).tolist() == pytest.approx(expected, rel=1e-4)
        assert learned == sum(len(row.answer) for row in rows)
    example = teacher.example(0)
    assert model.decode(row_of(example, model).answer) == example.target
    assert rows[0].answer[-1] == model.end_ids[0]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # transformers, of itself
def test_a_lora_is_trained_and_can_be_gone_on_from(folders: tuple[Path, Path], tmp_path: Path) -> None:
    small = {"data": folders[1], "steps": 2, "batch": 2, "save_every": 2, "log_every": 1, "validation_users": 2}
    summary = run(WarmupConfig(model=folders[0], out=tmp_path / "lora", lora_rank=2, learning_rate=0.01, **small))
    assert (tmp_path / "lora" / "model" / "adapter_config.json").is_file()
    merged = load(Path(summary["model"])).model.state_dict()
    base = load(folders[0]).model.state_dict()
    changed = {key for key in base if not torch.equal(base[key], merged[key])}
    assert any("q_proj" in key for key in changed)
    assert not any("embed" in key for key in changed)
    again = run(WarmupConfig(model=Path(summary["model"]), out=tmp_path / "full", **small))
    assert (Path(again["model"]) / "model.safetensors").is_file()
    with pytest.raises(UsageError, match="is a LoRA, and lora_rank asks for another"):
        run(WarmupConfig(model=Path(summary["model"]), out=tmp_path / "no", lora_rank=2, **small))


def test_what_cannot_be_trained_is_said(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = folders
    with pytest.raises(UsageError, match="expected a multiple of log_every"):
        WarmupConfig(model=model, data=data, out=tmp_path, save_every=5, log_every=2)
    with pytest.raises(UsageError, match="max_visible is 3: expected 4 to"):
        WarmupConfig(model=model, data=data, out=tmp_path, max_visible=3)
    with pytest.raises(UsageError, match="expected one for each of datasets"):
        WarmupConfig(model=model, data=data, out=tmp_path, weights=(1.0,))
    with pytest.raises(InputError, match="give the out of the stage prepare"):
        run(WarmupConfig(model=model, data=tmp_path, out=tmp_path / "a"))
    with pytest.raises(ModelNotFoundError, match="is no folder"):
        run(WarmupConfig(model=tmp_path / "none", data=data, out=tmp_path / "b"))
    with pytest.raises(UsageError, match="datasets names 'films': expected some of made"):
        run(WarmupConfig(model=model, data=data, out=tmp_path / "c", datasets=("films",)))
    short = tmp_path / "short"
    prepare(PrepareConfig(data=(write_log(tmp_path / "two.jsonl", range(20), length=2),), out=short, min_visible=1))
    with pytest.raises(EmptyHistoryError, match="users has 4 visible interactions"):
        run(WarmupConfig(model=model, data=short, out=tmp_path / "d"))
    assert not (tmp_path / "d").exists()
    held = tmp_path / "held"
    log = write_log(tmp_path / "kept.jsonl", range(40), length=8)
    prepare(PrepareConfig(data=(log,), out=held, evaluation_only=("kept",)))
    with pytest.raises(EmptyHistoryError, match="has no training users"):
        run(WarmupConfig(model=model, data=held, out=tmp_path / "e"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="in several processes: expected one"):
        run(WarmupConfig(model=model, data=data, out=tmp_path / "f"))
