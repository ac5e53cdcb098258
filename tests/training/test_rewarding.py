"""The reward as TRL calls it: gathered, equal for one process and two, loud when there is nothing to learn."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from bump_edge.errors import UsageError
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction
from tests.training import planted
from training.blue import info_nce
from training.judges import Bm25Judge, CandidateList, Judgement
from training.reward import RewardConfig
from training.rewarding import (
    BumpReward,
    LearnsNothingError,
    Samples,
    Watch,
    check_names,
    has_spread,
)
from training.stored import dropped_share, lost_share, stored_text

pytest.importorskip("accelerate")

ROOT = Path(__file__).resolve().parents[2]
USERS, ROLLOUTS = 5, 4


def asked(log: Sequence[str], profile: str | None = None) -> Prompt:
    known = tuple(Interaction(item=item, type="purchase") for item in log)
    return Prompt(interactions=known, stats=HistoryStats.of(known), profile=profile)


def batch(users: int = USERS, rollouts: int = ROLLOUTS) -> dict[str, list[Any]]:
    """Columns as TRL gives them: rollout r of user u names r of the user's rare words, as `read` reads."""
    rows = []
    for user in range(users):
        log = [str(row["item"]) for row in planted.rows(user, length=6)]
        for rollout in range(rollouts):
            words = planted.rare_words(user)[: rollout % 4]
            rows.append({
                "completion_ids": [ord(c) for c in " ".join(["likes", *words])],
                "key": f"planted/{user}", "dataset": "planted", "mode": "write", "held_out": log[4:5],
                "visible": log[:4], "asked": asked(log[:4]), "other": [{"role": "user", "content": str(user)}],
            })  # fmt: skip
    return {key: [row[key] for row in rows] for key in rows[0]}


def read(ids: Sequence[int]) -> tuple[str, bool]:
    return "".join(map(chr, ids)), ids[-1:] != [0]


def reward_of(judge: Any = None, config: RewardConfig | None = None, **options: Any) -> BumpReward:
    wanted = RewardConfig(negatives=3, length_threshold=10**6) if config is None else config
    return BumpReward(judge or Bm25Judge(), wanted, rollouts=ROLLOUTS, held_out=1, read=read, **options)


def call(
    reward: BumpReward, columns: dict[str, list[Any]], step: int = 3
) -> tuple[list[float | None], dict[str, float]]:
    logged: dict[str, float] = {}
    found = reward(
        prompts=[], completions=[], trainer_state=SimpleNamespace(global_step=step), log_metric=logged.__setitem__,
        **columns,
    )  # fmt: skip
    return found, logged


def test_a_profile_that_tells_more_earns_more_and_what_is_logged_adds_up() -> None:
    found, logged = call(reward_of(), batch())
    for user in range(USERS):
        none, *_, all_words = [value for value in found[user * ROLLOUTS : (user + 1) * ROLLOUTS] if value is not None]
        assert all_words > none
    assert logged["reward/total"] == pytest.approx(logged["reward/forward"] + logged["reward/backward"])
    assert logged["reward/total"] == pytest.approx(sum(v or 0 for v in found) / len(found))
    assert logged["reward/zero_spread"] == logged["reward/floored"] == logged["judge/unparsed"] == 0


TWO = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, os.getcwd())
from accelerate import PartialState
from tests.training.test_rewarding import ROLLOUTS, USERS, batch, call, reward_of
from training.opening import open_judge
from training.reward import RewardConfig

state = PartialState(cpu=True)
own = USERS * ROLLOUTS // state.num_processes
columns = {key: values[state.process_index * own : (state.process_index + 1) * own] for key, values in batch().items()}
found = {}
for name in ("bm25", "listwise-logits"):
    judge = open_judge(name, model=Path(sys.argv[2]) if name != "bm25" else None)
    config = RewardConfig(negatives=3, smooth=name != "bm25", length_threshold=10)
    found[name] = call(reward_of(judge, config), columns)
