"""The command line and recipes, as real processes: summaries, exit codes, messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge.errors import UsageError
from tests.training.planted import write_log
from training.__main__ import SECTIONS, _schema, main
from training.config import apply_overrides, build, from_text, read_recipe
from training.prepare import PrepareConfig
from training.reward import RewardConfig

ROOT = Path(__file__).resolve().parents[2]


def training(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, summary (the last line of stdout) and stderr of a real run."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, orjson.loads(done.stdout.splitlines()[-1]), done.stderr


def test_prepare_then_evaluate_by_the_command_line(tmp_path: Path) -> None:
    log = write_log(tmp_path / "made.jsonl", range(60))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'[prepare]\ndata = ["{log}"]\nout = "nowhere"\n[evaluate]\nusers = 3\njudges = ["bm25"]\nrounds = 50\n'
    )
    code, summary, said = training("prepare", "--config", recipe, "--set", f"prepare.out={tmp_path / 'users'}")
    assert (code, summary["stage"]) == (0, "prepare"), said
    assert sum(summary["users"].values()) == 60
    assert "made" in said
    code, summary, said = training(
        "evaluate", "--config", recipe, "--data", tmp_path / "users", "--model", "extractive", "--users", 50,
        "--set", "evaluate.split=train", "--out", tmp_path / "out",
    )  # fmt: skip
    assert (code, summary["users"]) == (0, min(50, summary["users"])), said
    assert summary["kinds"]["given"]["bm25"]["ndcg"] > 1.5
    assert "chance" in said
    stored = orjson.loads((tmp_path / "out" / "evaluation.json").read_bytes())
    assert stored["kinds"] == summary["kinds"]
    # what was written can be evaluated again
    code, again, said = training(
        "evaluate", "--config", recipe, "--data", tmp_path / "users", "--profiles", tmp_path / "out/profiles.jsonl",
        "--users", 50, "--split", "train",
    )  # fmt: skip
    assert code == 0, said
    assert again["kinds"]["given"] == summary["kinds"]["given"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--data", "x.jsonl"], "either model or profiles"),
        (["evaluate", "--model", "extractive"], "needs the key 'data'"),
        (["evaluate", "--data", "x", "--model", "m", "--users", "many"], "users is 'many': expected int"),
        (["evaluate", "--data", "x", "--model", "m", "--users", "1"], "users is 1: expected 2 to"),
        (["evaluate", "--data", "x", "--model", "m", "--split", "dev"], "split is 'dev'"),
        (["evaluate", "--data", "x", "--model", "m", "--judges", "bm26"], "the judge is 'bm26'"),
        (["evaluate", "--data", "x", "--model", "m", "--judges", "pointwise"], "needs a model"),
        (["evaluate", "--data", "x", "--model", "m", "--set", "evaluate.user=5"], "no key 'user'"),
        (["evaluate", "--data", "x", "--model", "m", "--set", "users=5"], "expected section.key=value"),
        (["evaluate", "--data", "x", "--model", "m", "--set", "grpo2.x=5"], "section [grpo2]"),
        (["evaluate", "--data", "x", "--model", "m", "--set", "reward.k=5"], "[reward] has no key 'k'"),
        (["evaluate", "--data", "x", "--model", "m", "--set", "reward.negatives=true"], "reward.negatives is True"),
        (["dream"], "invalid choice: 'dream'"),
        ([], "required: stage"),
    ],
)
def test_what_makes_no_sense_exits_with_2_and_says_so(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    error = orjson.loads(out.splitlines()[-1])["error"]
    assert error["code"] == "usage"
    assert message in error["message"]
    assert message in err


def test_a_missing_file_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--data", str(tmp_path / "no"), "--model", "extractive", "--judges", "bm25"]) == 1
    assert "is no file" in capsys.readouterr().err
    assert main(["prepare", "--config", str(tmp_path / "no.toml")]) == 1
    assert "cannot read the recipe" in capsys.readouterr().err


def test_help_names_the_settings_of_a_stage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training", "evaluate", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "--judges" in done.stdout
    assert "--evaluation-only" not in done.stdout


def test_every_recipe_is_valid() -> None:
    schemas = {name: _schema(name) for name in SECTIONS}
    given: dict[str, dict[str, object]] = {
        "prepare": {"data": ["x"], "out": "x"}, "warmup": {"model": "x"}, "judge": {"model": "x"},
        "evaluate": {"data": "x", "model": "extractive"},
    }  # fmt: skip
    recipes = sorted((ROOT / "training" / "recipes").glob("*.toml"))
    assert recipes
    for recipe in recipes:
        sections = read_recipe(recipe)
        for section, values in sections.items():
            build(section, {**given.get(section, {}), **values}, schemas[section])
        if recipe.stem != "small":  # which only measures
            assert sections.keys() >= {"prepare", "warmup", "judge", "reward", "grpo", "evaluate"}
            outs = {name: values.get("out") for name, values in sections.items() if name != "reward"}
            assert len(set(outs.values())) == len(outs)
            # what one stage writes is what the next one takes
            assert {sections[s]["data"] for s in ("warmup", "judge", "grpo", "evaluate")} == {outs["prepare"]}
            assert sections["evaluate"]["model"] in (outs["grpo"], f"{outs['grpo']}/model")
            # the header says every command
            head = recipe.read_text(encoding="utf-8").split("\n\n[")[0]
            assert all(f"training {stage} $R" in head for stage in ("prepare", "judge", "grpo", "evaluate"))


def test_values_keep_their_types() -> None:
    sections = apply_overrides(
        {"prepare": {"held_out": 1}},
        ["prepare.held_out=2", "prepare.data=a.jsonl, b.jsonl", "prepare.out=2024"],
        {"prepare": PrepareConfig},
    )
    config = build("prepare", sections["prepare"], PrepareConfig)
    assert (config.held_out, config.data, config.out) == (2, (Path("a.jsonl"), Path("b.jsonl")), Path("2024"))
    assert build("reward", {"length_weight": 1}, RewardConfig).length_weight == 1.0
    assert from_text('["a", "b"]', None) == ["a", "b"]
    with pytest.raises(UsageError, match=r"\[reward\] shuffles is 0"):
        build("reward", {"shuffles": 0}, RewardConfig)
    with pytest.raises(UsageError, match="expected int"):
        build("reward", {"negatives": 1.5}, RewardConfig)
    with pytest.raises(UsageError, match=r"data\[0\] is 3: expected path"):
        build("prepare", {"data": [3], "out": "x"}, PrepareConfig)


def test_recipes_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("users = 3\n")
    with pytest.raises(UsageError, match="outside a section"):
        read_recipe(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text("[evaluate\n")
    with pytest.raises(UsageError, match="is no TOML"):
        read_recipe(tmp_path / "b.toml")
