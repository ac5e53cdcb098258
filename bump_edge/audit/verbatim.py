"""The longest run of words that a text shares with raw records, where names of items are told apart.

A run stands in a record when its words follow each other there in the same order, compared folded (case, accents and
punctuation do not count). A run that stands, as a whole, in the name of one of the user's items is an item's name,
wherever else it stands; any longer run is a record's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bump_edge.text import is_unspaced, units
from bump_edge.types import Interaction

_WHOLE = 1 << 30  # characters of a record: all of them


@dataclass(frozen=True, kw_only=True, slots=True)
class VerbatimRun:
    """The longest runs that a text shares with records.

    Args:
        words: length of the longest run that is a record's; two characters of a script without spaces count as a word.
        run: that run, folded; empty for none.
        interaction: the id of a record that it stands in; None for none.
        item_words: length of the longest run that is an item's name.
    """

    words: int = 0
    run: str = ""
    interaction: str | None = None
    item_words: int = 0


def longest_run(text: str, interactions: Iterable[Interaction]) -> VerbatimRun:
    """The longest runs of `text` in `interactions`, which are read once, in flat memory.

    Searched are the text, the rendered record (which has the item, the text, the rating and the labels in a row), the
    type, and every string in `meta`.
    """
    said = units(text)
    places: dict[str, list[int]] = {}
    for at, unit in enumerate(said):
        places.setdefault(unit, []).append(at)
    named = [0] * len(said)  # units from here on that stand in an item's name
    written = [0] * len(said)  # … in a record
    where: list[Interaction | None] = [None] * len(said)
    for interaction in interactions:
        if interaction.item:
            for start, length in _runs(places, interaction.item):
                named[start] = max(named[start], length)
        for piece in _pieces(interaction):
            for start, length in _runs(places, piece):
                if length > written[start]:
                    written[start], where[start] = length, interaction
    best = VerbatimRun()
    for start in range(len(said)):
        # `named` bounds only runs that start here, and that is enough: a run stands in a name if it fits in there
        if written[start] > named[start]:
            run = said[start : start + written[start]]
            found = where[start]
            if (size := _size(run)) > best.words and found is not None:
                best = VerbatimRun(words=size, run=" ".join(run), interaction=found.id)
    items = max((_size(said[start : start + length]) for start, length in enumerate(named)), default=0)
    return VerbatimRun(words=best.words, run=best.run, interaction=best.interaction, item_words=items)


def _size(run: list[str]) -> int:
    characters = sum(map(is_unspaced, run))
    return len(run) - characters + (characters + 1) // 2


def _pieces(interaction: Interaction) -> Iterator[str]:
    if interaction.text:
        yield interaction.text
    yield interaction.as_record(max_chars=_WHOLE)
    if interaction.meta:
        yield from _strings(interaction.meta)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _runs(places: dict[str, list[int]], record: str) -> Iterator[tuple[int, int]]:
    """`(start, length)` for every start in the text of a run that stands in `record`, the longest there for a match."""
    before: dict[int, int] = {}  # place in the text → units of the run that ends there, as of the record's last unit
    for unit in [*units(record), ""]:
        here = {at: before.get(at - 1, 0) + 1 for at in places.get(unit, ())}
        for end, length in before.items():
            if end + 1 not in here:
                for start in range(end - length + 1, end + 1):
                    yield start, end - start + 1
        before = here