Path(f"{sys.argv[1]}-{state.process_index}").write_text(json.dumps(found))  # every digit of a float
state.wait_for_everyone()
"""


def test_two_processes_give_the_reward_of_one_to_the_bit(tmp_path: Path) -> None:

    from tests.training import tiny

    model = tiny.write_model(tmp_path / "model", texts=[text for row in batch()["visible"] for text in row])
    (tmp_path / "two.py").write_text(TWO)
    own = USERS * ROLLOUTS // 2
    assert own % ROLLOUTS, "a group must lie astride"
    for name, launch in (
        ("one", [sys.executable]),
        ("two", [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]),
    ):
        done = subprocess.run(
            [*launch, str(tmp_path / "two.py"), str(tmp_path / name), str(model)], cwd=ROOT, capture_output=True,
            text=True, timeout=120, env=env(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    one = orjson.loads((tmp_path / "one-0").read_bytes())
    halves = [orjson.loads((tmp_path / f"two-{rank}").read_bytes()) for rank in range(2)]
    for judge, (values, logged) in one.items():
        assert values == [value for half in halves for value in half[judge][0]]
        assert all(half[judge][1] == logged for half in halves)
        assert len(set(values)) > 2


def env() -> dict[str, str]:
    import os

    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


class Counting:
    """BM25 that counts its calls; `broken` answers without a number, or without a permutation."""

    name = "counting"
    reads_order = True

    def __init__(self, broken: str = "") -> None:
        self.calls: list[list[CandidateList]] = []
        self._inner, self._broken = Bm25Judge(), broken

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        self.calls.append(list(lists))
        found = self._inner.rank(lists)
        if self._broken == "nan":
            return [Judgement(scores=tuple(math.nan for _ in j.scores)) for j in found]
        return [Judgement(scores=j.scores, parsed=self._broken != "words") for j in found]


def test_the_judge_is_called_once_a_user_and_equal_lists_are_ranked_once() -> None:
    judge = Counting()
    columns = batch()
    call(reward_of(judge), columns)
    assert len(judge.calls) == USERS
    assert all(len(set(lists)) == len(lists) for lists in judge.calls)
    # two directions, two shuffles, of which two may be alike
    assert all(2 * ROLLOUTS <= len(lists) <= 4 * ROLLOUTS for lists in judge.calls)
    same = Counting()
    columns["completion_ids"] = [
        columns["completion_ids"][at // ROLLOUTS * ROLLOUTS] for at in range(len(columns["key"]))
    ]
    found, _ = call(reward_of(same), columns)
    assert all(2 <= len(lists) <= 4 for lists in same.calls)
    assert all(len(set(found[at : at + ROLLOUTS])) == 1 for at in range(0, len(found), ROLLOUTS))


def test_empty_and_cut_profiles_get_the_floor_and_are_counted() -> None:
    columns = batch()
    columns["completion_ids"][0] = [32]
    columns["completion_ids"][1] = [65, 0]
    found, logged = call(reward_of(), columns)
    assert found[:2] == [0.0, 0.0]
    assert logged["reward/floored"] == 2 / (USERS * ROLLOUTS)


class Letters:
    """An encoder whose cosines are the overlap of words."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, texts: Sequence[str]) -> list[Any]:
        import numpy as np

        out = []
        for text in texts:
            vector = np.zeros(512)
            for word in text.split():
                vector[self._known.setdefault(word, len(self._known))] += 1
            out.append(vector / max(float(np.linalg.norm(vector)), 1e-9))
        return out


def test_bump_plus_takes_the_hardest_positives_and_the_most_alike_users() -> None:
    columns = batch()
    seen = [str(row["item"]) for row in planted.rows(0, length=6)]
    for at in range(ROLLOUTS):
        columns["held_out"][at] = [seen[0], "never met before", seen[1]]
    for user in (0, 3):  # two users alike
        for at in range(ROLLOUTS):
            columns["visible"][user * ROLLOUTS + at] = [*seen[:3], f"of {user}"]
    judge = Counting()
    call(reward_of(judge, RewardConfig(negatives=1, hard=True), encode=Letters()), columns)
    forward = [one for one in judge.calls[0] if one.direction == "forward"]
    assert {text for one in forward for text in one.candidates} == {
        "never met before", columns["held_out"][3 * ROLLOUTS][0]
    }  # fmt: skip


