"""The stage ``judge``: its loss is the whole reading's, it learns, and a kill changes nothing of what comes out."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from bump_edge.errors import EmptyHistoryError, UsageError
from tests.training.killing import finished, killed, sealed
from tests.training.planted import COMMON, write_log
from tests.training.test_lessons import users
from tests.training.tiny import write_model
from training.judge import JudgeConfig, Questions, loss_of, run
from training.judges import LETTERS, render
from training.language_judges import parts_of
from training.lessons import Lesson, Lessons
from training.models import CausalModel, load
from training.prepare import PrepareConfig
from training.prepare import run as prepare

STEPS = 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model and prepared users."""
    torch.set_num_threads(1)
    base = tmp_path_factory.mktemp("judge")
    log = write_log(base / "made.jsonl", range(60), length=9)
    prepare(PrepareConfig(data=(log,), out=base / "users"))
    return write_model(base / "model", texts=COMMON), base / "users"


def letters_of(model: CausalModel) -> list[int]:
    return [model.token_of(f" {letter}") for letter in LETTERS]


def by_hand(model: CausalModel, lesson: Lesson) -> float:
    """The loss, each question read alone and whole, softmax over the letters that are left."""
    letters, total = letters_of(model), 0.0
    for one, target, wrong in zip(lesson.lists, lesson.targets, lesson.wrong, strict=True):
        asked = [token for part in parts_of(model, render(one)) for token in part]
        losses = []
        for written in range(len(wrong) + 1):
            ids = torch.tensor([[*asked, *(letters[place] for place in wrong[:written])]])
            logits = model.model(input_ids=ids).logits[0, -1]
            left = [place for place in range(len(one.candidates)) if place not in wrong[:written]]
            odds = torch.log_softmax(logits[[letters[place] for place in left]], -1)
            losses.append(-float(odds[left.index(target)]))
        total += sum(losses) / len(losses)
    return total / len(lesson.lists)


def questions(model: CausalModel, lesson: Lesson) -> Questions:
    return Questions.of(lesson, model, letters_of(model))


def test_the_loss_is_that_of_reading_each_question_alone(folders: tuple[Path, Path]) -> None:
    model = load(folders[0])
    lessons = Lessons({"made": users()}, candidates=4, max_visible=4)
    made = [lessons[number] for number in range(4)]
    assert any(wrong for lesson in made for wrong in lesson.wrong)
    for lesson in made:
        loss, read, _ = loss_of(model, letters_of(model), [questions(model, lesson)])
        assert float(loss) == pytest.approx(by_hand(model, lesson), rel=1e-4)
        every = sum(len(part) for one in lesson.lists for part in parts_of(model, render(one)))
        assert read < every + sum(map(len, lesson.wrong))
    # lists of two, three and four candidates in one forward pass
    assert len({len(lesson.lists) for lesson in made}) > 1
    together, read, _ = loss_of(model, letters_of(model), [questions(model, lesson) for lesson in made])
    assert float(together) == pytest.approx(sum(by_hand(model, lesson) for lesson in made) / len(made), rel=1e-4)
    assert read == sum(questions(model, lesson).tree.size for lesson in made)


def test_a_lesson_can_be_learned(folders: tuple[Path, Path]) -> None:
    model = load(folders[0], trainable=True)
    lesson = Lessons({"made": users()}, candidates=4, max_visible=4)[0]
    optimiser = torch.optim.AdamW(model.model.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        loss, _, _ = loss_of(model, letters_of(model), [questions(model, lesson)])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    count = len(lesson.lists)
    # knows nothing: as likely as any letter that is left
    chance = [sum(math.log(count - n) for n in range(len(w) + 1)) / (len(w) + 1) for w in lesson.wrong]
    assert losses[0] == pytest.approx(sum(chance) / count, abs=0.2)
    assert losses[-1] < losses[0] / 2


def arguments(folders: tuple[Path, Path], out: Path) -> list[str]:
    given = {
        "model": folders[0], "data": folders[1], "out": out, "steps": STEPS, "lessons": 4, "candidates": 4,
        "at-once": 2, "workers": 1,
        "max-visible": 4, "hinted": 2, "learning-rate": 0.003, "save-every": 2, "log-every": 1, "test-users": 4,
        "compare": "bm25,listwise-generate",
    }  # fmt: skip
    return [sys.executable, "-m", "training", "judge", *(f"--{key}={value}" for key, value in given.items())]


def untimed(found: Any) -> Any:
    """Measures without seconds."""
    if isinstance(found, dict):
        return {key: untimed(value) for key, value in found.items() if not key.startswith("seconds")}
    return found


def test_a_killed_run_goes_on_to_where_an_unbroken_one_ends(folders: tuple[Path, Path], tmp_path: Path) -> None:
    unbroken = finished([*sealed(), *arguments(folders, tmp_path / "a")])
    command = arguments(folders, tmp_path / "b")
    killed(command, tmp_path / "b", 4)
    resumed = finished(command)
    logs = [[orjson.loads(line) for line in (tmp_path / name / "log.jsonl").read_bytes().splitlines()] for name in "ab"]
    losses = [[(row["step"], row["loss"], row["tokens"]) for row in rows if "loss" in row] for rows in logs]
    assert [step for step, _, _ in losses[1]] == list(range(1, STEPS + 1))  # no step twice
    assert [loss for _, loss, _ in losses[1]] == pytest.approx([loss for _, loss, _ in losses[0]], abs=1e-4)
    assert [count for _, _, count in losses[1]] == [count for _, _, count in losses[0]]
    weights = [load(tmp_path / name / "model").model.state_dict() for name in "ab"]
    assert all(torch.allclose(weights[0][key], weights[1][key], atol=1e-5) for key in weights[0])
    assert resumed["loss"] == pytest.approx(unbroken["loss"], abs=1e-4)
    for key in ("before", "others", "tokens", "lessons"):
        assert untimed(resumed[key]) == untimed(unbroken[key])
    others = unbroken["others"]
    assert others["listwise-generate"]["agreement"] == {"same_best": 1.0, "kendall_tau": 1.0}
    # the first letter that is written is the one with the best logit
    assert unbroken["after"]["agreement"]["same_best"] == 1.0 > others["bm25"]["agreement"]["kendall_tau"] > -1
    assert resumed["after"]["ndcg"]["mean"] == pytest.approx(unbroken["after"]["ndcg"]["mean"], abs=1e-3)


def test_steps_of_none_measure_the_model_as_it_is_and_a_finished_run_is_not_run_again(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    config = JudgeConfig(model=folders[0], data=folders[1], out=tmp_path / "o", steps=0, candidates=4, test_users=4)
    found = run(config)
    assert untimed(found["before"]) == untimed(found["after"])
    assert found["loss"] == {}
    began = time.monotonic()
    assert run(config) == orjson.loads(orjson.dumps(found))
    assert time.monotonic() - began < 2


def test_what_cannot_be_trained_is_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = folders
    with pytest.raises(UsageError, match="expected a multiple of it"):
        JudgeConfig(model=model, data=data, out=tmp_path, save_every=5, log_every=2)
    with pytest.raises(UsageError, match="candidates is 27"):
        JudgeConfig(model=model, data=data, out=tmp_path, candidates=27)
    held = tmp_path / "held"
    prepare(PrepareConfig(data=(write_log(tmp_path / "kept.jsonl", range(40)),), out=held, evaluation_only=("kept",)))
    with pytest.raises(EmptyHistoryError, match="no user of the split train"):
        run(JudgeConfig(model=model, data=held, out=tmp_path / "a", steps=1))
