"""Retrieval from a million interactions: `Store.search` against FTS5's own ``bm25()`` and against ``LIKE``.

FTS5's ``bm25()`` here has an index of positions of its own, all users in it, and picks the user's rows out of the
matches: it is what one would write first, and one user's data move another's results. Queries are 3 to 8 words drawn as
the log draws them, so that most hold some of the most frequent words.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bump_edge.store import Store
from tests.bench.histories import WORDS, vocabulary, write, zipf

LINES = 1_000_000
SEED = 7


def queries(count: int) -> list[str]:
    """The same for every run; the words as frequent as in the histories."""
    rng = np.random.default_rng(SEED)
    words = vocabulary(rng)
    rng = np.random.default_rng(SEED + 1)
    return [" ".join(words[w] for w in zipf(rng, WORDS, int(rng.integers(3, 9)))) for _ in range(count)]


def percentiles(ask: Callable[[str, str], object], users: list[str], asked: list[str]) -> dict[str, float]:
    """Milliseconds of one query after another, each for some user; the first tenth warms up."""
    rng = random.Random(SEED)
    times = []
    for query in asked:
        user = rng.choice(users)
        begun = time.perf_counter()
        ask(user, query)
        times.append(1000 * (time.perf_counter() - begun))
    kept = sorted(times[len(times) // 10 :])
    return {"p50_ms": round(kept[len(kept) // 2], 2), "p95_ms": round(kept[int(len(kept) * 0.95)], 2)}


def measure(users: int, folder: Path) -> dict[str, Any]:
    """Figures of one million interactions of so many users."""
    source, path = folder / "lines.jsonl", folder / f"{users}.db"
    write(source, LINES, users=users, grouped=False)
    with Store(path) as store:
        store.ingest_file(source)
        source.unlink()
        everyone = [u.user_id for u in store.users()]
        ours = percentiles(lambda user, query: store.search(user, query), everyone, queries(300))
        first = percentiles(lambda user, query: store.search(user, query, limit=50), everyone, queries(100))
        with store._connection.use() as sql:
            sql.execute("CREATE VIRTUAL TABLE naive USING fts5(item, text, content='interactions', content_rowid='id')")
            sql.execute("INSERT INTO naive(naive) VALUES ('rebuild')")

            def naive(user: str, query: str) -> object:
                match = " OR ".join(f'"{word}"' for word in query.split())
                return sql.execute(
                    "SELECT i.id FROM naive JOIN interactions AS i ON i.id = naive.rowid JOIN users ON no = i.user_no "
                    "WHERE naive MATCH ? AND user_id = ? ORDER BY bm25(naive) LIMIT 5",
                    (match, user),
                ).fetchall()

            def like(user: str, query: str) -> object:
                words = [f"%{word}%" for word in query.split()]
                score = " + ".join("(coalesce(item, '') || ' ' || coalesce(text, '') LIKE ?)" for _ in words)
                return sql.execute(
                    f"SELECT id, {score} AS score FROM interactions WHERE user_no = "  # noqa: S608
                    "(SELECT no FROM users WHERE user_id = ?) ORDER BY score DESC LIMIT 5",
                    (*words, user),
                ).fetchall()

            bm25 = percentiles(naive, everyone, queries(20))
            scan = percentiles(like, everyone, queries(10))
    size = path.stat().st_size
    path.unlink()
    return {
        **ours,
        "limit_50": first,
        "fts5_bm25": bm25,
        "like": scan,
        "ratio_to_fts5_bm25": round(ours["p50_ms"] / bm25["p50_ms"], 4),
        "ratio_to_like": round(ours["p50_ms"] / scan["p50_ms"], 4),
        "store_bytes_with_naive_index": size,
    }


def run() -> dict[str, Any]:
    """Percentiles for one user with everything, and for 10,000 users."""
    with tempfile.TemporaryDirectory() as name:
        one, many = measure(1, Path(name)), measure(10_000, Path(name))
    return {"interactions": LINES, "aim": {"p50_ms": 10}, "one_user": one, "users_10000": many}
