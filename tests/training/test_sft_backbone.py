"""The stage sft-backbone with a tiny model: it learns to use profiles, survives a kill, and says what is wrong."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from bump_edge import Interaction, Profiler, Store, build_messages
from bump_edge.context import messages_of_profile
from bump_edge.errors import EmptyHistoryError, InputError, UsageError
from bump_edge.profile_block import PREAMBLE
from tests.training.killing import killed
from tests.training.planted import name_of
from tests.training.tiny import write_model
from training.histories import User, split_of
from training.models import load
from training.prepare import PrepareConfig
from training.prepare import run as prepare
from training.sft_backbone import QUESTION, Cases, SftConfig, case_of, run

# transformers warns of itself
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
KINDS = ("tea", "lamp", "boot", "map")


def kind_of(user: int) -> str:
    return KINDS[user % len(KINDS)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny `model`, `users` who each want one kind of thing, and `profiles.jsonl` that say which."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sft")
    users = range(120)
    lines = [
        {"user_id": name_of(user), "item": kind_of(user), "type": "purchase", "timestamp": f"2024-01-0{day}T00:00:00Z"}
        for user in users
        for day in range(1, 6)
    ]
    (folder / "made.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    prepare(PrepareConfig(data=(folder / "made.jsonl",), out=folder / "users"))
    write_profiles(folder / "profiles.jsonl", {u: "Buys" + 30 * f" {kind_of(u)}" + "." for u in users})
    write_model(folder / "model", texts=[PREAMBLE, QUESTION, "Buys Profile You are a helpful", *KINDS])
    model = load(folder / "model")
    with torch.no_grad():  # a LoRA leaves it as it is: embeddings that are far enough apart to be told
        model.model.get_input_embeddings().weight.mul_(50)
    model.save(folder / "model")
    return folder


def write_profiles(path: Path, texts: dict[int, str]) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps({"user_id": name_of(u), "text": t}) for u, t in texts.items()))
    return path


def config(base: Path, out: Path, **more: Any) -> SftConfig:
    given: dict[str, Any] = {
        "model": base / "model", "data": base / "users", "out": out, "profiles": (base / "profiles.jsonl",),
        "steps": 8, "batch": 4, "learning_rate": 0.01, "lora_rank": 8, "neighbours": 0, "bfloat16": False,
        "save_every": 2, "log_every": 1, "rounds": 100,
    }  # fmt: skip
    return SftConfig(**{**given, **more})


def test_a_profile_is_learned_to_be_of_use_to_users_never_seen(base: Path, tmp_path: Path) -> None:
    found = run(config(base, tmp_path / "run", steps=100, batch=12, save_every=100, log_every=20))
    before, after = found["before"], found["after"]
    assert found["test_users"] == sum(split_of(name_of(u)) == "validation" for u in range(120))
    assert found["train_users"] == sum(split_of(name_of(u)) == "train" for u in range(120))
    assert all(after["loss"][kind] < before["loss"][kind] for kind in ("right", "other", "none"))
    assert before["gain_over"]["other"]["gain"] == pytest.approx(0, abs=0.01)
    for kind in ("other", "none"):
        assert after["gain_over"][kind]["ci95"][0] > 0.02, found
    assert found["examples"]["bare"] / (100 * 12) == pytest.approx(0.2, abs=0.05)
    # a LoRA beside its base, which a later stage opens
    assert (Path(found["model"]) / "adapter_config.json").is_file()
    base_now = load(base / "model").model.state_dict()
    merged = load(tmp_path / "run").model.state_dict()
    assert {key for key in base_now if not torch.equal(base_now[key], merged[key])} == {
        key for key in base_now if "_proj" in key
    }


def test_a_killed_run_goes_on_to_where_an_unbroken_one_ends(base: Path, tmp_path: Path) -> None:
    unbroken = run(config(base, tmp_path / "a"))
    flags = {
        "model": base / "model", "data": base / "users", "out": tmp_path / "b", "profiles": base / "profiles.jsonl",
        "steps": 8, "batch": 4, "learning-rate": 0.01, "lora-rank": 8, "neighbours": 0, "bfloat16": "false",
        "save-every": 2, "log-every": 1, "rounds": 100,
    }  # fmt: skip
    given = [part for key, value in flags.items() for part in (f"--{key}", str(value))]
    killed([sys.executable, "-m", "training", "sft-backbone", *given], tmp_path / "b", 4)
    resumed = run(config(base, tmp_path / "b"))
    for key in ("tokens", "examples", "train_users", "test_users", "before"):
        assert resumed[key] == unbroken[key]
    assert resumed["after"]["loss"] == pytest.approx(unbroken["after"]["loss"], abs=1e-5)
    a, b = (load(tmp_path / name).model.state_dict() for name in "ab")
    assert all(torch.allclose(a[key], b[key], atol=1e-5) for key in a)
    assert run(config(base, tmp_path / "b")) == resumed  # a finished run is not run again


def test_the_block_is_the_one_that_an_app_puts_in_its_prompt(base: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.ingest([Interaction(item=f"green tea {n}", type="purchase") for n in range(6)])
        with Profiler(store, "extractive") as profiler:
            profile = profiler.profile().text
        assert messages_of_profile(profile, "Which one?") == build_messages(store, "Which one?")
        assert messages_of_profile(None, "Which?", system="Be brief.") == build_messages(
            store, "Which?", mode="none", system="Be brief."
        )


def test_the_question_shows_neighbours_and_never_the_answer(base: Path, tmp_path: Path) -> None:
    visible = tuple(Interaction(item=f"thing {n}", type="purchase") for n in range(5))
    user = User(user_id="a", visible=visible, held_out=(Interaction(item="a " + "very " * 40 + "long lamp"),))
    case = case_of("made", user, "Buys things.", config(base, tmp_path, neighbours=2, max_chars=20))
    assert "thing 3" in case.question
    assert "thing 4" in case.question
    assert "thing 2" not in case.question
    assert "very" not in case.question
    assert case.answer == "a very very very"
    bare = case_of("made", user, "Buys things.", config(base, tmp_path))
    assert bare.question == QUESTION
    hostile = replace(visible[0], item="x <|im_end|> y")
    case = case_of("made", replace(user, visible=(hostile,)), "p", config(base, tmp_path, neighbours=1))
    assert "<|im_end|>" not in case.question
    model = load(base / "model")
    row = case.row(model, None)
    assert model.decode(row.answer) == case.answer
    assert row.answer[-1] == model.end_ids[0]
    assert "Buys things." in model.decode(bare.row(model, "Buys things.").prompt)


def test_every_user_is_seen_once_an_epoch_whatever_the_seed(base: Path, tmp_path: Path) -> None:
    model = load(base / "model")
    user = User(user_id="a", visible=(Interaction(item="x"),), held_out=(Interaction(item="y"),))
    cases = [replace(case_of("made", user, "p", config(base, tmp_path)), answer=kind) for kind in KINDS]
    orders = []
    for seed in (0, 1):
        rows = Cases(cases, model, config(base, tmp_path, steps=4, batch=4, seed=seed))
        answers = [model.decode(rows[n].answer) for n in range(len(rows))]
        assert all(sorted(answers[at : at + 4]) == sorted(KINDS) for at in range(0, 16, 4))
        number = random.Random(seed).randrange(16)
        assert rows[number] == rows[number]
        orders.append(answers)
    assert orders[0] != orders[1]


def test_what_cannot_be_trained_is_said(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="expected validation or test"):
        config(base, tmp_path, split="all")
    with pytest.raises(UsageError, match="expected a multiple of log_every"):
        config(base, tmp_path, save_every=3, log_every=2)
    with pytest.raises(EmptyHistoryError, match="0 training users have a profile"):
        run(config(base, tmp_path / "a", profiles=(write_profiles(tmp_path / "p.jsonl", {999: "x"}),)))
    twice = (base / "profiles.jsonl", base / "profiles.jsonl")
    with pytest.raises(InputError, match="has a profile in another file already"):
        run(config(base, tmp_path / "a", profiles=twice))
    same = write_profiles(tmp_path / "same.jsonl", dict.fromkeys(range(120), "Buys things."))
    with pytest.raises(EmptyHistoryError, match="0 of the split validation that another"):
        run(config(base, tmp_path / "a", profiles=(same,)))
    with pytest.raises(UsageError, match="datasets names 'films': expected some of made"):
        run(config(base, tmp_path / "a", datasets=("films",)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="in several processes: expected one"):
        run(config(base, tmp_path / "a"))
    assert not (tmp_path / "a").exists()


def test_without_profiles_the_extractive_backend_writes_them(base: Path, tmp_path: Path) -> None:
    found = run(config(base, tmp_path / "run", profiles=(), steps=2, neighbours=2, max_users=5, test_users=3))
    assert (found["train_users"], found["test_users"]) == (5, 3)
    other = config(base, tmp_path / "run", steps=2, neighbours=2, max_users=5, test_users=3)
    with pytest.raises(UsageError, match="holds a run with profiles"):
        run(other)
