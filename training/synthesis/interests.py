"""What one person likes: a topic or a genre with their own favourites in it, and how much it is theirs over time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from training.synthesis import names
from training.synthesis.catalogue import cut, media, topics
from training.synthesis.wording import in_title_case, resolve

T = TypeVar("T")
TOPICS = "topics"
"""The universe of `catalogue.topics`; the others are those of `catalogue.media`."""

_NEW_NAMES = 0.3
"""How often an act is with a maker, a person or a place that is no favourite and may never come back."""

_FOREIGN_NAMES = 0.3  # of an interest in English: its people, places and makers are from elsewhere


@dataclass(frozen=True, kw_only=True, slots=True)
class Interest:
    """One interest of one person.

    Args:
        universe: `TOPICS`, or one of `catalogue.media`.
        label: in English, as the tables call it.
        family: of a topic.
        language: of its texts and titles.
        terms: its things, the favourite ones first.
        did, how, goods: of a topic in English, the favourite ones first; empty otherwise.
        makers: brands, artists, directors, authors, studios, repositories or apps, the favourite first; ≥ 1.
        people, places: names, the favourite first; ≥ 1 each.
        kinds_of_place: what each of `places` is.
        town: where most of it happens.
        culture: the language that its names sound like.
        named: how its makers are named, as the table says.
        filed: of films, the plain genres that a catalogue files them under.
        year: of films, the middle of the years that they are from.
        weight: how much of the person's time, > 0.
        since, until: the part of the history in which it is there, 0 to 1.
        rated: what is added to the person's ratings here, in fifths of the scale.
        works: titles known so far, by maker; grows as the history is written.
    """

    universe: str
    label: str
    family: str = "culture"
    language: str
    terms: tuple[str, ...]
    did: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    goods: tuple[str, ...] = ()
    makers: tuple[str, ...]
    people: tuple[str, ...]
    places: tuple[str, ...]
    kinds_of_place: tuple[str, ...] = ()
    town: str
    culture: str = "en"
    named: str = ""
    filed: tuple[str, ...] = ()
    year: int = 0
    weight: float = 1.0
    since: float = 0.0
    until: float = 1.0
    rated: float = 0.0
    works: dict[str, list[str]] = field(default_factory=dict, compare=False)

    def presence(self, at: float) -> float:
        """How much of it there is at a point of the history, 0 to 1: it fades and begins by degrees."""
        if not self.since <= at <= self.until:
            return 0.0
        fades = 1.0 if self.until >= 1 else min(1.0, (self.until - at) / (0.4 * self.until))
        return self.weight * max(fades, 0.02)

    def maker(self, chance: random.Random, *, steep: float = 1.0) -> str:
        """One of its makers, mostly a favourite, else one that is new here."""
        if chance.random() < _NEW_NAMES and self.universe not in ("code", "apps", "sports"):
            return (
                names.maker(chance)
                if self.universe == TOPICS
                else _maker(self.universe, self.named, self.culture, chance)
            )
        return favourite(self.makers, chance, steep=steep)

    def person(self, chance: random.Random, *, steep: float = 1.2) -> str:
        """One of its people, mostly a favourite."""
        if chance.random() < _NEW_NAMES:
            return names.person(chance, self.culture)
        return favourite(self.people, chance, steep=steep)

    def place(self, chance: random.Random) -> tuple[str, str]:
        """One of its places, mostly a favourite, and what kind of place that is; empty where nobody says."""
        at = chance.choices(range(len(self.places)), [(n + 1) ** -1.2 for n in range(len(self.places))])[0]
        kind = self.kinds_of_place[at] if self.kinds_of_place else ""
        if kind and chance.random() < _NEW_NAMES:
            return names.place(chance, self.culture, in_title_case(kind)), kind
        return self.places[at], kind

    def title(self, maker: str, chance: random.Random, *, again: float) -> str:
        """A title by `maker`: one that is known with the chance `again`, else a new one."""
        known = self.works.setdefault(maker, [])
        if known and chance.random() < again:
            return favourite(known, chance)
        make = names.track if self.universe == "music" else names.title
        known.append(make(chance, self.language, self.terms))
        return known[-1]


def favourite(things: Sequence[T], chance: random.Random, *, steep: float = 0.8) -> T:
    """One of `things`; the first is the likeliest, rank r as likely as (r + 1) to the power of -`steep`."""
    return chance.choices(things, [(n + 1) ** -steep for n in range(len(things))])[0]


def draw(universe: str, language: str, taken: Sequence[str], chance: random.Random, weight: float = 1.0) -> Interest:
    """A new interest of a universe, none whose label is in `taken`."""
    culture = language
    if language == "en" and chance.random() < _FOREIGN_NAMES:
        culture = chance.choice(("de", "fr", "es", "it", "pt", "nl"))
    people = tuple(names.person(chance, culture) for _ in range(chance.randint(1, 3)))
    town = names.town(chance, culture)
    if universe == TOPICS:
        return _topic(language, culture, taken, chance, people, town, weight)
    table = media()[universe]
    label = chance.choice([name for name in table if name not in taken])
    listed, _, extra = table[label].partition(" | ")
    own = cut(listed) if ";" in listed else tuple(listed.split())
    things = list(own)
    chance.shuffle(things)
    return Interest(
        universe=universe,
        label=label,
        language=language,
        terms=tuple(things) if universe != "sports" else (*things, extra),
        makers=_makers(universe, extra, culture, chance),
        people=people,
        places=tuple(names.place(chance, culture, _venue(universe, chance)) for _ in range(2)),
        town=town,
        culture=culture,
        named=extra if universe == "music" else "",
        filed=tuple(extra.split()) if universe == "film" else (),
        year=chance.randint(1955, 2018) if universe == "film" else 0,
        rated=chance.gauss(0, 0.3),
        weight=weight,
    )


def _topic(
    language: str, culture: str, taken: Sequence[str], chance: random.Random, people: tuple[str, ...], town: str,
    weight: float,
) -> Interest:  # fmt: skip
    topic = chance.choice([t for t in topics().values() if t.label not in taken])

    def some(things: Sequence[str], least: int, most: int) -> tuple[str, ...]:
        return tuple(chance.sample(things, min(len(things), chance.randint(least, most))))

    venues = chance.choices(topic.venues, k=chance.randint(1, 3))
    return Interest(
        universe=TOPICS,
        label=topic.label,
        family=topic.family,
        language=language,
        terms=tuple(resolve(t, chance) for t in some(topic.terms[language], 5, 10)),
        did=some(topic.did, 3, 5),
        how=some(topic.how, 2, 4),
        goods=some(topic.goods, 2, 4),
        makers=tuple(names.maker(chance) for _ in range(chance.randint(2, 4))),
        people=people,
        places=tuple(names.place(chance, culture, venue if language == "en" else "") for venue in venues),
        kinds_of_place=tuple(venue.lower() for venue in venues) if language == "en" else (),
        culture=culture,
        town=town,
        rated=chance.gauss(0, 0.3),
        weight=weight,
    )  # fmt: skip


def _makers(universe: str, named: str, culture: str, chance: random.Random) -> tuple[str, ...]:
    count = chance.randint(1, 2) if universe in ("code", "apps", "sports") else chance.randint(2, 6)
    return tuple(_maker(universe, named, culture, chance) for _ in range(count))


def _maker(universe: str, named: str, culture: str, chance: random.Random) -> str:
    if universe == "music" and (named == "band" or (named == "both" and chance.random() < 0.5)):
        return names.band(chance, culture)
    if universe == "code":
        return names.repository(chance)
    if universe in ("apps", "sports"):
        return names.coined(chance)
    if universe == "games":
        return names.coined(chance) + chance.choice((" Games", " Studio", "", " Interactive"))
    return names.person(chance, culture)


def _venue(universe: str, chance: random.Random) -> str:
    return chance.choice(
        {
            "music": ("Hall", "Cellar", "Festival"), "film": ("Cinema", "Picture House"),
            "fiction": ("Books", "Library"), "games": ("Arcade", "LAN"), "dishes": ("Kitchen", "Canteen", "Market"),
            "sports": ("Park", "Track", "Loop"),
        }.get(universe, ("Hub",))
    )  # fmt: skip
