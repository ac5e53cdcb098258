"""BLUE's reward (arXiv 2605.06981), with which the same stage trains: objective = "blue" in [reward].

½ (InfoNCE of profile and held-out interaction, both ways, by a frozen encoder) + λ · [the judge chooses the next item
rightly from the profile alone] − R_len. The others and the shuffles are those of `reward.draw`.

Departs from the paper, known here at second hand: the formula is ours; the encoder is MiniLM, not Qwen3-Embedding-0.6B;
negatives are K of the batch, not all of it; the choice is the mean over M shuffles; the length term is BUMP's.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from training.judges import CandidateList, Judge
from training.reward import (
    Draw,
    Member,
    Reward,
    RewardConfig,
    is_lost,
    length_penalty,
    rank_once,
    rollout_of_others,
)


def info_nce(scores: Sequence[float], own: int = 0, temperature: float = 0.05) -> float:
    """Log softmax of the own candidate's cosine among all, ≤ 0: one half of BLUE's first reward before the ½."""
    top = max(scores)
    logs = [(score - top) / temperature for score in scores]
    return logs[own] - math.log(sum(math.exp(value) for value in logs))


def blue_reward(
    forward: Sequence[float],
    backward: Sequence[float],
    correct: bool,
    *,
    temperature: float = 0.05,
    weight: float = 1.0,
) -> float:
    """BLUE (arXiv 2605.06981), formula [ours]: ½ (InfoNCE forward + backward) + λ · 1[next item chosen rightly].

    Args:
        forward: cosines of the profile with the held-out interactions, the own one first.
        backward: cosines of the own held-out interaction with the profiles, the own one first.
        correct: whether the next item was chosen from the profile alone.
        temperature: τ. weight: λ.
    """
    both = info_nce(forward, 0, temperature) + info_nce(backward, 0, temperature)
    return 0.5 * both + weight * correct


def blue_rewards(
    members: Sequence[Member],
    profiles: Sequence[Sequence[str]],
    judge: Judge,
    encode: Callable[[Sequence[str]], Sequence[Any]],
    config: RewardConfig,
    *,
    step: int,
    tokens: Sequence[Sequence[int]],
    ended: Sequence[Sequence[bool]],
    draws: Sequence[Draw],
    only: Sequence[int],
) -> list[list[Reward]]:
    """The reward of every rollout of the members at the positions `only`; see `reward.rewards`.

    A `Reward` here has the two InfoNCE terms, ≤ 0, as forward and backward, and may be negative; a lost rollout gets
    the lowest reward of its group less one, as 0 is no floor.
    """
    picked = rollout_of_others(step, len(profiles[0]), config.seed)
    out: list[list[Reward]] = []
    for user in only:
        drawn = draws[user]
        own = members[user].held_out[0]
        records = [own, *(members[o].held_out[i] for o, i in zip(drawn.others, drawn.items, strict=True))]
        others = [profiles[o][picked] for o in drawn.others]
        kept = [at for at, text in enumerate(profiles[user]) if not is_lost(text, ended, user, at)]
        chosen, cost, unparsed = _choices(records, drawn, [profiles[user][at] for at in kept], judge)
        row = [Reward(total=0.0, floored=True) for _ in profiles[user]]
        for at, correct, read, bad in zip(kept, chosen, cost, unparsed, strict=True):
            profile = profiles[user][at]
            query, item, *rest = encode([profile, own, *records[1:], *others])
            forward = [float(query @ vector) for vector in (item, *rest[: len(records) - 1])]
            backward = [float(item @ vector) for vector in (query, *rest[len(records) - 1 :])]
            length = length_penalty(tokens[user][at], config)
            row[at] = Reward(
                total=blue_reward(forward, backward, False) + correct - length, forward=info_nce(forward),
                backward=info_nce(backward), length=length, tokens=read, unparsed=bad,
            )  # fmt: skip
        floor = min((reward.total for reward in row if not reward.floored), default=1.0) - 1
        out.append([Reward(total=floor, floored=True) if reward.floored else reward for reward in row])
    return out


def _choices(
    records: Sequence[str], drawn: Draw, profiles: Sequence[str], judge: Judge
) -> tuple[list[float], list[int], list[int]]:
    """For each profile: how often its owner's next item is ranked first; tokens that the judge read; repairs."""
    single = [[at for at in order if at == 0 or at >= len(order) - len(records) + 1] for order in drawn.forward]
    orders = single if judge.reads_order else single[:1]
    first = len(drawn.forward[0]) - len(records)  # with P > 1 the other positives are no candidates
    shown = [[0 if at == 0 else at - first for at in order] for order in orders]
    lists = [
        CandidateList(direction="forward", query=profile, candidates=tuple(records[at] for at in order))
        for profile in profiles
        for order in shown
    ]
    found = rank_once(judge, lists)
    right: list[float] = []
    for judgement, order in zip(found, [order for _ in profiles for order in shown], strict=True):
        best = max(judgement.scores)
        winners = [at for at, score in zip(order, judgement.scores, strict=True) if score == best]
        right.append((0 in winners) / len(winners))
    many = len(shown)
    parts = [slice(at * many, (at + 1) * many) for at in range(len(profiles))]
    return (
        [statistics.fmean(right[part]) for part in parts],
        [sum(j.tokens for j in found[part]) for part in parts],
        [sum(not j.parsed for j in found[part]) for part in parts],
    )
