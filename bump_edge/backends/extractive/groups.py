"""One class of acts (what was bought, what was searched) and everything that can be said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bump_edge.backends.extractive.lexicon import GENERIC, PREPOSITIONS
from bump_edge.backends.extractive.names import Item, kind_of
from bump_edge.backends.extractive.phrases import Phrase, key_of, kinds, platforms, queries, repeated
from bump_edge.backends.extractive.reading import Entry, label_phrases
from bump_edge.backends.extractive.things import is_thing
from bump_edge.backends.extractive.topics import Topics
from bump_edge.text import fold, sentences, words

_LONGEST_NAME = 7
_NO_BRANDS = frozenset(("office", "american", "united", "national", "global", "international", "general", "advanced"))
_TITLED = ("read", "listen", "watch", "rate")


def word_count(text: str) -> int:
    """Words of `text`, by whichever of the two usual counts gives more."""
    return max(len(words(text)), len(text.split()))


def ends_well(text: str) -> bool:
    """Whether `text` at the end of a sentence leaves its full stop a full stop, and is no sentence itself."""
    return len(sentences(f"{text}. Next")) == 2 and len(sentences(f"a {text} b")) == 1


@dataclass(frozen=True, slots=True)
class Group:
    """The entries of one class of acts, and the phrases that they bear out.

    Args:
        act: the class, see `vocabulary.act_of`.
        entries: oldest first.
        labels, phrases, kinds, topics, judgements: what comes back in them; see the modules that find them.
        names: short clean names of the items; the most counted first where the log counts, else in order.
        platforms: known platforms behind titles, once is enough.
        described: whether most items read as products' descriptions rather than titles.
        written: whether most are short texts of the user's own: searches, notes.
        counted: whether the log says how often or how long, rather than when.
    """

    act: str
    entries: list[Entry]
    labels: list[Phrase]
    phrases: list[Phrase]
    kinds: list[Phrase]
    topics: list[Phrase]
    judgements: list[Phrase]
    names: list[Phrase]
    platforms: list[Phrase]
    described: bool
    written: bool
    counted: bool

    def facets(self) -> list[Phrase]:
        """What much of it is for, or on: platforms, sites; the most frequent first."""
        found = [p for p in self.phrases if p.role == "facet"]
        return sorted(found, key=lambda p: (-len(p.positions), p.text))

    def all_phrases(self) -> list[Phrase]:
        """Everything that comes back."""
        return [*self.kinds, *self.phrases, *self.topics, *self.labels]

    def main(self, language: str) -> list[Phrase]:
        """What the main sentence lists: labels before kinds before topics; what comes back before what does not."""
        if self.labels and sum(bool(e.labels) for e in self.entries) >= 0.5 * len(self.entries):
            return self.labels[:4]
        again = [p for p in self.phrases if p.role == "kind"]
        if self.described and language == "en":
            again = [p for p in again if is_thing(fold(p.text.split()[-1]))]
        if self.described and self.kinds:
            single = [k for k in self.kinds if len(k.positions) == 1]
            return [*(k for k in self.kinds if len(k.positions) > 1), *again, *single]
        if self.act in _TITLED and not self.described and not self.written:
            again = []  # words that titles share are no kinds of titles
        if self.topics and not again:
            subjects = [p for p in self.topics if p.role == "kind"]
            return subjects or [p for p in self.topics if p.role == "topic"] or self.topics
        return again

    def brands(self, language: str) -> list[Phrase]:
        """The names that descriptions begin with, where they read as names and are no word for a thing."""
        found: dict[str, set[int]] = {}
        things: dict[str, set[str]] = {}
        for entry in self.entries if language == "en" else []:
            brand = entry.item.brand if entry.item is not None else ""
            folded = fold(brand)
            common = is_thing(folded) or folded in _NO_BRANDS or folded in PREPOSITIONS or folded in GENERIC
            if len(brand) > 1 and not common and "'" not in brand and not any(c.isdigit() for c in brand):
                found.setdefault(brand, set()).add(entry.position)
                things.setdefault(brand, set()).add(entry.item.name if entry.item is not None else "")
        return [
            Phrase(text=b, positions=frozenset(p), role="series", stems=frozenset(key_of([b], language)))
            for b, p in sorted(found.items(), key=lambda f: (-len(f[1]), -max(f[1])))
            if len(things[b]) > 1  # the first word of a single thing may be anything: Nickel Wound Guitar Strings
        ]


def read_groups(entries: Sequence[Entry], language: str) -> list[Group]:
    """The entries by class of act, the largest first: at most three, none that is a mere trace."""
    by_act: dict[str, list[Entry]] = {}
    for entry in entries:
        by_act.setdefault(entry.act, []).append(entry)
    ordered = sorted(by_act.items(), key=lambda g: (-len(g[1]), g[0]))
    least = max(2, 0.1 * len(entries))
    return [_group(act, e, language) for n, (act, e) in enumerate(ordered[:3]) if n == 0 or len(e) >= least]


def _group(act: str, entries: list[Entry], language: str) -> Group:
    items = [(e.position, e.item) for e in entries if e.item is not None and e.item.parts]
    on_platforms = platforms(items, language)
    # what runs on a platform has a title, though it may end in a thing: "Rock Band", "Guitar Hero"
    described = sum(i.descriptive or (not on_platforms and _is_of_a_kind(i, language)) for _, i in items) >= 0.5 * max(
        1, len(items)
    )
    counted = sum(e.weight != 1.0 for e in entries) > 0.5 * len(entries)
    written = sum(e.written for e in entries) >= 0.5 * len(entries)
    if written:
        found = queries(items, language)
    else:
        found = repeated(items, language, described=described, sites=act == "visit")
    reader = Topics(language)
    for entry in entries:
        if entry.text:
            reader.read(entry.position, entry.text)
    return Group(
        act=act,
        entries=entries,
        labels=label_phrases(entries, language),
        phrases=found,
        kinds=kinds(items, language) if described and not written else [],
        topics=reader.phrases(),
        judgements=reader.judgements(),
        names=_names(entries, items, language, counted=counted),
        platforms=on_platforms,
        described=described,
        written=written,
        counted=counted,
    )


def _is_of_a_kind(item: Item, language: str) -> bool:
    """Whether an item's name ends in a known noun behind its qualifiers: ``Nickel Wound Guitar Strings``."""
    kind = kind_of(item.parts, language) if language == "en" and not item.year else ()
    return len(kind) > 1 and is_thing(fold(kind[-1]))


def _names(
    entries: Sequence[Entry], items: Sequence[tuple[int, Item]], language: str, *, counted: bool
) -> list[Phrase]:
    where: dict[str, set[int]] = {}
    shown: dict[str, str] = {}
    weight: dict[str, float] = {}
    weight_of = {e.position: e.weight for e in entries}
    for position, item in items:
        if not item.name or not ends_well(item.name) or word_count(item.name) > _LONGEST_NAME:
            continue
        key = fold(item.name)
        shown.setdefault(key, item.name)
        where.setdefault(key, set()).add(position)
        weight[key] = weight.get(key, 0) + weight_of[position]
    keys = sorted(where, key=lambda k: (-weight[k], k)) if counted else list(where)
    return [
        Phrase(
            text=shown[k],
            positions=frozenset(where[k]),
            role="name",
            stems=frozenset(key_of(words(shown[k]), language)),
        )
        for k in keys
    ]
