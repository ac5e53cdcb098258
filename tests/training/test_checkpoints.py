"""Evaluating what training wrote, a checkpoint, a LoRA or the run of a judge, and what a kill leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from bump_edge.errors import ModelCorruptError, UsageError
from export.source import look_at
from tests.training.killing import ENVIRONMENT, ROOT, killed_at_rename
from tests.training.planted import COMMON, write_log
from tests.training.tiny import write_model
from training.evaluate import EvaluateConfig
from training.evaluate import run as evaluate
from training.histories import prompt_of
from training.judge import JudgeConfig
from training.judge import run as train_judge
from training.models import is_checkpoint, load, with_lora
from training.prepare import PrepareConfig, read_shards
from training.prepare import run as prepare
from training.profiles import read_profiles

# transformers warns of itself
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `made.jsonl`, its `users`, a tiny `model` and a `lora` on it that changes what it writes."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints")
    prepare(PrepareConfig(data=(write_log(folder / "made.jsonl", range(40)),), out=folder / "users"))
    write_model(folder / "model", texts=COMMON)
    lora = with_lora(load(folder / "model", trainable=True), 4)
    torch.manual_seed(0)
    for name, weight in lora.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    lora.save(folder / "lora")
    return folder


def settings(base: Path, **more: Any) -> EvaluateConfig:
    given = {"data": base / "users", "split": "train", "users": 6, "judges": ("bm25",), "visible": 4, "max_tokens": 8}
    return EvaluateConfig(**{**given, "rounds": 50, "baselines": ("raw",), **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["model", "lora"])
def test_a_checkpoint_writes_what_transformers_makes_of_the_devices_prompt(
    base: Path, tmp_path: Path, name: str
) -> None:
    found = evaluate(settings(base, model=str(base / name), out=tmp_path))
    assert found["users"] == 6
    users = {user.user_id: user for _, user in read_shards(base / "users", "train")}
    model = load(base / name)
    for user_id, text in read_profiles(tmp_path / "profiles.jsonl").items():
        ids, _ = model.encode_prompt(prompt_of(users[user_id].visible, visible=4))
        inputs = torch.tensor([ids])
        answer = model.model.generate(
            inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=8, do_sample=False,
            eos_token_id=list(model.end_ids), pad_token_id=0,
        )  # fmt: skip
        assert text == model.decode(answer[0, len(ids) :].tolist()).strip()


def test_a_lora_and_bfloat16_are_other_weights(base: Path) -> None:
    a, b = (load(base / name).model.state_dict() for name in ("model", "lora"))
    assert not torch.equal(a["model.layers.0.self_attn.q_proj.weight"], b["model.layers.0.self_attn.q_proj.weight"])
    half = load(base / "lora", dtype="bfloat16").model.state_dict()
    for key, weight in b.items():  # merged before it is rounded
        assert torch.equal(half[key], weight.to(torch.bfloat16)), key
    assert evaluate(settings(base, model=str(base / "lora"), bfloat16=True))["users"] == 6
    assert not is_checkpoint(base / "users")


def test_a_lora_whose_base_was_trained_again_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "model", texts=COMMON)
    with_lora(load(tmp_path / "model", trainable=True), 2).save(tmp_path / "lora")
    assert load(tmp_path / "lora").model is not None
    assert look_at(tmp_path / "lora").base == tmp_path / "model"
    write_model(tmp_path / "model", texts=COMMON, seed=7)
    with pytest.raises(ModelCorruptError, match="no longer there"):
        load(tmp_path / "lora")
    with pytest.raises(UsageError, match="not those that the LoRA was trained on"):
        look_at(tmp_path / "lora")


def test_the_run_of_the_stage_judge_is_a_judge_beside_others(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base)  # a LoRA's base holds from any folder, however it was named
    trained = train_judge(
        JudgeConfig(
            model=Path("model"), data=Path("users"), out=tmp_path / "judge", steps=2, lessons=1, candidates=3,
            save_every=2, log_every=1, test_users=2, split="train", lora_rank=2,
        )
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert (Path(trained["model"]) / "adapter_config.json").is_file()
    judges = ("bm25", "listwise-logits", "pointwise")
    by_run = evaluate(settings(base, model="extractive", judges=judges, judge_model=tmp_path / "judge"))
    by_model = evaluate(settings(base, model="extractive", judges=judges, judge_model=Path(trained["model"])))
    assert by_run["kinds"] == by_model["kinds"]
    assert all(judge in by_run["kinds"]["given"] for judge in judges)
    assert 0 < by_run["kinds"]["given"]["listwise-logits"]["ndcg"] < 2


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()} if folder.exists() else {}


def kill_when(command: list[str], happened: Callable[[Path], bool], errors: Path) -> bool:
    """Start `command`, kill it as soon as `happened`; whether it was still running."""
    with errors.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while process.poll() is None and not happened(errors):
            assert time.monotonic() < deadline, errors.read_text()
            time.sleep(0.001)
        running = process.poll() is None
        if running:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return running


def test_a_killed_evaluation_leaves_nothing_half_written_and_ends_the_same(base: Path, tmp_path: Path) -> None:
    flags = {
        "data": base / "users", "model": base / "model", "split": "train", "judges": "bm25", "visible": 4,
        "max-tokens": 8, "rounds": 50, "users": 12,
    }  # fmt: skip
    given = [part for key, value in flags.items() for part in (f"--{key}", str(value))]
    evaluate(
        EvaluateConfig(
            data=base / "users", model=str(base / "model"), split="train", judges=("bm25",), visible=4, max_tokens=8,
            rounds=50, users=12, out=tmp_path / "whole",
        )
    )  # fmt: skip
    whole, out = files(tmp_path / "whole"), tmp_path / "out"
    stage = ["evaluate", *given, "--out", str(out)]
    command = [sys.executable, "-m", "training", *stage]
    assert kill_when(command, lambda errors: b"writes 12 profiles" in errors.read_bytes(), tmp_path / "errors")
    assert not any(name in whole for name in files(out))
    for number in range(1, len(whole) + 2):  # before each file of the folder is there
        killed = killed_at_rename("training", stage, out, number)
        shown = {name: data for name, data in files(out).items() if not name.startswith(".")}
        assert len(shown) == (number - 1 if killed else len(whole))
        assert all(whole[name] == data for name, data in shown.items())
        assert ("evaluation.json" in shown) is not killed
    assert number == len(whole) + 1
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert files(out) == whole
    assert orjson.loads(whole["evaluation.json"])["users"] == 12


def test_a_killed_prepare_leaves_no_output_and_ends_the_same(tmp_path: Path) -> None:
    log = write_log(tmp_path / "made.jsonl", range(1500))
    out = tmp_path / "there" / "users"
    command = [sys.executable, "-m", "training", "prepare", "--data", str(log), "--out", str(out)]
    assert kill_when(command, lambda _: any(out.parent.rglob("train-*.jsonl")) or any(out.parent.rglob("buckets")),
                     tmp_path / "errors")  # fmt: skip
    assert not out.exists()
    assert any(out.parent.iterdir())  # what it had begun, apart from the output
    prepare(PrepareConfig(data=(log,), out=out))
    assert [p.name for p in out.parent.iterdir()] == ["users"]
    prepare(PrepareConfig(data=(log,), out=tmp_path / "whole"))
    assert files(out) == files(tmp_path / "whole")
