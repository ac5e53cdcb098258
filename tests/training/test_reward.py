"""The reward against the values of the method page, and its properties under judges whose answer is known."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bump_edge.errors import UsageError
from training.blue import blue_reward, info_nce
from training.judges import CandidateList, Judgement, parse_permutation, scores_of_order
from training.reward import (
    Draw,
    Member,
    RewardConfig,
    draw,
    hard_positives,
    length_penalty,
    rewards,
    rollout_of_others,
    smooth_ndcg,
)

CHANCE = sum(1 / math.log2(r + 1) for r in range(1, 10)) / 9  # one positive among nine: 0.4727


class Matching:
    """Knows the truth: a text belongs to the user named by its first word; `reads_order` asks for every shuffle."""

    name = "matching"

    def __init__(self, reads_order: bool = True, sign: float = 1.0) -> None:
        self.reads_order = reads_order
        self.sign = sign
        self.seen: list[CandidateList] = []

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        self.seen.extend(lists)
        return [
            Judgement(
                scores=tuple(self.sign * (c.split()[:1] == one.query.split()[:1]) for c in one.candidates), tokens=7
            )
            for one in lists
        ]


class Writer:
    """A listwise judge whose written answer comes from `answer`, repaired as any answer is."""

    name = "writer"
    reads_order = True

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        out = []
        for one in lists:
            order, whole = parse_permutation(self.answer, len(one.candidates))
            out.append(Judgement(scores=scores_of_order(order), parsed=whole))
        return out


def batch(users: int, held_out: int = 1) -> tuple[list[Member], list[list[str]]]:
    members = [
        Member(key=f"k{u}", held_out=tuple(f"u{u} item {n}" for n in range(held_out)), visible=(f"u{u} seen",))
        for u in range(users)
    ]
    return members, [[f"u{u} likes {g}" for g in range(3)] for u in range(users)]


@pytest.mark.parametrize("held_out", [1, 3])
@pytest.mark.parametrize("reads_order", [True, False])
def test_a_perfect_judge_gives_two_and_an_inverted_one_the_least(held_out: int, reads_order: bool) -> None:
    members, profiles = batch(12, held_out)
    for row in rewards(members, profiles, Matching(reads_order), RewardConfig()):
        assert [r.total for r in row] == pytest.approx([2.0] * 3)
    members, profiles = batch(12)
    worst = rewards(members, profiles, Matching(reads_order, sign=-1), RewardConfig())
    assert worst[0][0].total == pytest.approx(2 / math.log2(10))


def test_the_hand_values_of_the_method_page_permutation_by_permutation() -> None:
    # P = 2 and K = 1: for every order the judge can write, the NDCG by hand
    members, profiles = batch(2, held_out=2)
    config = RewardConfig(negatives=1, shuffles=1, backward=False)
    best = 1 + 1 / math.log2(3)
    for written in itertools.permutations("ABC"):
        shown = draw(members, config)[0].forward[0]
        found = rewards(members, [[p[0]] for p in profiles], Writer(" ".join(written)), config)[0][0]
        ranks = [rank for rank, letter in enumerate(written, 1) if shown["ABC".index(letter)] < 2]
        assert found.forward == pytest.approx(sum(1 / math.log2(r + 1) for r in ranks) / best)
        if ranks == [1, 3]:
            assert found.forward == pytest.approx(0.9197, abs=5e-5)
    assert pytest.approx(0.4727, abs=5e-5) == CHANCE


def test_a_random_judge_is_at_chance() -> None:
    class Random:
        name, reads_order = "random", True
        chance = random.Random(1)

        def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
            return [Judgement(scores=tuple(self.chance.random() for _ in one.candidates)) for one in lists]

    members, profiles = batch(400)
    found = [r.total for row in rewards(members, profiles, Random(), RewardConfig()) for r in row]
    # 4 rankings a rollout of sd 0.25: the mean of 1200 lies within ±0.03 with five standard errors
    assert statistics.fmean(found) == pytest.approx(2 * CHANCE, abs=0.03)


def test_ties_are_chance_and_equal_profiles_gain_nothing() -> None:
    members, _ = batch(12)
    same = [["likes things"]] * 12
    assert rewards(members, same, Matching(reads_order=False), RewardConfig())[3][0].total == pytest.approx(2 * CHANCE)


def test_an_answer_that_cannot_be_parsed_is_the_presented_order_counted_and_at_chance() -> None:
    members, profiles = batch(300)
    found = [row[0] for row in rewards(members, profiles, Writer("no idea"), RewardConfig())]
    assert all(r.unparsed == 4 for r in found)
    assert statistics.fmean(r.total for r in found) == pytest.approx(2 * CHANCE, abs=0.07)
    assert rewards(members, profiles, Matching(), RewardConfig())[0][0].unparsed == 0


@pytest.mark.parametrize(
    ("answer", "count", "order", "whole"),
    [
        ("C > A > B", 3, [2, 0, 1], True),
        ("B B A", 3, [1, 0, 2], False),
        ("", 3, [0, 1, 2], False),
        ("Z, B", 2, [1, 0], False),
        ("Because: B", 2, [1, 0], False),
        ("A B C", 2, [0, 1], False),
    ],
)
def test_answers_are_repaired(answer: str, count: int, order: list[int], whole: bool) -> None:
    assert parse_permutation(answer, count) == (order, whole)


@given(st.permutations(range(9)))
@settings(max_examples=50, deadline=None)
def test_a_written_permutation_comes_back(order: list[int]) -> None:
    assert parse_permutation(" ".join("ABCDEFGHI"[at] for at in order), 9) == (order, True)


@given(st.integers(2, 14), st.integers(1, 3), st.integers(0, 99), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_draws_do_not_depend_on_the_order_of_the_batch(
    users: int, held_out: int, step: int, chance: random.Random
) -> None:
    members, profiles = batch(users, held_out)
    config = RewardConfig()
    plain = rewards(members, profiles, Matching(), config, step=step)
    order = chance.sample(range(users), users)
    moved = rewards([members[u] for u in order], [profiles[u] for u in order], Matching(), config, step=step)
    assert [plain[u] for u in order] == moved  # to the bit
    back = dict(enumerate(order))
    for new, found in enumerate(draw([members[u] for u in order], config, step)):
        there = draw(members, config, step)[back[new]]
        assert tuple(back[o] for o in found.others) == there.others
        assert (found.items, found.forward, found.backward) == (there.items, there.forward, there.backward)


def test_a_group_shares_its_draws_and_never_ranks_its_own_rollouts() -> None:
    members, profiles = batch(10)
    judge = Matching()
    rewards(members, profiles, judge, RewardConfig(negatives=4), step=3)
    picked = rollout_of_others(3, 3)
    for user in range(10):
        asked = [
            [one for one in judge.seen if one.direction == "forward" and one.query == text] for text in profiles[user]
        ]
        assert all([o.candidates for o in group] == [o.candidates for o in asked[0]] for group in asked)
        assert len(asked[0]) == 2
        backward = [o for o in judge.seen if o.direction == "backward" and o.query == members[user].held_out[0]]
        assert len(backward) == 3 * 2
        for one in backward:
            own = [c for c in one.candidates if c in profiles[user]]
            assert len(own) == 1
            assert all(c.endswith(f" {picked}") for c in one.candidates if c not in own)
        # with the own profile blanked, the lists of the three rollouts are the same two
        assert len({tuple("-" if c in profiles[user] else c for c in o.candidates) for o in backward}) == 2


def test_another_step_and_another_seed_draw_anew() -> None:
    members, _ = batch(30)
    config = RewardConfig()
    assert draw(members, config, 0) == draw(members, config, 0)
    assert draw(members, config, 0) != draw(members, config, 1)
    assert draw(members, config, 0) != draw(members, RewardConfig(seed=1), 0)
    assert len({rollout_of_others(step, 8) for step in range(100)}) == 8


def test_a_text_of_ones_own_and_a_text_twice_are_no_negatives() -> None:
    texts = ["mine", "mine", "seen", "same", "same", "free"]
    members = [
        Member(key=str(n), held_out=(text,), visible=("seen",) if n == 0 else ()) for n, text in enumerate(texts)
    ]
    drawn = draw(members, RewardConfig())[0]
    assert sorted(members[o].held_out[0] for o in drawn.others) == ["free", "same"]


def test_small_batches_take_all_there_are_and_a_batch_of_one_is_an_error() -> None:
    members, profiles = batch(3)
    assert [len(d.others) for d in draw(members, RewardConfig())] == [2, 2, 2]
    with pytest.raises(UsageError, match="make the batch larger"):
        rewards(members[:1], profiles[:1], Matching(), RewardConfig())
    with pytest.raises(UsageError, match="twice"):
        draw([members[0], members[0]], RewardConfig())
    with pytest.raises(UsageError, match="no negative"):
        draw([Member(key="a", held_out=("x",)), Member(key="b", held_out=("x",))], RewardConfig())
    with pytest.raises(UsageError, match="no held-out"):
        draw([Member(key="a", held_out=()), members[0]], RewardConfig())
    with pytest.raises(UsageError, match="all of one size"):
        rewards(members, [["a"], ["b", "c"], ["d"]], Matching(), RewardConfig())


def test_directions_length_and_the_floor() -> None:
    members, profiles = batch(9)
    forward = rewards(members, profiles, judge := Matching(), RewardConfig(backward=False))[0][0]
    assert (forward.total, forward.backward) == (1.0, 0.0)
    assert {one.direction for one in judge.seen} == {"forward"}
    assert rewards(members, profiles, Matching(), RewardConfig(forward=False))[0][0].total == 1.0
    assert [length_penalty(n, RewardConfig()) for n in (0, 160, 240, 320)] == [0.0, 0.0, 0.25, 0.5]
    lengths = [[320, 160, 160] for _ in members]
    profiles[4][1] = "  "
    ended = [[True, True, u != 2] for u in range(9)]
    found = rewards(members, profiles, Matching(), RewardConfig(), tokens=lengths, ended=ended)
    assert found[0][0].total == pytest.approx(1.5)
    assert found[0][0].tokens == 4 * 7
    assert [(r.total, r.floored) for r in (found[4][1], found[2][2])] == [(0.0, True)] * 2
    with pytest.raises(UsageError, match="at least one direction"):
        RewardConfig(forward=False, backward=False)


def test_the_smooth_reward_orders_what_ranks_tie_and_ends_at_the_same_values() -> None:
    assert smooth_ndcg([900.0, 0.0, -900.0], [0]) == pytest.approx(1.0)
    assert smooth_ndcg([-900.0, 0.0, 0.0], [0]) == pytest.approx(0.5)
    assert smooth_ndcg([0.2, 0.1], [0]) > smooth_ndcg([0.15, 0.1], [0]) > smooth_ndcg([0.1, 0.1], [0])
    members, profiles = batch(12)
    sharp = RewardConfig(smooth=True, temperature=0.01)
    assert rewards(members, profiles, Matching(), sharp)[0][0].total == pytest.approx(2.0)


def test_bump_plus_takes_the_nearest_users_and_the_farthest_items() -> None:
    members, _ = batch(6)
    similarity = [[float(-abs(a - b)) for b in range(6)] for a in range(6)]
    drawn: list[Draw] = draw(members, RewardConfig(negatives=2), similarity=similarity)
    assert {frozenset(d.others) for d in drawn[2:4]} == {frozenset({1, 3}), frozenset({2, 4})}
    assert hard_positives([0.9, 0.1, 0.5, 0.1], 2) == [1, 3]
    assert hard_positives([0.9, 0.1, 0.5], 1) == [1]


def test_blue_by_hand() -> None:
    assert info_nce([0.3, 0.3]) == pytest.approx(math.log(0.5))
    by_hand = math.log(math.exp(10) / (math.exp(10) + math.exp(4)))
    assert info_nce([0.5, 0.2]) == pytest.approx(by_hand)
    assert blue_reward([0.5, 0.2], [0.5, 0.2], True) == pytest.approx(by_hand + 1)
    assert blue_reward([0.3, 0.3], [0.3, 0.3], False) == pytest.approx(math.log(0.5))
