"""Ranking metrics, shared by the reward, the judge, the evaluation and the reports: NDCG and Okapi BM25.

Policies, the same everywhere:

* gain: binary; a positive at rank r is worth 1 / log2(r + 1), divided by what the best ranking would give.
* ties: **expected**. Equal scores share the mean discount of the ranks that they take up, which is the mean over all
  ways to break the tie (scikit-learn's ``ignore_ties=False``). A constant judge gets chance, neither 0 nor 1.
* empty: a ranking without a positive has no NDCG and is an error, not a 0 that would drag a mean down unseen.

Source of the formulas: BUMP (arXiv 2606.05336), R_fwd and R_bwd; Robertson & Zaragoza 2009 for BM25.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

from bump_edge.errors import UsageError


def discount(rank: int) -> float:
    """What a positive at `rank` (≥ 1) is worth before normalising: 1 / log2(rank + 1)."""
    if rank < 1:
        raise UsageError(f"rank is {rank}: expected 1 for the best or more")
    return 1 / math.log2(rank + 1)


def ndcg(ranks: Collection[int], positives: int | None = None) -> float:
    """Multi-positive NDCG of one ranking, in (0, 1].

    Args:
        ranks: the rank of each positive, 1 for the best; distinct.
        positives: how many positives there are, where `ranks` may hold fewer because a ranking was cut; at least
            ``len(ranks)``, and that number when None.

    Raises:
        UsageError: no positive, fewer positives than ranks, a rank below 1 or twice.
    """
    count = len(ranks) if positives is None else positives
    if count < 1 or count < len(ranks) or len(set(ranks)) != len(ranks):
        raise UsageError(
            f"ranks {sorted(ranks)} of {count} positives: expected distinct ranks and at least one positive"
        )
    return sum(discount(r) for r in ranks) / sum(discount(j) for j in range(1, count + 1))


def ndcg_from_scores(scores: Sequence[float], positives: Collection[int]) -> float:
    """NDCG of the ranking by descending score, in its expectation over ties.

    Args:
        scores: one score a candidate; finite.
        positives: positions in `scores` of the positives; at least one.

    Raises:
        UsageError: no positive, a position outside `scores`, a score that is not finite.
    """
    wanted = set(positives)
    if not wanted or not all(0 <= p < len(scores) for p in wanted):
        raise UsageError(f"positives {sorted(wanted)} of {len(scores)} candidates: expected at least one of them")
    if not all(math.isfinite(s) for s in scores):
        raise UsageError("a score is not finite: expected one number a candidate")
    groups: dict[float, list[int]] = {}
    for position, score in enumerate(scores):
        groups.setdefault(score, []).append(position)
    gain, rank = 0.0, 1
    for score in sorted(groups, reverse=True):
        members = groups[score]
        hits = sum(position in wanted for position in members)
        if hits:
            gain += hits * sum(discount(r) for r in range(rank, rank + len(members))) / len(members)
        rank += len(members)
    return gain / sum(discount(j) for j in range(1, len(wanted) + 1))


def chance_ndcg(positives: int, candidates: int) -> float:
    """The expected NDCG of a random ranking of `candidates` with `positives` among them (1 ≤ positives ≤ candidates).

    One positive among nine gives 0.4727.
    """
    return ndcg_from_scores([0.0] * candidates, range(positives))


def bm25_scores(
    query: Collection[str], docs: Sequence[Collection[str]], *, k1: float = 1.2, b: float = 0.75
) -> list[float]:
    """Okapi BM25 of each document for a query; the documents are the whole collection.

    Args:
        query: terms; a repeated one counts once.
        docs: the terms of each document, with repeats.
        k1: ≥ 0, how soon repeats stop to count.
        b: in [0, 1], how much long documents are held back.

    Returns:
        One score ≥ 0 a document: the inverse document frequency is log(1 + (N − n + ½) / (n + ½)), never negative. A
        query that meets nothing gives zeros.
    """
    counts = [Counter(doc) for doc in docs]
    lengths = [sum(c.values()) for c in counts]
    mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
    scores = [0.0] * len(docs)
    for term in sorted(set(query)):  # sorted: the same sum, to the last bit, in every process
        having = sum(term in c for c in counts)
        if not having:
            continue
        idf = math.log(1 + (len(docs) - having + 0.5) / (having + 0.5))
        for position, c in enumerate(counts):
            if tf := c.get(term, 0):
                scores[position] += idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * lengths[position] / mean))
    return scores
