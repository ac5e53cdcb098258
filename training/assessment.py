"""What a judge is worth: how it ranks users that it never saw, how it leans, whether it knows when it is unsure.

All judges read the same lists: for each user forward and backward, K others of the same data set, letters shuffled; in
backward lists one candidate drawn at random is listed last, as in the reward. Queries are extractive profiles of the
visible history.

* accuracy@1: how often the right candidate has the best score; a tie counts in parts.
* position bias: how often the first-listed candidate wins, less 1 / (K + 1).
* calibration (ECE): |accuracy − confidence| over ten bins of confidence, weighted; confidence is the softmax of the
  scores at their best, so only judges whose scores are log-odds have one.
* abstaining: accuracy on the 80 % of lists of which it is surest, less accuracy on all.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.metrics import ndcg_from_scores
from bump_edge.models import open_model
from bump_edge.settings import load
from training.histories import User, prompt_of
from training.judges import CandidateList, Direction, Judge
from training.measures import interval, members_of, rounded
from training.reward import RewardConfig, draw

ABSTAIN = 0.2
"""Share of the lists of which a judge is least sure, that it may leave out."""

BINS = 10

LOG_ODDS = ("listwise-logits", "pointwise")
"""Judges whose scores are log-odds, so that a softmax of them is a confidence."""


def assess(
    judge: Judge,
    users: Mapping[str, Sequence[User]],
    *,
    candidates: int = 9,
    shuffles: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """The measures by data set and direction, and over all lists.

    Args:
        judge: any.
        users: by data set; at least two of each.
        candidates: K + 1 in a list.
        shuffles: presentations of each list.
        seed: of the draws.

    Returns:
        JSON-ready; `rankings` holds the candidates of each list from best to worst.
    """
    asked = lists_of(users, candidates=candidates, shuffles=shuffles, seed=seed)
    started = time.perf_counter()
    # a user at a time, as the reward asks
    judgements = [j for one in asked for j in judge.rank([one_list for one_list, _ in one[2]])]
    seconds = time.perf_counter() - started
    flat = [(dataset, user, wanted, target) for dataset, user, lists in asked for wanted, target in lists]
    rows: list[dict[str, Any]] = []
    for (dataset, user, wanted, target), found in zip(flat, judgements, strict=True):
        best = max(found.scores)
        winners = [place for place, score in enumerate(found.scores) if score == best]
        rows.append(
            {
                "dataset": dataset, "user": user, "direction": wanted.direction,
                "ndcg": ndcg_from_scores(found.scores, [target]),
                "right": (target in winners) / len(winners),
                "first": (0 in winners) / len(winners) - 1 / len(found.scores),
                "confidence": 1 / sum(math.exp(max(score - best, -700)) for score in found.scores),
                "order": tuple(sorted(range(len(found.scores)), key=lambda at: -found.scores[at])),
            }
        )  # fmt: skip
    out: dict[str, Any] = {"judge": judge.name, "lists": len(rows), "by": {}}
    for dataset in users:
        of_set = [row for row in rows if row["dataset"] == dataset]
        out["by"][dataset] = {d: _figures([r for r in of_set if r["direction"] == d]) for d in ("forward", "backward")}
        out["by"][dataset]["sum"] = _summed(of_set)
    out |= {"ndcg": _figures(rows)["ndcg"], "accuracy": _figures(rows)["accuracy"]}
    out["position_bias"] = round(statistics.fmean(row["first"] for row in rows), 3)
    if judge.name in LOG_ODDS:
        out |= {"ece": round(_ece(rows), 3), "gain_from_abstaining": round(_abstain(rows), 3)}
    out["tokens_per_list"] = round(sum(j.tokens for j in judgements) / len(rows), 1)
    out["seconds_per_list"] = round(seconds / len(rows), 4)
    out["unparsed"] = sum(not j.parsed for j in judgements)
    out["rankings"] = [row["order"] for row in rows]
    return out


def lists_of(
    users: Mapping[str, Sequence[User]], *, candidates: int, shuffles: int, seed: int
) -> list[tuple[str, str, list[tuple[CandidateList, int]]]]:
    """(data set, user, lists with the place of the right candidate), all drawn by the seed."""
    backend = open_model("extractive", load())
    config = RewardConfig(negatives=candidates - 1, shuffles=shuffles, seed=seed)
    out = []
    for dataset, group in users.items():
        members = [replace(member, held_out=member.held_out[:1]) for member in members_of(group)]
        written = generate(backend, [prompt_of(u.visible) for u in group], GenerationOptions())
        profiles = [w.text for w in written]
        for at, (member, drawn) in enumerate(zip(members, draw(members, config), strict=True)):
            chance = random.Random(f"assess {seed} {member.key}")
            negatives = [members[o].held_out[i] for o, i in zip(drawn.others, drawn.items, strict=True)]
            lists: list[tuple[CandidateList, int]] = []
            for order in drawn.forward:
                lists.append(_list("forward", profiles[at], [member.held_out[0], *negatives], order, None))
            for order in drawn.backward[0]:
                shown = [profiles[at], *(profiles[o] for o in drawn.others)]
                lists.append(_list("backward", member.held_out[0], shown, order, chance.randrange(len(shown))))
            out.append((dataset, member.key, lists))
    return out


def _list(
    direction: Direction, query: str, texts: Sequence[str], order: Sequence[int], last: int | None
) -> tuple[CandidateList, int]:
    shown = tuple(texts[at] for at in order)
    return CandidateList(direction=direction, query=query, candidates=shown, last=last), list(order).index(0)


def agreement(ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> dict[str, float]:
    """How far the `rankings` of two judges agree: share of lists with the same best, and the mean Kendall's τ."""
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "same_best": round(statistics.fmean(own[0] == other[0] for own, other in pairs), 3),
        "kendall_tau": round(statistics.fmean(kendall_tau(own, other) for own, other in pairs), 3),
    }


