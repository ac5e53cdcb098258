"""Made-up histories for the benchmarks: as many lines as wanted, the words and items as skewed as in real logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 60_000
ITEMS = 100_000
_ONSETS = ["b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "k"]
_ONSETS += ["l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v", "w"]
_VOWELS = ["a", "e", "i", "o", "u", "ea", "ou"]
_CODAS = ["", "", "n", "r", "l", "s", "t", "ck", "nd"]

Array = np.ndarray[Any, Any]


def vocabulary(rng: np.random.Generator, count: int = WORDS) -> list[str]:
    """`count` different pronounceable words; the frequent ones are the short ones, as in any language."""
    seen: dict[str, None] = {}
    while len(seen) < count:
        parts = [rng.integers(0, len(p), (4096, 3)) for p in (_ONSETS, _VOWELS, _CODAS)]
        for onsets, vowels, codas in zip(*parts, strict=True):
            syllables = 1 if len(seen) < 300 else 2 if len(seen) < 20_000 else 3
            chosen = zip(onsets[:syllables], vowels, codas, strict=False)
            seen["".join(_ONSETS[o] + _VOWELS[v] + _CODAS[c] for o, v, c in chosen)] = None
    return list(seen)[:count]


def zipf(rng: np.random.Generator, size: int, count: int, exponent: float = 1.05) -> Array:
    """`count` ranks below `size`, rank r as likely as (r + 3)^-exponent."""
    weight = np.cumsum((np.arange(size) + 3.0) ** -exponent)
    return np.searchsorted(weight, rng.random(count) * weight[-1]).clip(max=size - 1)


def lines(count: int, *, users: int = 1, grouped: bool = True, seed: int = 7) -> Iterator[bytes]:
    """`count` interactions as JSON Lines, about 230 bytes and 17 words each; three in ten have a text.

    Args:
        users: how many people they are spread over.
        grouped: a user's lines together, each in time order; else the whole in time order, the users mixed.
    """
    rng = np.random.default_rng(seed)
    words = vocabulary(rng)
    lengths = rng.integers(3, 11, ITEMS)
    picked = iter(zipf(rng, WORDS, int(lengths.sum())).tolist())
    names = [" ".join(words[next(picked)] for _ in range(n)).title() for n in lengths.tolist()]
    second = 1_400_000_000
    for done in range(0, count, 20_000):
        batch = min(20_000, count - done)
        items = zipf(rng, ITEMS, batch).tolist()
        owners = (
            (np.arange(done, done + batch) * users) // count if grouped else rng.integers(0, users, batch)
        ).tolist()
        ratings = rng.integers(1, 6, batch).tolist()
        sizes = np.where(rng.random(batch) < 0.3, rng.integers(5, 66, batch), 0)
        body = zipf(rng, WORDS, int(sizes.sum())).tolist()
        steps = rng.integers(1, 600, batch).tolist()
        at = 0
        for k, size in enumerate(sizes.tolist()):
            second += steps[k]
            row: dict[str, object] = {
                "user_id": f"user-{owners[k]:06d}",
                "timestamp": datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z"),
                "type": "review" if size else "purchase",
                "item": names[items[k]],
                "rating": float(ratings[k]),
                "text": " ".join(words[w] for w in body[at : at + size]) or None,
            }
            at += size
            yield json.dumps(row).encode() + b"\n"


def write(path: Path, count: int, *, users: int = 1, grouped: bool = True, seed: int = 7) -> None:
    """Write `lines` to a file."""
    with path.open("wb") as out:
        out.writelines(lines(count, users=users, grouped=grouped, seed=seed))
