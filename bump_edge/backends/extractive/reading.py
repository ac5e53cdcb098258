"""A prompt's interactions read once: what was done to what, with which labels, weights and ratings."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bump_edge.backends.extractive.lexicon import COMMON_LABELS, LOWERED_KEYS
from bump_edge.backends.extractive.names import Item, clean, read_item, speakable
from bump_edge.backends.extractive.phrases import Phrase, key_of
from bump_edge.text import fold, words
from bump_edge.types import Interaction, meta_labels
from bump_edge.vocabulary import act_of, count_of

_TAGGED = re.compile(r"^\s*(?:tagged|tags?)\s*:\s*(.+)$", re.I | re.S)
_NOT_THE_USER = frozenset(("assistant", "system", "bot", "tool", "model", "ai"))
_OPINIONS = frozenset(("review", "rate"))
_SHORT_TEXT_WORDS = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One interaction read.

    Args:
        position: in the selection, oldest first.
        act: the class of its type, see `vocabulary.act_of`.
        item: the item, or a short text (a search, a note) taken for one.
        written: whether the item is such a text.
        text: a longer text; empty without one.
        labels: display form of each label.
        weight: how much of it, where `meta` counts that; 1 otherwise.
        rating: as in the log.
        day: UTC day.
    """

    position: int
    act: str
    item: Item | None
    written: bool
    text: str
    labels: tuple[str, ...]
    weight: float
    rating: float | None
    day: date | None


def read(interactions: Sequence[Interaction]) -> list[Entry]:
    """Read a selection; turns that others wrote (``meta.role`` assistant, system, tool) are left out."""
    mine = [(p, i) for p, i in enumerate(interactions) if str(i.meta.get("role", "")).lower() not in _NOT_THE_USER]
    # a review, however short, is about a thing; a search or a note is one
    lengths = [len(words(i.text[:400])) for _, i in mine if i.text and not i.item and act_of(i.type) not in _OPINIONS]
    short = bool(lengths) and statistics.median(lengths) <= _SHORT_TEXT_WORDS
    return [_entry(position, i, short) for position, i in mine]


def _entry(position: int, interaction: Interaction, short: bool) -> Entry:
    item = read_item(interaction.item) if interaction.item else None
    text = interaction.text or ""
    tagged = _TAGGED.match(text)
    tags = tuple(t.strip() for t in tagged[1].split(",")) if tagged else ()
    if tagged:
        text = ""
    written = (
        item is None
        and short
        and act_of(interaction.type) not in _OPINIONS
        and len(words(text[:400])) <= 2 * _SHORT_TEXT_WORDS
    )
    if written:
        item = read_item(" ".join(text.split()))
        text = ""
    labels, weight = _labels(interaction)
    return Entry(
        position=position,
        act=act_of(interaction.type),
        item=item,
        written=written,
        text=text,
        labels=(*labels, *(t for t in tags if t and len(t) <= 40 and speakable(t))),
        weight=weight,
        rating=interaction.rating,
        day=interaction.timestamp.date() if interaction.timestamp else None,
    )


def _labels(interaction: Interaction) -> tuple[tuple[str, ...], float]:
    if not interaction.meta:
        return (), 1.0
    labels: list[str] = []
    weight = count_of(interaction.meta) or 1.0
    for key, value in meta_labels(interaction.meta):
        raw = interaction.meta[key]
        if isinstance(raw, int | float):
            continue
        lower = fold(key) in LOWERED_KEYS
        for part in raw if isinstance(raw, list) else [value]:
            label = clean(part) if isinstance(part, str) else ""
            if 1 < len(label) <= 40 and any(c.isalpha() for c in label) and label[0].isalnum() and speakable(label):
                labels.append(_lowered(label) if lower else label)
    return tuple(dict.fromkeys(labels)), weight


def _lowered(label: str) -> str:
    return label.lower() if len(label.split()) == 1 and not label.isupper() else label


def label_phrases(entries: Sequence[Entry], language: str) -> list[Phrase]:
    """The labels that at least two entries share, those that set this log apart first."""
    where: dict[str, set[int]] = defaultdict(set)
    shown: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        for label in entry.labels:
            where[fold(label)].add(entry.position)
            shown[fold(label)][label] += 1
    total = len(entries)
    least = max(2, round(0.08 * total))

    def score(key: str) -> float:
        return float(len(where[key]) / total / (COMMON_LABELS.get(key, 0.1) + 0.1) ** 0.6)

    found = [k for k in where if len(where[k]) >= least and k not in ("imax", "other", "unknown", "misc", "general")]
    found.sort(key=lambda k: (-score(k), k))
    return [
        Phrase(
            text=_german(shown[k].most_common(1)[0][0], language),
            positions=frozenset(where[k]),
            role="label",
            stems=frozenset(key_of(words(k), language)),
        )
        for k in found
    ]


def _german(label: str, language: str) -> str:
    return label[:1].upper() + label[1:] if language == "de" else label
