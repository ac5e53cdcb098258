"""The BUMP reward: a profile is good when it finds its user's held-out interactions, and they find it.

    R = R_fwd + R_bwd − R_len                                              (arXiv 2606.05336, unweighted sum)

Pure functions over texts and a judge; nothing here trains. Departs from the paper, which leaves these open:

* the K other users, the one rollout of each that is a candidate, and the M shuffles are drawn **once per user and
  step** and shared by all G rollouts, because GRPO compares inside the group (`draw`). They depend on the seed, the
  step and the names of the users alone: neither on the order of a batch nor on which process holds whom;
* another rollout of the same user is never a candidate;
* a held-out interaction with the text of one of the user's own is never a negative, nor is a text twice. Profiles are
  never dropped for being equal: a generic profile must tie, not win;
* fewer than K other users: all of them; none: an error. A profile that is empty or never ended gets 0, and is counted.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bump_edge.errors import UsageError
from bump_edge.metrics import discount, ndcg_from_scores
from training.config import check_ranges
from training.judges import CandidateList, Direction, Judge, Judgement


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardConfig:
    """Settings of the reward.

    Args:
        objective: ``bump``, or ``blue``: see `training.blue`.
        hard: BUMP+: the held-out interactions least like the visible history are the positives, and the users with the
            most alike histories the negatives of the backward direction.
        stability_weight: of the agreement of a profile with the one that the policy writes from the same interactions
            in another order, ≥ 0.
        dropped_weight: times the share of a profile's sentences that the product's checks would not store is taken
            off, ≥ 0: ranks do not see whether a sentence is true. [ours]
        stored: the judge reads what the device would store of a profile, not all that was written, so that a name
            that no record bears out earns nothing. [ours]
        lost_weight: times the share of a profile's words that the device would not store is taken off, ≥ 0. [ours]
        negatives: K, other users in one ranking, ≥ 1.
        shuffles: M, presentations of each list to a judge that reads their order, ≥ 1.
        forward, backward: which directions count; at least one.
        length_weight: λ of the length term, ≥ 0.
        length_threshold: T, in policy tokens; no penalty up to it; ≥ 1.
        smooth: take the positive's expected rank under the judge's candidate probabilities in place of its rank, so
            that few rewards tie; see `smooth_ndcg`.
        temperature: of these probabilities, in the judge's scores, > 0.
        seed: of every draw.
    """

    objective: str = "bump"
    hard: bool = False
    stability_weight: float = 0.0
    dropped_weight: float = 0.0
    stored: bool = False
    lost_weight: float = 0.0
    negatives: int = 8
    shuffles: int = 2
    forward: bool = True
    backward: bool = True
    length_weight: float = 0.5
    length_threshold: int = 160
    smooth: bool = False
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            self, negatives=(1, 1000), shuffles=(1, 100), length_weight=(0, 1000), length_threshold=(1, 10**6),
            temperature=(1e-6, 1e6), stability_weight=(0, 1000),
            dropped_weight=(0, 1000), lost_weight=(0, 1000),
        )  # fmt: skip
        if self.objective not in ("bump", "blue"):
            raise UsageError(f"objective is {self.objective!r}: expected bump or blue")
        if not (self.forward or self.backward):
            raise UsageError("forward and backward are both false: expected at least one direction")


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A user of a batch, as texts.

    Args:
        key: a name that no other member has.
        held_out: the P held-out interactions; at least one, all of them positives.
        visible: the visible ones: none of their texts may be a negative.
    """

    key: str
    held_out: tuple[str, ...]
    visible: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """What all rollouts of one user share in one step.

    Args:
        others: positions in the batch of the K other users.
        items: which held-out interaction of each of them is the forward negative.
        forward: M permutations of the P + K candidates: own held-out interactions, then the negatives.
        backward: for each own held-out interaction M permutations of the 1 + K candidates: own profile, then others'.
    """

    others: tuple[int, ...]
    items: tuple[int, ...]
    forward: tuple[tuple[int, ...], ...]
    backward: tuple[tuple[tuple[int, ...], ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """The reward of one rollout.

    Args:
        total: R; 0 where `floored`.
        forward, backward: the mean NDCG over shuffles (and, backward, over interactions), in (0, 1]; 0 where the
            direction is switched off.
        length: R_len ≥ 0, which is taken off.
        stability: agreement with the profile of another order, 0 to 1; its weight is in `total`.
        dropped: share of its sentences that the product would not store, 0 to 1; its weight is in `total`.
        lost: share of its words that the device would not store, 0 to 1; its weight is in `total`.
        floored: the profile was empty or never ended.
        unparsed: answers of the judge that had to be repaired.
        tokens: tokens that the judge read and wrote.
    """

    total: float
    forward: float = 0.0
    backward: float = 0.0
    length: float = 0.0
    stability: float = 0.0
    dropped: float = 0.0
    lost: float = 0.0
    floored: bool = False
    unparsed: int = 0
    tokens: int = 0


def length_penalty(tokens: int, config: RewardConfig) -> float:
    """R_len = λ · max(0, (tokens − T) / T); `tokens` of the policy's tokenizer."""
    return config.length_weight * max(0.0, (tokens - config.length_threshold) / config.length_threshold)


def smooth_ndcg(scores: Sequence[float], positives: Sequence[int], temperature: float = 1.0) -> float:
    """NDCG at the expected ranks of the positives under the judge's candidate probabilities, in (0, 1].

    With p ∝ exp(score / temperature) candidate j comes before i with p_j / (p_i + p_j) (Bradley and Terry 1952), so
    E[r_i] = 1 + Σ_j sigmoid((s_j − s_i) / temperature). [ours: the paper has ranks only]
    """
    gain = 0.0
    for own in positives:
        gaps = ((other - scores[own]) / temperature for at, other in enumerate(scores) if at != own)
        rank = 1 + sum(0.5 * (1 + math.tanh(gap / 2)) for gap in gaps)  # sigmoid, without overflow
        gain += 1 / math.log2(rank + 1)
    return gain / sum(discount(j) for j in range(1, len(positives) + 1))


def rollout_of_others(step: int, rollouts: int, seed: int = 0) -> int:
    """Which rollout of every other user is a candidate in this step, 0 to `rollouts` − 1."""
    return random.Random(f"{seed} {step} rollout").randrange(rollouts)


def draw(
    members: Sequence[Member],
    config: RewardConfig,
    step: int = 0,
    *,
    similarity: Sequence[Sequence[float]] | None = None,
) -> list[Draw]:
    """One `Draw` a member.

    Args:
        members: the batch, over all processes.
        config: K, M and the seed.
        step: of the training; another one draws anew.
        similarity: BUMP+: how alike the visible histories of each two members are; the K most alike are then the other
            users, in place of random ones.

    Raises:
        UsageError: a name twice, a member without a held-out interaction, or one that nobody can stand against.
    """
    keys = [member.key for member in members]
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UsageError(f"user {twice!r} is in the batch twice: expected each user once, with all its rollouts")
    by_name = sorted(range(len(members)), key=keys.__getitem__)
    return [_draw(own, members, by_name, config, step, similarity) for own in range(len(members))]


def _draw(
    own: int, members: Sequence[Member], by_name: Sequence[int], config: RewardConfig, step: int,
    similarity: Sequence[Sequence[float]] | None,
) -> Draw:  # fmt: skip
    member = members[own]
    if not member.held_out:
        raise UsageError(f"user {member.key!r} has no held-out interaction: expected at least one")
    chance = random.Random(f"{config.seed} {step} {member.key}")
    pool = [other for other in by_name if other != own]
    if similarity is None:
        chance.shuffle(pool)
    else:
        pool.sort(key=lambda other: -similarity[own][other])
    taken = {*member.held_out, *member.visible}
    others: list[int] = []
    items: list[int] = []
    for other in pool:
        if len(others) == config.negatives:
            break
        free = [at for at, text in enumerate(members[other].held_out) if text not in taken]
        if free:
            item = chance.choice(free)
            taken.add(members[other].held_out[item])
            others.append(other)
            items.append(item)
    if not others:
        raise UsageError(
            f"user {member.key!r} has no negative among {len(members)} users: expected at least two users in a batch, "
            "with held-out interactions that differ; make the batch larger"
        )
    count = len(member.held_out)
    return Draw(
        others=tuple(others),
        items=tuple(items),
        forward=_shuffles(chance, count + len(others), config.shuffles),
        backward=tuple(_shuffles(chance, 1 + len(others), config.shuffles) for _ in range(count)),
    )


def _shuffles(chance: random.Random, size: int, times: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(chance.sample(range(size), size)) for _ in range(times))


def hard_positives(similarity: Sequence[float], count: int) -> list[int]:
    """BUMP+: positions of the `count` held-out interactions that are least like the visible history's centroid.

    Args:
        similarity: of each held-out interaction with the centroid (frozen encoder); equal ones keep their order.
        count: P, ≥ 1.
    """
    return sorted(sorted(range(len(similarity)), key=lambda at: similarity[at])[:count])


def rewards(
    members: Sequence[Member],
    profiles: Sequence[Sequence[str]],
    judge: Judge,
    config: RewardConfig,
    *,
    step: int = 0,
    tokens: Sequence[Sequence[int]] | None = None,
    ended: Sequence[Sequence[bool]] | None = None,
    draws: Sequence[Draw] | None = None,
    only: Sequence[int] | None = None,
) -> list[list[Reward]]:
    """The reward of every rollout of every member.

    Args:
        members: N users, over all processes.
        profiles: N × G texts.
        judge: ranks all lists of the batch in one call; equal lists once.
        config: see `RewardConfig`.
        step: of the training.
        tokens: N × G lengths in policy tokens; without them there is no length term.
        ended: N × G; False where a profile was cut by the token limit.
        draws: what `draw` gave for these members; drawn here without.
        only: positions of the members to compute, where others are computed elsewhere. The judge is then called once a
            member, so that what it reads together does not depend on who computes whom.

    Returns:
        N × G rewards; or one row for each of `only`.

    Raises:
        UsageError: see `draw`; or groups of different sizes.
    """
    sizes = {len(group) for group in profiles}
    if len(profiles) != len(members) or len(sizes) != 1 or 0 in sizes:
        raise UsageError(
            f"{len(profiles)} groups of {sorted(sizes)} profiles for {len(members)} users: expected as many groups as "
            "users, all of one size"
        )
    draws = draw(members, config, step) if draws is None else draws
    picked = rollout_of_others(step, sizes.pop(), config.seed)
    parts: Sequence[Sequence[int]] = [range(len(members))] if only is None else [[user] for user in only]
    found = (_rewards_of(part, members, profiles, judge, config, tokens, ended, draws, picked) for part in parts)
    return [row for rows in found for row in rows]


def _rewards_of(
    users: Sequence[int], members: Sequence[Member], profiles: Sequence[Sequence[str]], judge: Judge,
    config: RewardConfig, tokens: Sequence[Sequence[int]] | None, ended: Sequence[Sequence[bool]] | None,
    draws: Sequence[Draw], picked: int,
) -> list[list[Reward]]:  # fmt: skip
    """The rewards of `users`, by one call of the judge."""
    lists: list[CandidateList] = []
    plan: list[tuple[int, int, str, tuple[int, ...]]] = []  # user, rollout, direction, where the positives stand
    for user in users:
        for rollout, profile in enumerate(profiles[user]):
            if is_lost(profile, ended, user, rollout):
                continue
            others = [profiles[other][picked] for other in draws[user].others]
            for wanted, positives in _lists(members, user, profile, others, draws[user], judge.reads_order, config):
                plan.append((user, rollout, wanted.direction, positives))
                lists.append(wanted)
    gains: dict[tuple[int, int, str], list[float]] = {}
    unparsed: dict[tuple[int, int], int] = {}
    cost: dict[tuple[int, int], int] = {}
    for (user, rollout, direction, positives), judgement in zip(plan, rank_once(judge, lists), strict=True):
        if not all(map(math.isfinite, judgement.scores)):
            gain = math.nan  # the run is told, and stops if it goes on: `training.rewarding.Watch`
        elif config.smooth:
            gain = smooth_ndcg(judgement.scores, positives, config.temperature)
        else:
            gain = ndcg_from_scores(judgement.scores, positives)
        gains.setdefault((user, rollout, direction), []).append(gain)
        unparsed[user, rollout] = unparsed.get((user, rollout), 0) + (not judgement.parsed)
        cost[user, rollout] = cost.get((user, rollout), 0) + judgement.tokens
    out: list[list[Reward]] = []
    for user in users:
        row: list[Reward] = []
        for rollout, profile in enumerate(profiles[user]):
            if is_lost(profile, ended, user, rollout):
                row.append(Reward(total=0.0, floored=True))
                continue
            forward = _mean(gains.get((user, rollout, "forward")))
            backward = _mean(gains.get((user, rollout, "backward")))
            length = length_penalty(tokens[user][rollout], config) if tokens is not None else 0.0
            row.append(
                Reward(
                    total=forward + backward - length, forward=forward, backward=backward, length=length,
                    unparsed=unparsed[user, rollout], tokens=cost[user, rollout],
                )
            )  # fmt: skip
        out.append(row)
    return out


def rank_once(judge: Judge, lists: Sequence[CandidateList]) -> list[Judgement]:
    """`judge.rank`, where equal lists are ranked once; the cost is told of the first of them."""
    distinct = list(dict.fromkeys(lists))
    known = dict(zip(distinct, judge.rank(distinct), strict=True))
    out: list[Judgement] = []
    seen: set[CandidateList] = set()
    for one in lists:
        out.append(replace(known[one], tokens=0) if one in seen else known[one])
        seen.add(one)
    return out


def _mean(values: Sequence[float] | None) -> float:
    return statistics.fmean(values) if values else 0.0


def is_lost(profile: str, ended: Sequence[Sequence[bool]] | None, user: int, rollout: int) -> bool:
    """Whether a rollout gets the floor: an empty profile, or one that never ended."""
    return not profile.strip() or (ended is not None and not ended[user][rollout])


def _lists(
    members: Sequence[Member], user: int, profile: str, others: Sequence[str], drawn: Draw, reads_order: bool,
    config: RewardConfig,
) -> list[tuple[CandidateList, tuple[int, ...]]]:  # fmt: skip
    own = members[user].held_out
    out: list[tuple[CandidateList, tuple[int, ...]]] = []

    def add(
        direction: Direction, query: str, candidates: Sequence[str], count: int, orders: Sequence[Sequence[int]]
    ) -> None:
        for order in orders if reads_order else orders[:1]:
            shown = tuple(candidates[at] for at in order)
            positives = tuple(place for place, at in enumerate(order) if at < count)
            last = order.index(0) if direction == "backward" else None  # the own profile, which a group does not share
            out.append((CandidateList(direction=direction, query=query, candidates=shown, last=last), positives))

    if config.forward:
        negatives = [members[o].held_out[i] for o, i in zip(drawn.others, drawn.items, strict=True)]
        add("forward", profile, [*own, *negatives], len(own), drawn.forward)
    if config.backward:
        for interaction, orders in zip(own, drawn.backward, strict=True):
            add("backward", interaction, [profile, *others], 1, orders)
    return out
