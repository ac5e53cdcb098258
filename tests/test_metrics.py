"""NDCG against hand values and scikit-learn, its tie and empty policies, and BM25 against its own definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from bump_edge.errors import UsageError
from bump_edge.metrics import bm25_scores, chance_ndcg, discount, ndcg, ndcg_from_scores


def test_hand_values_of_the_method() -> None:
    assert chance_ndcg(1, 9) == pytest.approx(0.4727, abs=5e-5)
    assert 2 * chance_ndcg(1, 9) == pytest.approx(0.945, abs=5e-4)
    assert ndcg([1, 3]) == pytest.approx(0.9197, abs=5e-5)
    assert ndcg([1]) == 1.0
    assert ndcg([1, 2, 3]) == pytest.approx(1.0)
    assert ndcg([4]) == pytest.approx(1 / math.log2(5))
    assert discount(1) == 1.0


@given(
    scores=st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12),
    data=st.data(),
)
def test_agrees_with_scikit_learn_with_and_without_ties(scores: list[float], data: st.DataObject) -> None:
    positives = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    gains = np.zeros((1, len(scores)))
    gains[0, sorted(positives)] = 1
    expected = ndcg_score(gains, np.array([scores]))
    assert ndcg_from_scores(scores, positives) == pytest.approx(expected)


@given(st.permutations(range(8)), st.integers(1, 8))
def test_ranks_and_scores_agree(order: list[int], count: int) -> None:
    scores = [float(-rank) for rank in order]
    ranks = [order[p] + 1 for p in range(count)]
    assert ndcg(ranks) == pytest.approx(ndcg_from_scores(scores, range(count)))


def test_a_constant_judge_gets_chance() -> None:
    assert ndcg_from_scores([0.3] * 9, [4]) == pytest.approx(chance_ndcg(1, 9))
    assert ndcg_from_scores([0.3] * 9, [0, 1]) == pytest.approx(chance_ndcg(2, 9))


def test_chance_is_the_mean_over_all_rankings() -> None:
    assert chance_ndcg(1, 9) == pytest.approx(np.mean([ndcg([r]) for r in range(1, 10)]))
    pairs = [(a, b) for a in range(1, 6) for b in range(1, 6) if a != b]
    assert chance_ndcg(2, 5) == pytest.approx(np.mean([ndcg(p) for p in pairs]))


def test_positives_that_a_cut_ranking_lost_count() -> None:
    assert ndcg([1], positives=2) == pytest.approx(1 / (1 + 1 / math.log2(3)))


@pytest.mark.parametrize(
    "bad", [lambda: ndcg([]), lambda: ndcg([0]), lambda: ndcg([2, 2]), lambda: ndcg([1, 2], positives=1)]
)
def test_refuses_what_is_no_ranking(bad: object) -> None:
    with pytest.raises(UsageError):
        bad()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("scores", "positives"), [([1.0], []), ([1.0], [1]), ([], [0]), ([math.nan, 1.0], [0]), ([math.inf, 1.0], [0])]
)
def test_refuses_scores_without_a_positive_or_a_number(scores: list[float], positives: list[int]) -> None:
    with pytest.raises(UsageError):
        ndcg_from_scores(scores, positives)


def test_bm25_by_hand() -> None:
    docs = [["a", "b"], ["a", "a", "c", "d"], ["e"]]
    idf = math.log(1 + (3 - 2 + 0.5) / 2.5)
    mean = 7 / 3
    first = idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / mean))
    second = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 4 / mean))
    assert bm25_scores(["a", "a", "zz"], docs) == pytest.approx([first, second, 0.0])


def test_bm25_without_a_meeting_is_zero() -> None:
    assert bm25_scores([], [["a"]]) == [0.0]
    assert bm25_scores(["a"], []) == []
    assert bm25_scores(["a"], [[], []]) == [0.0, 0.0]
    assert min(bm25_scores(["a"], [["a"], ["a"], ["a"]])) > 0
