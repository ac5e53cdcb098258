"""What an update reads against what a full rewrite reads, in a real tokenizer's tokens, over the length of the history.

One user has the real records of many users of a set of ``../shared/data``, the ten newest of them new. Both
prompts are those that `Profiler` makes, counted by SmolLM2's tokenizer: whole (`prompt`), and without the fixed prefix,
whose state a backend keeps (`read`). The profile in the update is the one that the extractive backend wrote.
"""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from bump_edge import ExtractiveBackend, Profiler, ProfilerOptions, Store
from bump_edge.backends.gguf import GgufBackend
from tests.real_models import smollm2_gguf

DATA = Path(__file__).parents[3] / "shared" / "data"
SETS = ("office", "games", "instruments", "artists", "movies")
PAST = (10, 100, 1_000, 10_000)
NEW = 10


class Counting(ExtractiveBackend):
    """Writes as ever, and budgets and counts in a real model's tokens."""

    def __init__(self, tokenizer: GgufBackend) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def count_tokens(self, text: str) -> int:
        return self._tokenizer.count_tokens(text)


def run() -> dict[str, Any]:
    """Tokens of both prompts for each set and length, and their ratio."""
    tokenizer = GgufBackend(smollm2_gguf())
    sets: dict[str, Any] = {}
    for name in SETS:
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            raw = [json.loads(line) for line in islice(lines, max(PAST) + NEW)]
        # in time order, so that the ten are the newest; users without times are mixed as one log would have them
        random.Random(0).shuffle(raw)
        raw.sort(key=lambda r: str(r.get("timestamp") or ""))
        sets[name] = {}
        for past in PAST:
            if len(raw) < past + NEW:
                continue
            with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.db") as store:
                sets[name][past] = measure(store, raw[: past + NEW], past, tokenizer)
    tokenizer.close()
    return {"new": NEW, "aim": {"ratio_at_1000": 0.25}, "sets": sets}


def measure(store: Store, raw: list[dict[str, Any]], past: int, tokenizer: GgufBackend) -> dict[str, Any]:
    """Both prompts for one history."""
    backend = Counting(tokenizer)

    def ingest(lines: list[dict[str, Any]], number: int) -> None:
        path = store.path.with_name(f"{number}.jsonl")
        path.write_text("".join(json.dumps({**line, "user_id": "u"}) + "\n" for line in lines), encoding="utf-8")
        store.ingest_file(path)

    ingest(raw[:past], 1)
    # At 10 past ones half of the history is new, and what many people did fades quickly: an update all the same, for
    # the curve.
    options = ProfilerOptions(rewrite_share=1.0, fade_interactions=1_000_000)
    profiler = Profiler(store, backend, options=options)
    profiler.profile("u")
    ingest(raw[past:], 2)
    tokens: dict[str, Any] = {}
    for mode, anew in (("update", False), ("rewrite", True)):
        prompt = profiler._tasks.make("u", anew=anew).prompt
        assert (prompt.profile is None) == anew
        whole = sum(tokenizer.count_tokens(m["content"]) for m in prompt.messages)
        tokens[mode] = {
            "interactions": len(prompt.interactions),
            "prompt": whole,
            "read": whole - tokenizer.count_tokens(prompt.system),
        }
    return tokens | {
        f"ratio_{what}": round(tokens["update"][what] / tokens["rewrite"][what], 3) for what in ("prompt", "read")
    }


if __name__ == "__main__":
    print(run())
