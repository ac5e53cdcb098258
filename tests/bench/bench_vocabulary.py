"""Pruning SmolLM2's vocabulary: does every text come out as before, how much longer is it in tokens, what does it save.

Tokens are counted in the records of users whose hash is not 0 (the split of ``../shared/data``), as the prompt shows
them, and pruned to a share of them; the records looked at are of the other users, `records` of each in turn. "Same"
compares with what the whole tokenizer gives back: it drops a few bytes that no ordinary text holds by itself.

    python -m tests.bench vocabulary --records 10000
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from bump_edge.prompts import render_interaction
from bump_edge.types import Interaction
from export.corpus import TEMPLATE_TEXTS
from export.trim import count_tokens
from export.vocabulary import prune
from tests.bench.bench_quality import DATA
from training.histories import fold_of, interactions

SETS = ("games", "instruments", "office", "artists", "movies")
COVERAGES = (0.98, 0.99, 0.995, 0.999, 1.0)


def lines(*, held_out: bool) -> Iterator[str]:
    """Records of users who are, or are not, held out; the data sets in turn."""

    def of(name: str) -> Iterator[Interaction]:
        return (i for i in interactions(DATA / f"{name}.jsonl.gz") if (fold_of(i.user_id) == 0) == held_out)

    for group in itertools.zip_longest(*map(of, SETS)):
        yield from (f"- {render_interaction(i)}\n" for i in group if i is not None)


def run(model: str = "models/smollm2", records: int = 10_000) -> dict[str, Any]:
    """Prune to each of `COVERAGES`; `model` is a checkpoint of SmolLM2, of which the tokenizer and shape are read."""
    from tokenizers import Tokenizer

    from training.models import load_tokenizer

    folder = Path(model)
    whole = load_tokenizer(folder).tokenizer
    content = orjson.loads((folder / "tokenizer.json").read_bytes())
    config = orjson.loads((folder / "config.json").read_bytes())
    width, rows = config["hidden_size"], config["vocab_size"]
    counts: Counter[int] = count_tokens(whole, lines(held_out=False))
    always = [*count_tokens(whole, TEMPLATE_TEXTS), *whole.all_special_ids]
    texts = list(itertools.islice(lines(held_out=True), records))
    full = Tokenizer.from_str(orjson.dumps(content).decode())
    before = full.encode_batch(texts, add_special_tokens=False)
    wanted = full.decode_batch([e.ids for e in before])
    out: dict[str, Any] = {
        "records": len(texts), "tokens": rows, "corpus_tokens": sum(counts.values()),
        "round_trips_whole": sum(a == b for a, b in zip(wanted, texts, strict=True)), "coverages": {},
    }  # fmt: skip
    for coverage in COVERAGES:
        pruning = prune(content, counts, coverage=coverage, always=always, rows=rows)
        small = Tokenizer.from_str(orjson.dumps(pruning.content).decode())
        after = small.encode_batch(texts, add_special_tokens=False)
        found = small.decode_batch([e.ids for e in after])
        out["coverages"][str(coverage)] = {
            "tokens": len(pruning.kept),
            "same_text": sum(a == b for a, b in zip(found, wanted, strict=True)),
            "longer": round(sum(len(e.ids) for e in after) / sum(len(e.ids) for e in before) - 1, 4),
            "float32_bytes_saved": 4 * width * (rows - len(pruning.kept)),
        }
    return out