def test_blue_is_the_formula_by_hand() -> None:
    encode = Letters()
    config = RewardConfig(negatives=2, objective="blue", length_threshold=10**6)
    columns = batch(users=3)
    judge = Counting()
    found, logged = call(reward_of(judge, config, encode=encode), columns, step=0)
    own = "".join(map(chr, columns["completion_ids"][3]))
    picked = {text for lists in judge.calls for one in lists for text in one.candidates}
    assert picked == {held[0] for held in columns["held_out"]}
    from training.reward import rollout_of_others

    index = rollout_of_others(0, ROLLOUTS)
    item, others = columns["held_out"][0][0], [columns["held_out"][u * ROLLOUTS][0] for u in (1, 2)]
    rivals = ["".join(map(chr, columns["completion_ids"][u * ROLLOUTS + index])) for u in (1, 2)]
    query, target, *vectors = encode([own, item, *others, *rivals])
    forward = info_nce([float(query @ target), *(float(query @ v) for v in vectors[:2])])
    backward = info_nce([float(target @ query), *(float(target @ v) for v in vectors[2:])])
    assert found[3] == pytest.approx(0.5 * (forward + backward) + 1)  # all own words: the choice is right
    assert logged["reward/forward"] <= 0


def test_stability_adds_the_agreement_with_the_profile_of_another_order() -> None:
    plain, _ = call(reward_of(), batch())
    asked: list[Any] = []

    def write(messages: Sequence[Any], names: Sequence[str]) -> list[str]:
        asked.extend(zip(messages, names, strict=True))
        return ["likes" for _ in names]

    config = RewardConfig(negatives=3, length_threshold=10**6, stability_weight=0.5)
    found, logged = call(reward_of(config=config, encode=Letters(), write=write), batch())
    assert [name for _, name in asked] == [f"planted/{user}" for user in range(USERS)]
    assert found[0] == pytest.approx((plain[0] or 0) + 0.5)  # word for word
    assert found[3] == pytest.approx((plain[3] or 0) + 0.5 / math.sqrt(4))  # one word of four
    assert 0 < logged["reward/stability"] < 1
    with pytest.raises(UsageError, match="encoder"):
        reward_of(config=config, write=write)


def test_what_the_product_would_not_store_costs_its_share() -> None:
    log = ["Bone Nut Blanks", "Nickel Wound Strings", "Humbucker Pickup Set", "Tube Amp Head"]
    true, wrong = "Buys bone nut blanks and nickel wound strings.", "Collects medieval swords."
    assert dropped_share(true, asked(log)) == 0
    assert dropped_share(f"{true} {wrong}", asked(log)) == 0.5
    assert dropped_share(wrong, asked(log)) == 1
    # in an update, what stands in the old profile needs no new evidence
    assert dropped_share(wrong, asked(log, profile=wrong)) == 0
    assert dropped_share("", asked(log)) == 0

    def told(ids: Sequence[int]) -> tuple[str, bool]:
        text, ended = read(ids)
        return (f"Buys {' and '.join(text.split()[1:])}." if " " in text else wrong), ended

    def found(weight: float) -> tuple[list[float | None], dict[str, float]]:
        config = RewardConfig(negatives=3, length_threshold=10**6, dropped_weight=weight)
        return call(BumpReward(Bm25Judge(), config, rollouts=ROLLOUTS, held_out=1, read=told), batch())

    (without, _), (kept, logged) = found(0.0), found(0.5)
    taken = [(before or 0) - (after or 0) for before, after in zip(without, kept, strict=True)]
    assert taken[0] == pytest.approx(0.5)  # nothing of it is in the log
    assert taken[3] == pytest.approx(0)
    assert 0 < logged["reward/dropped"] < 1


