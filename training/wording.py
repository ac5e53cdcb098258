"""What the warm-up's targets say, and in how many ways: the extractive backend's reading of a prompt, worded anew.

The backend reads a log into names, kinds, brands, subjects and habits; it writes them in one way, with room left over.
Here the same findings go into sentences of many wordings, orders and lengths, with more names in them, because names
are what tells people apart; see `tests/training/test_teaching.py` for what must hold of them. What is listed stands in
the log's order: a small model copies what comes next nearly without fault, and repeats itself in any other order. A log
of several kinds of acts, or of one that the table below lacks, is told kind by kind, see `training.acts`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend, habits
from bump_edge.backends.extractive.groups import Group, ends_well, read_groups, word_count
from bump_edge.backends.extractive.reading import Entry, read
from bump_edge.prompts import Prompt
from bump_edge.text import fold, sentences, stems
from bump_edge.types import HistoryStats
from training import acts
from training.findings import TITLED, common_labels, names_of, openings, recurring_words, title_of


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence, and what it is for: ``labels``, ``main``, ``also``, ``lately``, ``returns``, ``platforms``,
    ``often``, ``opens``, ``habit``, ``own``, or ``rating:`` and the style.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Words:
    main: tuple[str, ...]
    lately: tuple[str, ...]
    also: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def _works(does: str, done: str) -> _Words:
    """Of works with titles, by the verb in two forms: ``Watches``, ``watched``."""
    now = does.lower()
    return _Words(
        main=(f"{does} {{x}}.", f"Has {done} {{x}}.", "Titles include {x}."),
        also=(f"Also {now} {{x}}.", f"Has also {done} {{x}}.", "Other titles include {x}."),
        lately=(f"Lately {now} {{x}}.", f"Recently {done} {{x}}.", f"Most recently {done} {{x}}."),
        labels=(f"{does} mostly {{x}}.", f"{does} mainly {{x}}.", f"{does} above all {{x}}."),
    )


_WORDS: Mapping[str, _Words] = {
    "buy": _Words(
        main=("Buys {x}.", "Has bought {x}.", "Purchases include {x}.", "Has ordered {x}."),
        also=("Also buys {x}.", "Has also bought {x}.", "Other purchases include {x}."),
        lately=("Lately buys {x}.", "Recently bought {x}.", "Most recently bought {x}.",
                "The latest purchases include {x}."),
    ),
    "review": _Words(
        main=("Reviews {x}.", "Has reviewed {x}.", "Writes about {x}.", "Reviews cover {x}."),
        lately=("Lately reviews {x}.", "Recently reviewed {x}.", "Most recently writes about {x}."),
    ),
    # nothing of what there is most of: a model this small does not compare numbers, and the checks do
    "listen": _Words(
        main=("Listens to {x}.", "Has listened to {x}.", "Plays {x}."),
        also=("Also listens to {x}.", "Has also played {x}.", "Also plays {x}.", "Among the rest are {x}."),
        lately=("Lately listens to {x}.", "Recently listened to {x}."),
    ),
    "rate": _Words(
        main=("Has rated {x}.", "Titles include {x}.", "Among the titles are {x}."),
        also=("Has also rated {x}.", "Other titles include {x}.", "Among the others are {x}."),
        lately=("Lately rated {x}.", "Most recently rated {x}.", "The latest ratings are of {x}."),
        labels=("Rates mostly {x}.", "Rates mainly {x}.", "Most ratings are of {x}."),
    ),
    "watch": _works("Watches", "watched"),
    "read": _works("Reads", "read"),
    "play": _works("Plays", "played"),
}  # fmt: skip
_RETURNS = ("Keeps coming back to {x}.", "Often comes back to {x}.", "Returns again and again to {x}.")
_PLATFORMS = ("Buys mostly for {x}.", "Most purchases are for {x}.", "Mainly buys for {x}.")
_SOME_PLATFORMS = ("Often buys for {x}.", "Many purchases are for {x}.")
_MENTIONS = ("Mentions {x}.", "Reviews mention {x}.", "Also mentions {x}.")
_OPENS = ("Opens reviews with {x}.", "Begins reviews with {x}.", "Reviews begin with {x}.")
_CALLS = ("Often calls things {x}.", "Keeps calling things {x}.")
_RATINGS: Mapping[str, tuple[str, ...]] = {
    "same": ("Rates everything {n}.", "Gives everything a rating of {n}.", "Every rating is {n}."),
    "generous": ("Rates generously{tail}.", "Gives high ratings{tail}.", "Ratings are high{tail}."),
    "strict": ("Rates strictly{tail}.", "Gives low ratings{tail}.", "Ratings are low{tail}."),
    "range": ("Ratings range from {low} to {high}{tail}.", "Gives ratings from {low} to {high}{tail}."),
}
_ERA = "Most date from the {x}s."
_HIGHEST = ("The highest rated include {x}.", "Rates highest {x}.", "The best ratings go to {x}.")
_LOWEST = ("The lowest rated include {x}.", "Rates lowest {x}.", "The worst ratings go to {x}.")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_LEAST, _MOST = 60, 79  # words of a target
_PLAIN = 0.7


def text_of(drafts: Sequence[Draft]) -> str:
    """The sentences as one text."""
    return " ".join(d.text for d in drafts)


def draft(prompt: Prompt, chance: random.Random) -> list[Draft]:
    """A profile for a prompt in write mode, sentence by sentence; empty where the log says nothing."""
    entries = read(prompt.interactions)
    groups = read_groups(entries, prompt.language) if entries else []
    if not groups or prompt.language != "en":
        return _own(prompt, chance)
    group = groups[0]
    page = _Page(prompt, chance, min(chance.randint(_LEAST, _MOST), prompt.max_words - 1))
    if len(groups) > 1 or group.act not in _WORDS or group.written:
        # in the order in which the log begins with them: a small model does not count which there are most of
        sections = _sections(page, sorted(groups, key=lambda g: g.entries[0].position), entries)
        return [*sections, *_habits(page, group, entries)] if sections else _own(prompt, chance)
    # first what is rated best and worst: a name is said once, and there it says more
    titles = _of_titles(page, entries) if group.act in TITLED else []
    drafts = _content(page, group, entries)
    if not drafts:
        return _own(prompt, chance)
    return [*drafts, *titles, *_habits(page, group, entries)]


def rewrite(prompt: Prompt, old: Sequence[Draft], chance: random.Random) -> list[Draft]:
    """The old profile brought up to date by the interactions of a prompt in update mode.

    What still holds stays word for word; what was recent goes, for it is not recent any more; a rating habit stays
    where the new mean bears it out; new names and subjects are added.
    """
    entries = read(prompt.interactions)
    groups = read_groups(entries, prompt.language) if entries else []
    fresh = habits.ratings(entries, prompt.stats)
    kept = [d for d in old if d.kind != "lately" and not (d.kind == "own" and d.text.startswith(_RECENT))]
    kept = [d for d in kept if not d.kind.startswith("rating:") or _still_rates(d, prompt.stats)]
    page = _Page(prompt, chance, prompt.max_words - 1)
    for entry in kept:
        page.room -= word_count(entry.text)
        page.said.append(frozenset(stems(entry.text)))
    while page.room < 8 and len(kept) > 1:
        page.room += word_count(kept.pop().text)
    added: list[Draft] = []
    if groups and groups[0].act in _WORDS and not groups[0].written:
        group = groups[0]
        table = _WORDS[group.act]
        half = entries[len(entries) // 2 :] if not group.counted else []
        page.room = min(page.room, chance.randint(10, 24))
        lately = chance.random() < 0.6
        if lately and half:
            added += page.sentence("lately", _unused(table.lately, old), names_of(group, half), 4)
        if not added:
            wordings = table.main if group.act == "review" else table.also
            added += page.sentence("also", _unused(wordings, old), names_of(group, entries), 5)
    else:
        page.room = min(page.room, chance.randint(12, 28))
        for group in groups:
            added += _acts_of(page, "also", group, 4, lead="Also ")
    if fresh is not None and not any(d.kind.startswith("rating:") for d in kept) and _had_rating(old):
        added += page.rating(fresh)
    # habits stand last, as in a profile that is written anew
    tail = [d for d in kept if d.kind.startswith("rating:") or d.kind == "habit"]
    return [*(d for d in kept if d not in tail), *added, *tail]


def _unused(wordings: Sequence[str], old: Sequence[Draft]) -> Sequence[str]:
    """The wordings that no sentence of the old profile begins with; all of them where each does."""
    return [w for w in wordings if not any(d.text.startswith(w.partition("{")[0]) for d in old)] or wordings


_RECENT = ("Lately", "More recently", "Recently")


def _had_rating(old: Sequence[Draft]) -> bool:
    return any(d.kind.startswith("rating:") for d in old)


def _still_rates(entry: Draft, stats: HistoryStats) -> bool:
    style = entry.kind.partition(":")[2]
    if stats.rating_mean is None or stats.rating_min is None:
        return False
    if style == "same":
        return stats.rating_min == stats.rating_max
    return style == "generous" and stats.rating_mean >= 4.3


class _Page:
    """Room for words, and what has been said."""

    def __init__(self, prompt: Prompt, chance: random.Random, room: int) -> None:
        self.prompt = prompt
        self.chance = chance
        self.room = room
        self.said: list[frozenset[str]] = []

    def sentence(
        self, kind: str, wordings: Sequence[str], phrases: Mapping[str, int] | Sequence[str], most: int
    ) -> list[Draft]:
        """A sentence with as many of `phrases` that are new as there is room for, and `most` at most.

        The first are preferred; those with a place in the log are listed by it.
        """
        return self.lists([(kind, wordings)], phrases, most)

    def lists(
        self,
        kinds: Sequence[tuple[str, Sequence[str]]],
        phrases: Mapping[str, int] | Sequence[str],
        most: int,
    ) -> list[Draft]:
        """As `sentence`, over as many sentences as `kinds` has, where there is enough to say."""
        # mostly the first: what is worded alike for everybody, the names alone tell apart
        first = [self.chance.random() < _PLAIN for _ in kinds]
        shells = [(k, w[0] if plain else self.chance.choice(w)) for plain, (k, w) in zip(first, kinds, strict=True)]
        left = self.room - sum(word_count(shell) for _, shell in shells) + len(shells)
        chosen: list[str] = []
        for phrase in phrases:
            content = frozenset(s for s in stems(phrase) if not s.isdigit())
            size = word_count(phrase) + (1 if len(chosen) == 1 else 0)
            # a brand named before does not say which of its things
            known = any(content <= before or (len(before) > 1 and before <= content) for before in self.said)
            if len(chosen) == most or size > left or not content or known:
                continue
            self.said.append(content)
            chosen.append(phrase)
            left -= size
        if isinstance(phrases, Mapping):
            chosen.sort(key=phrases.__getitem__)
        out: list[Draft] = []
        for at, (kind, shell) in enumerate(shells):
            rest = len(shells) - at
            count = len(chosen) if rest == 1 or len(chosen) < 3 * rest else self.chance.randint(3, len(chosen) // rest)
            said, chosen = chosen[:count], chosen[count:]
            if said:
                out.append(Draft(kind, shell.format(x=listed(said))))
                self.room -= word_count(out[-1].text)
        return out

    def rating(self, found: habits.Ratings) -> list[Draft]:
        """How the user rates."""
        tail = ", mostly" if found.mode_share > 0.5 else ", often" if found.mode_share >= 0.3 else ""
        text = self.chance.choice(_RATINGS[found.style]).format(
            n=f"{found.mode:g}", low=f"{found.low:g}", high=f"{found.high:g}",
            tail=f"{tail} {found.mode:g}" if tail else "",
        )  # fmt: skip
        if word_count(text) > self.room:
            return []
        self.room -= word_count(text)
        return [Draft(f"rating:{found.style}", text)]


def listed(phrases: Sequence[str]) -> str:
    """``a, b and c``; with a comma before the last where one of them has an ``and`` of its own."""
    if len(phrases) == 1:
        return phrases[0]
    inner = any(" and " in p or " & " in p for p in phrases)
    return f"{', '.join(phrases[:-1])}{',' if inner else ''} and {phrases[-1]}"


def _content(page: _Page, group: Group, entries: Sequence[Entry]) -> list[Draft]:
    chance, table = page.chance, _WORDS[group.act]
    if group.counted:
        # the least counted tell no more
        names = names_of(group, entries)
        return page.lists([("main", table.main), ("also", table.also)], names, max(12, len(names) // 2))
    border = habits.split_recent(entries)
    names = names_of(group, entries)
    newer = names_of(group, [e for e in entries if border is not None and e.position >= border])
    older = {name: place for name, place in names.items() if name not in newer}
    out: list[Draft] = []
    if table.labels and sum(bool(e.labels) for e in entries) >= 0.5 * len(entries):
        out += page.sentence("labels", table.labels, common_labels(group, page.prompt.interactions), 3)
    facets = [p for p in group.facets() if not group.described][:3]
    if facets and group.act == "buy":
        covered = {p for f in facets for p in f.positions}
        wordings = _PLATFORMS if len(covered) >= 0.6 * len(entries) else _SOME_PLATFORMS
        out += page.sentence("platforms", wordings, [f.text for f in facets], 3)
        page.said.clear()  # a pad for a console is not said with the console
    recent: list[Draft] = []
    if newer and chance.random() < 0.85:
        whole, page.room = page.room, max(8, int(0.4 * page.room))
        had = page.room
        recent = page.sentence("lately", table.lately, newer, 4)
        page.room = whole - (had - page.room)
    else:
        older = names
    again = [p for p in group.phrases if p.role == "series" and len(p.positions) > 2]
    if again and chance.random() < 0.8:
        # Command & Conquer is cut in two there
        cut = {fold(w) for n in names for w in re.findall(r"(\w+) (?:&|and) ", n)}
        series = [p.text for p in again if ends_well(p.text) and fold(p.text) not in cut]
        recurring = page.sentence("returns", _RETURNS, series, 3)
    else:
        recurring = []
    if group.act == "review":
        main, opens = _subjects(entries, older, page)
        out += [*main, *recurring, *opens]
    else:
        kinds = [("main", table.main), ("also", table.also)]
        out += page.lists(kinds[: chance.randint(1, 2)], older, 14)
        out += recurring
    return [*out, *recent]


def _sections(page: _Page, groups: Sequence[Group], entries: Sequence[Entry]) -> list[Draft]:
    """A sentence for each kind of act, with room by how many there are, and at the end what comes back or is new."""
    chance = page.chance
    # first what comes back and what is new: a name is said once, and there it says more
    again = page.sentence("returns", _RETURNS, acts.recurring(groups), 3) if chance.random() < 0.7 else []
    border = habits.split_recent(entries)
    newer = [replace(g, entries=[e for e in g.entries if border is not None and e.position >= border]) for g in groups]
    newest = max(newer, key=lambda g: max((e.position for e in g.entries), default=-1))
    recent = _acts_of(page, "lately", newest, 3, lead="Lately ") if newest.entries and chance.random() < 0.7 else []
    out: list[Draft] = []
    left, rest = page.room, sum(len(g.entries) for g in groups)
    for group in groups:
        page.room = had = max(8, left * len(group.entries) // rest)
        out += _acts_of(page, "main", group, 12)
        left -= had - page.room
        rest -= len(group.entries)
    page.room = left
    return [*out, *again, *recent]


def _acts_of(page: _Page, kind: str, group: Group, most: int, *, lead: str = "") -> list[Draft]:
    """What a kind of act was about, by names, and by the rare words of its texts."""
    clause = acts.clause(group.act)
    wordings: tuple[str, ...] = (f"{lead}{clause}." if lead else f"{clause[:1].upper()}{clause[1:]}.",)
    out = page.sentence(kind, wordings, acts.named(group), most)
    if out and (lead or page.chance.random() < 0.3):
        return out
    if out or group.act == "review":
        wordings = acts.MENTIONS
    return [*out, *page.sentence("often", wordings, acts.mentioned(group, page.prompt.interactions), most)]


def _subjects(entries: Sequence[Entry], subjects: Mapping[str, int], page: _Page) -> tuple[list[Draft], list[Draft]]:
    table = _WORDS["review"]
    main = page.sentence("main", table.main, subjects, page.chance.randint(5, 9))
    spoken = recurring_words(entries)
    spoken |= {phrase: place for phrase, place in acts.spoken_of(entries).items() if phrase not in spoken}
    main += page.sentence("often", _MENTIONS, spoken, page.chance.randint(7, 10))
    if page.chance.random() < 0.95:
        return main, page.sentence("opens", _OPENS, openings(entries), page.chance.randint(3, 6))
    return main, []


def _habits(page: _Page, group: Group, entries: Sequence[Entry]) -> list[Draft]:
    chance = page.chance
    out: list[Draft] = []
    rated = habits.ratings(entries, page.prompt.stats)
    if rated is not None and chance.random() < 0.4:
        out += page.rating(rated)
    judged = [p.text for p in group.judgements][:3]
    if judged and chance.random() < 0.85:
        out += page.sentence("habit", _CALLS, judged, 3)
    kind, months = habits.rhythm(entries)
    if kind == "season" and chance.random() < 0.4:
        text = f"Active mostly in {listed([_MONTHS[m - 1] for m in months])}."
        out += [Draft("habit", text)] if page.room >= word_count(text) else []
    return out


def _of_titles(page: _Page, entries: Sequence[Entry]) -> list[Draft]:
    chance, rated = page.chance, habits.ratings(entries, page.prompt.stats)
    out: list[Draft] = []
    era = habits.decade(entries)
    text = _ERA.format(x=era)
    # the checks let a sentence of nothing but relations stand where the log has times
    if era is not None and any(e.day for e in entries) and chance.random() < 0.6 and word_count(text) <= page.room:
        page.room -= word_count(text)
        out.append(Draft("habit", text))
    if rated is None:
        return out
    for wordings, positions, share in ((_HIGHEST, rated.high_positions, 0.9), (_LOWEST, rated.low_positions, 0.7)):
        names = {title: e.position for e in entries if e.position in positions and (title := title_of(e))}
        if chance.random() < share:
            out += page.sentence("habit", wordings, names, 3)
    return out


def _own(prompt: Prompt, chance: random.Random) -> list[Draft]:
    """The backend's own sentences."""
    options = GenerationOptions(seed=chance.randrange(2), max_tokens=400)
    text = generate(ExtractiveBackend(), [prompt], options)[0].text
    return [Draft("own", sentence) for sentence in sentences(text)]
