"""The measures of membership inference: what they say of attackers of whom it is known."""

from __future__ import annotations

import random

import pytest

from tests.bench.membership import Corpus, Pair, auc, interval, tpr_at


def pairs(lift: float, *, count: int = 400) -> list[Pair]:
    rng = random.Random(1)
    return [Pair(user=f"u{n // 4}", member=rng.gauss(lift, 1), other=rng.gauss(0, 1)) for n in range(count)]


def test_a_blind_attacker_is_at_chance_and_a_seeing_one_is_not() -> None:
    blind, seeing = pairs(0), pairs(5)
    low, high = interval(blind, rounds=200)
    assert low < 0.5 < high
    assert auc(seeing) > 0.99
    assert interval(seeing, rounds=200)[0] > 0.98
    assert tpr_at(blind, 0.01) < 0.04
    assert tpr_at(seeing, 0.01) > 0.9


def test_ties_are_half_and_nothing_above_a_tied_threshold() -> None:
    tied = [Pair(user="u", member=1.0, other=1.0)] * 10
    assert auc(tied) == 0.5
    assert tpr_at(tied, 0.1) == 0
    mixed = [Pair(user="u", member=m, other=o) for m, o in ((2, 1), (1, 2), (3, 3), (5, 4))]
    assert auc(mixed) == pytest.approx(2.5 / 4)


def test_the_likest_text_is_found_and_what_is_left_out_is_not() -> None:
    corpus = Corpus(["green tea", "guitar strings, nickel", "guitar strings, bronze", "nothing of it"])
    assert corpus.nearest("nickel guitar strings", without=()) == 1
    assert corpus.nearest("nickel guitar strings", without={1}) == 2
    assert corpus.nearest("unheard", without=()) is None
    assert corpus.score("nickel", "guitar strings, nickel") > corpus.score("nickel", "green tea") == 0
