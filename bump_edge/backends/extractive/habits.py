"""Habits that can be counted: how a person rates, when they are active, what is new. Everything here is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bump_edge.backends.extractive.phrases import Phrase
from bump_edge.backends.extractive.reading import Entry
from bump_edge.types import HistoryStats

_TOPS = (5.0, 10.0, 100.0)


@dataclass(frozen=True, slots=True)
class Ratings:
    """How a person rates.

    Args:
        style: ``same`` (always one value), ``generous``, ``strict`` or ``range``.
        mode: the most frequent rating of the selection.
        mode_share: its share, 0 to 1.
        low, high: the smallest and the largest rating of the history.
        mean: of the history.
        low_positions: entries rated far below that mean, the lowest first.
        high_positions: entries with the highest ratings, when not nearly all have them; the newest first.
    """

    style: Literal["same", "generous", "strict", "range"]
    mode: float
    mode_share: float
    low: float
    high: float
    mean: float
    low_positions: tuple[int, ...]
    high_positions: tuple[int, ...]


def ratings(entries: Sequence[Entry], stats: HistoryStats) -> Ratings | None:
    """The rating habit; None when fewer than three entries carry a rating."""
    rated = [(e.position, e.rating) for e in entries if e.rating is not None]
    if len(rated) < 3:
        return None
    values = [r for _, r in rated]
    counts = Counter(values)
    mode = max(counts, key=lambda r: (counts[r], r))
    low = min(values) if stats.rating_min is None else min(stats.rating_min, *values)
    high = max(values) if stats.rating_max is None else max(stats.rating_max, *values)
    mean = sum(values) / len(values) if stats.rating_mean is None else stats.rating_mean
    top = next((t for t in _TOPS if high <= t), high)
    style: Literal["same", "generous", "strict", "range"]
    if low == high:
        style = "same"
    elif mean >= 0.84 * top and mode >= 0.8 * top:
        style = "generous"
    elif mean <= 0.5 * top and mode <= 0.6 * top and low >= 0:
        style = "strict"
    else:
        style = "range"
    bad = sorted((r, -p) for p, r in rated if r <= min(mean - 0.2 * top, 0.6 * top))
    good = (
        [p for p, r in rated if r == max(values)]
        if len(counts) > 1 and max(values) > mean + 0.08 * top and max(values) >= 0.7 * top
        else []
    )
    return Ratings(
        style=style,
        mode=mode,
        mode_share=counts[mode] / len(values),
        low=low,
        high=high,
        mean=mean,
        low_positions=tuple(-p for _, p in bad),
        high_positions=tuple(reversed(good)),
    )


def preferred(labels: Sequence[Phrase], entries: Sequence[Entry]) -> tuple[list[Phrase], list[Phrase]]:
    """Labels rated clearly above, and clearly below, the rest: both lists empty unless both sides exist."""
    value = {e.position: e.rating for e in entries if e.rating is not None}
    if len(value) < 10:
        return [], []
    overall = sum(value.values()) / len(value)
    spread = (sum((v - overall) ** 2 for v in value.values()) / len(value)) ** 0.5
    if spread == 0:
        return [], []
    scored = []
    for label in labels:
        mine = [value[p] for p in label.positions if p in value]
        if 4 <= len(mine) < len(value):
            z = (sum(mine) / len(mine) - overall) / (spread / len(mine) ** 0.5)
            scored.append((z, label))
    scored.sort(key=lambda s: (-s[0], s[1].text))
    up = [label for z, label in scored if z >= 1.3][:2]
    down = [label for z, label in reversed(scored) if z <= -1.3][:2]
    return (up, down) if up and down else ([], [])


def split_recent(entries: Sequence[Entry]) -> int | None:
    """The position where what is recent begins (the last third), or None where the log cannot tell.

    A log that only counts (plays for each artist) has no order; one day has no trend.
    """
    if len(entries) < 6:
        return None
    if sum(e.weight != 1.0 for e in entries) > 0.5 * len(entries) and not any(e.day for e in entries):
        return None
    cut = len(entries) - max(2, len(entries) // 3)
    first, last = entries[0].day, entries[-1].day
    if first is not None and last is not None:
        if (last - first).days < 14:
            return None
        # one burst of activity is one moment: it must not straddle the border
        while cut < len(entries) and entries[cut].day == entries[cut - 1].day:
            cut += 1
        if cut >= len(entries):
            return None
    return entries[cut].position


def new_lately(phrases: Sequence[Phrase], border: int, *, single: bool = False) -> list[Phrase]:
    """The phrases that only, or nearly only, what is recent bears out.

    Args:
        phrases: candidates.
        border: position where what is recent begins.
        single: whether one interaction is enough.
    """
    found = []
    for phrase in phrases:
        recent = sum(p >= border for p in phrase.positions)
        older = len(phrase.positions) - recent
        if (older == 0 and recent >= (1 if single else 2)) or (older and recent >= 4 and recent >= 4 * older):
            found.append((recent, phrase))
    found.sort(key=lambda f: (-f[0], -max(f[1].positions)))
    return [p for _, p in found]


def decade(entries: Sequence[Entry]) -> int | None:
    """The decade that more than half of the entries date from, by the years in their titles."""
    years = [e.item.year for e in entries if e.item is not None and e.item.year]
    if len(years) < max(4, 0.6 * len(entries)):
        return None
    best, count = Counter(y // 10 * 10 for y in years).most_common(1)[0]
    return best if count > 0.5 * len(years) else None


def rhythm(entries: Sequence[Entry]) -> tuple[str, tuple[int, ...]]:
    """A clear-cut rhythm: ``weekend``, ``season`` with its months, ``bulk`` (several on one day), or nothing.

    Hours are left alone: timestamps are kept in UTC, and nobody's evening is known from that.
    """
    days = [e.day for e in entries if e.day is not None]
    if len(days) < 6 or len(days) < 0.9 * len(entries):
        return "", ()
    distinct = sorted(set(days))
    if len(distinct) >= 8 and sum(d.weekday() >= 5 for d in distinct) >= 0.75 * len(distinct):
        return "weekend", ()
    if len({d.year for d in distinct}) >= 3 and len(distinct) >= 6:
        months = Counter(d.month for d in distinct)
        best = max(range(1, 13), key=lambda m: months[m] + months[m % 12 + 1])
        if months[best] + months[best % 12 + 1] >= 0.7 * len(distinct):
            return "season", tuple(m for m in (best, best % 12 + 1) if months[m])
    several = [d for d, n in Counter(days).items() if n >= 2]
    if len(distinct) >= 3 and len(several) >= 3 and len(several) >= 0.6 * len(distinct):
        return "bulk", ()
    return "", ()
