"""Ingest of a million lines, with the search index, against a bare ``json.loads`` + ``executemany`` into a plain table.

The bare loop commits every 10,000 rows, hashes nothing, checks nothing, indexes nothing, and so knows no duplicates.
Both run in processes of their own on the same file, in turns; the ratio is that of the best runs.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from tests.bench.histories import write

LINES = 1_000_000
SHAPES: dict[str, dict[str, Any]] = {
    "one_user": {"users": 1},
    "users_10000": {"users": 10_000},
    "users_10000_mixed": {"users": 10_000, "grouped": False},
}


def bare(source: str, target: str) -> None:
    """The loop that anyone would write first."""
    connection = sqlite3.connect(target)
    connection.execute("CREATE TABLE log(user_id, timestamp, type, item, text, rating, meta)")
    keys = ("user_id", "timestamp", "type", "item", "text", "rating", "meta")
    with Path(source).open(encoding="utf-8") as file:
        rows = (tuple(map(json.loads(line).get, keys)) for line in file)
        while batch := list(islice(rows, 10_000)):
            connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", batch)
            connection.commit()
    connection.close()


def ours(source: str, target: str) -> None:
    """The same file through the store."""
    from bump_edge.store import Store

    with Store(target) as store:
        report = store.ingest_file(source)
        assert (report.added, report.skipped) == (LINES, {})


def timed(which: str, source: Path, folder: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one run in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        command = [sys.executable, "-m", "tests.bench.bench_ingest", which, str(source), f"{inner}/x.db"]
        seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


def run(repeats: int = 2) -> dict[str, Any]:
    """Rates in lines a second, ratios to the bare loop, and the peak memory of the process that ingests."""
    figures: dict[str, Any] = {"lines": LINES, "aim": {"ratio": 0.5, "peak_mib": 250}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shape, options in SHAPES.items():
            source = folder / "lines.jsonl"
            write(source, LINES, **options)
            found: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
            for _ in range(repeats):
                for which, results in found.items():
                    results.append(timed(which, source, folder))
            best = {which: min(seconds for seconds, _ in results) for which, results in found.items()}
            figures[shape] = {
                "ratio": round(best["bare"] / best["ours"], 3),
                "bare_per_s": round(LINES / best["bare"]),
                "ours_per_s": round(LINES / best["ours"]),
                "peak_mib": round(max(peak for _, peak in found["ours"])),
                "bytes_in": source.stat().st_size,
            }
    figures["ratio"] = figures["one_user"]["ratio"]
    return figures


if __name__ == "__main__":
    started = time.perf_counter()
    {"bare": bare, "ours": ours}[sys.argv[1]](*sys.argv[2:])
    spent = time.perf_counter() - started
    print(
        spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    )