def kendall_tau(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Kendall's τ of two rankings of the same things, −1 to 1: pairs in the same order less pairs in the other."""
    place = {thing: at for at, thing in enumerate(theirs)}
    pairs = [(a, b) for at, a in enumerate(ours) for b in ours[at + 1 :]]
    return sum(1 if place[a] < place[b] else -1 for a, b in pairs) / len(pairs)


def table_lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The measures as a table for people, one judge a line."""
    lines = [
        f"{'judge':<20}{'NDCG':>7}{'acc@1':>8}{'bias':>8}{'ECE':>7}{'abst.':>8}{'tokens':>9}{'s/list':>9}{'tau':>8}"
    ]
    for name, one in found.items():
        shown = [f"{one[key]:.3f}" if key in one else "-" for key in ("ece", "gain_from_abstaining")]
        lines.append(
            f"{name:<20}{one['ndcg']['mean']:>7.3f}{one['accuracy']['mean']:>8.3f}{one['position_bias']:>+8.3f}"
            f"{shown[0]:>7}{shown[1]:>8}{one['tokens_per_list']:>9.1f}{one['seconds_per_list']:>9.4f}"
            + (f"{one['agreement']['kendall_tau']:>8.3f}" if "agreement" in one else f"{'-':>8}")
        )
        lines += [
            f"  {dataset:<18}forward {d['forward']['ndcg']['mean']:.3f} {d['forward']['ndcg']['ci95']}, backward "
            f"{d['backward']['ndcg']['mean']:.3f} {d['backward']['ndcg']['ci95']}, acc@1 "
            f"{d['forward']['accuracy']['mean']:.3f} and {d['backward']['accuracy']['mean']:.3f}"
            for dataset, d in one["by"].items()
        ]
    return lines


def _figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """NDCG and accuracy with intervals over users."""
    by_user: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_user.setdefault((row["dataset"], row["user"]), []).append(row)
    out = {}
    for name, key in (("ndcg", "ndcg"), ("accuracy", "right")):
        values = [statistics.fmean(row[key] for row in group) for group in by_user.values()]
        out[name] = {"mean": round(statistics.fmean(values), 3), "ci95": rounded(interval(values))}
    return out


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Forward + backward NDCG of each user, with its interval."""
    by_user: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        by_user.setdefault(row["user"], {}).setdefault(row["direction"], []).append(row["ndcg"])
    values = [sum(map(statistics.fmean, directions.values())) for directions in by_user.values()]
    return {"mean": round(statistics.fmean(values), 3), "ci95": rounded(interval(values))}


def _ece(rows: Sequence[Mapping[str, Any]]) -> float:
    bins: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        bins.setdefault(min(int(row["confidence"] * BINS), BINS - 1), []).append(row)
    return sum(
        len(group) / len(rows)
        * abs(statistics.fmean(r["right"] for r in group) - statistics.fmean(r["confidence"] for r in group))
        for group in bins.values()
    )  # fmt: skip


def _abstain(rows: Sequence[Mapping[str, Any]]) -> float:
    kept = sorted(rows, key=lambda row: -row["confidence"])[: max(1, round((1 - ABSTAIN) * len(rows)))]
    return statistics.fmean(r["right"] for r in kept) - statistics.fmean(r["right"] for r in rows)