def test_the_judge_reads_what_the_device_would_store() -> None:
    log = ["Bone Nut Blanks", "Nickel Wound Strings", "Humbucker Pickup Set", "Tube Amp Head"]
    true = "Buys bone nut blanks and nickel wound strings."
    longer = "Buys bone nut blanks, medieval swords, nickel wound strings, bone nut blanks and medieval swords."
    assert lost_share(true, asked(log)) == 0
    assert stored_text(longer, asked(log)) == true
    assert lost_share(longer, asked(log)) == pytest.approx(1 - 8 / 15)
    assert stored_text("Collects medieval swords.", asked(log)) == ""
    assert lost_share("Collects medieval swords.", asked(log)) == lost_share("and so", asked(log)) == 1
    assert lost_share("", asked(log)) == 0
    standing = "Collects medieval swords."
    assert stored_text(standing, asked(log, profile=standing)) == standing

    def found(tail: str, **settings: Any) -> list[float | None]:
        """Rewards where each rollout says what it holds, and `tail`, which no record bears out."""

        def told(ids: Sequence[int]) -> tuple[str, bool]:
            text, ended = read(ids)
            return (f"Buys {' and '.join(text.split()[1:])}.{tail}" if " " in text else ""), ended

        config = RewardConfig(negatives=3, length_threshold=10**6, **settings)
        return call(BumpReward(Bm25Judge(), config, rollouts=ROLLOUTS, held_out=1, read=told), batch())[0]

    tail = " Collects medieval swords."
    assert found(tail, stored=True) == found("", stored=True) == found("")
    costly = found(tail, stored=True, lost_weight=0.5)
    assert 0 < (found("", stored=True)[3] or 0) - (costly[3] or 0) < 0.5
    assert costly[0] == 0  # nothing is stored: the floor, and no more is taken off


def test_a_batch_that_is_none_says_so() -> None:
    with pytest.raises(UsageError, match="one user"):
        call(reward_of(), batch(users=1))
    torn = {key: values[1:-1] for key, values in batch().items()}
    with pytest.raises(UsageError, match="whole groups"):
        call(reward_of(), torn)
    shuffled = {key: [*values[2:], *values[:2]] for key, values in batch().items()}
    with pytest.raises(UsageError, match="is the data set shuffled"):
        call(reward_of(), shuffled)


def test_a_judge_that_cannot_be_read_stops_the_run() -> None:
    watch = Watch(2, 0.5)
    reward = reward_of(Counting("words"), watch=watch)
    _, logged = call(reward, batch(), step=0)
    assert logged["judge/unparsed"] == 1
    with pytest.raises(LearnsNothingError, match="another judge"):
        call(reward, batch(), step=1)


def test_nothing_but_cut_profiles_stops_the_run() -> None:
    columns = batch()
    columns["completion_ids"] = [[65, 0] for _ in columns["key"]]
    reward = reward_of(watch=Watch(2, 0.5))
    call(reward, columns, step=0)
    with pytest.raises(LearnsNothingError, match="warmup"):
        call(reward, columns, step=1)


def test_rewards_without_a_number_become_none_and_stop_the_run() -> None:
    watch = Watch(2, 1.0)
    found, _ = call(reward_of(Counting("nan")), batch())
    assert found == [None] * (USERS * ROLLOUTS)
    rows = [[math.nan] * ROLLOUTS] * USERS
    watch.rewarded(rows, 0)
    with pytest.raises(LearnsNothingError, match="None or NaN"):
        watch.rewarded(rows, 1)


def test_equal_rewards_stop_the_run_and_one_that_differs_does_not() -> None:
    watch = Watch(2, 1.0)
    flat, uneven = [[1.0] * 4] * 3, [[1.0] * 4, [1.0, 0.5, 1.0, math.nan]]
    for rows in (flat, uneven, flat):
        watch.rewarded(rows, 0)
    with pytest.raises(LearnsNothingError, match="smooth = true"):
        watch.rewarded(flat, 1)
    assert not has_spread([1.0, math.nan])


def test_two_reward_functions_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="bump"):
        check_names([reward_of(), reward_of()])
    check_names([reward_of(), lambda **_: [0.0]])


def test_samples_of_a_killed_run_are_cut_back(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    reward = reward_of(samples=Samples(path, 2))
    for step in range(5):
        call(reward, batch(), step=step)
    steps = [orjson.loads(line)["step"] for line in path.read_bytes().splitlines()]
    assert steps == [0, 0, 0, 2, 2, 2, 4, 4, 4]
    Samples(path, 2, start=2)
    assert [orjson.loads(line)["step"] for line in path.read_bytes().splitlines()] == [0, 0, 0]
