"""A judge's measures against judges whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from tests.training.test_lessons import users
from training.assessment import agreement, assess, kendall_tau, lists_of, table_lines
from training.judges import Bm25Judge, CandidateList, Judgement

DATA = {"one": users(), "two": users(14)}
LISTS = 2 * 14 * 2


def truth(**more: int) -> dict[CandidateList, int]:
    """The place of the right candidate in each list that `assess` asks."""
    settings = {"candidates": 9, "shuffles": 1, "seed": 0, **more}
    return {one: target for _, _, lists in lists_of(DATA, **settings) for one, target in lists}


class First:
    """Prefers the first-listed candidate, whatever it says."""

    name = "first"
    reads_order = True

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        return [Judgement(scores=tuple(-float(at) for at in range(len(one.candidates))), tokens=3) for one in lists]


class Known:
    """Right with 0.9 forward; backward wrong, and it says 0.5: a model of log-odds by name."""

    name = "listwise-logits"
    reads_order = True

    def __init__(self) -> None:
        self._truth = truth()

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        out = []
        for one in lists:
            target, sure = self._truth[one], 0.9 if one.direction == "forward" else 0.5
            count = len(one.candidates)
            chosen = target if one.direction == "forward" else (target + 1) % count
            scores = [math.log((1 - sure) / (count - 1))] * count
            scores[chosen] = math.log(sure)
            out.append(Judgement(scores=tuple(scores)))
        return out


def test_lists_are_drawn_by_the_seed_and_the_right_one_is_the_users_own() -> None:
    known = truth()
    assert len(known) == LISTS
    assert known == truth()
    assert known.keys() != truth(seed=1).keys()
    for one, target in known.items():
        assert len(one.candidates) == 9
        assert (one.last is None) == (one.direction == "forward")
        assert 0 <= target < 9
    assert len(truth(shuffles=2)) == 2 * LISTS
    assert {place for one, place in known.items() if one.direction == "forward"} > {0, 8}  # shuffled
    assert {one.last for one in known if one.last is not None} > {0, 8}


def test_bm25_finds_planted_words() -> None:
    found = assess(Bm25Judge(), DATA)
    assert found["lists"] == LISTS
    assert found["ndcg"]["mean"] > 0.8
    assert found["accuracy"]["mean"] > 0.7
    assert found["accuracy"]["ci95"][0] > 1 / 9
    assert abs(found["position_bias"]) < 0.1
    assert "ece" not in found  # its scores are no log-odds
    assert found["by"].keys() == DATA.keys()
    for row in found["by"].values():
        both = row["forward"]["ndcg"]["mean"] + row["backward"]["ndcg"]["mean"]
        assert row["sum"]["mean"] == pytest.approx(both, abs=0.002)
    assert len(table_lines({"bm25": found})) == 1 + 1 + len(DATA)


def test_a_judge_that_prefers_the_first_has_all_the_bias_there_is_and_knows_nothing() -> None:
    found = assess(First(), DATA)
    assert found["position_bias"] == pytest.approx(1 - 1 / 9, abs=1e-3)
    known = truth()
    assert found["accuracy"]["mean"] == pytest.approx(sum(t == 0 for t in known.values()) / LISTS, abs=1e-3)
    expected = sum(1 / math.log2(target + 2) for target in known.values()) / LISTS
    assert found["ndcg"]["mean"] == pytest.approx(expected, abs=1e-3)
    assert found["tokens_per_list"] == 3


def test_calibration_and_abstaining_by_hand() -> None:
    found = assess(Known(), DATA)
    assert found["accuracy"]["mean"] == 0.5
    assert found["by"]["one"]["forward"]["accuracy"]["mean"] == 1
    assert found["by"]["two"]["backward"]["accuracy"]["mean"] == 0
    # half of the lists |1 − 0.9|, half |0 − 0.5|
    assert found["ece"] == 0.3
    # 45 of 56 lists are kept: all 28 right ones, and 17 wrong ones
    assert found["gain_from_abstaining"] == round(28 / 45 - 0.5, 3)


def test_agreement_with_another_judge() -> None:
    known, first = (assess(judge, DATA)["rankings"] for judge in (Known(), First()))
    assert agreement(known, known) == {"same_best": 1.0, "kendall_tau": 1.0}
    assert agreement(first, [tuple(reversed(range(9)))] * LISTS) == {"same_best": 0.0, "kendall_tau": -1.0}


def test_kendalls_tau_by_hand() -> None:
    assert kendall_tau((0, 1, 2), (0, 1, 2)) == 1
    assert kendall_tau((0, 1, 2), (2, 1, 0)) == -1
    assert kendall_tau((0, 1, 2), (1, 0, 2)) == pytest.approx(1 / 3)  # one pair of three the other way
    assert kendall_tau((3, 0, 2, 1), (0, 1, 2, 3)) == pytest.approx(-1 / 3)  # 30, 32, 31, 21 against
