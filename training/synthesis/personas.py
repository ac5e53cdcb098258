"""A made-up person: the apps they use, what they like and for how long, how they type, rate and label."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from training.synthesis import interests
from training.synthesis.catalogue import LANGUAGES
from training.synthesis.interests import TOPICS, Interest
from training.synthesis.wording import Style

UNIVERSES = {
    "searches": TOPICS, "posts": TOPICS, "messages": TOPICS, "notes": TOPICS, "shopping": TOPICS, "visits": TOPICS,
    "articles": TOPICS, "videos": TOPICS, "listening": "music", "films": "film", "ratings": "film", "books": "fiction",
    "gaming": "games", "cooking": "dishes", "code": "code", "apps": "apps", "workouts": "sports",
}  # fmt: skip
"""The kinds of app, and the universe that each one's interests are from."""

MIXED = "mixed"
"""What a log of several kinds of app is called in counts."""

_MIXED_SHARE = 0.38
_KINDS = {
    "searches": 1.4, "posts": 1.3, "messages": 1.3, "notes": 0.7, "shopping": 1.3, "visits": 1.0, "articles": 1.1,
    "videos": 0.9, "listening": 1.3, "films": 1.0, "ratings": 5.0, "books": 1.0, "gaming": 0.8, "cooking": 0.8,
    "code": 0.7, "apps": 1.0, "workouts": 0.8,
}  # fmt: skip
_ENGLISH = 0.78
_SECOND_LANGUAGE = 0.15  # of those who do not write English: that some of it is
_KEYS: Mapping[str, tuple[str, ...]] = {
    "genre": ("genre", "genres", "category", "tags", "style", "categories"),
    "artist": ("artist", "by", "artist_name", "performer", "creator"),
    "album": ("album", "release", "record"),
    "author": ("author", "by", "writer", "authors"),
    "brand": ("brand", "maker", "manufacturer", "seller", "shop"),
    "section": ("section", "topic", "category", "topics", "desk", "rubric"),
    "source": ("source", "publication", "site", "channel_name", "outlet"),
    "city": ("city", "town", "location", "place", "where"),
    "category": ("category", "kind", "topic", "tags", "group"),
    "venue": ("category", "kind", "venue_type", "venue"),
    "minutes": ("minutes", "duration", "duration_min", "mins", "time_spent"),
    "plays": ("plays", "play_count", "count", "times"),
    "director": ("director", "directed_by", "creator", "made_by"),
    "channel": ("channel", "creator", "uploader", "by"),
    "cuisine": ("cuisine", "category", "tags", "kitchen", "style"),
    "language": ("language", "stack", "lang", "tech"),
    "repo": ("repo", "project", "repository", "module"),
    "feature": ("feature", "action", "screen", "event", "view"),
    "app": ("app", "application", "app_name", "tool"),
    "km": ("km", "distance_km", "distance", "kilometres"),
    "route": ("route", "place", "location", "course"),
    "platform": ("platform", "device", "system", "played_on"),
    "tags": ("tags", "hashtags", "labels", "topics"),
}
_LISTS = frozenset(("genres", "tags", "categories", "topics", "hashtags", "labels", "authors"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratings:
    """How somebody rates.

    Args:
        share: of what could be rated, 0 to 1.
        mean, spread: of the habit, in fifths of the scale.
        top: the scale's highest, 5 or 10.
        step: between two ratings, in fifths of the scale.
    """

    share: float
    mean: float
    spread: float
    top: int
    step: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    """One made-up person.

    Args:
        language: that they write, mostly.
        kinds: the kinds of app in their log, with weights.
        lasting: by universe, what they like; with what fades and what begins, 2 to 5 a universe that leads.
        passing: by universe, what comes up once, or now and then.
        style: how they type.
        ratings: how they rate.
        keys: what their apps call each field of `meta`.
        types: whether their apps say the type of an act at all.
        rich: chance that an optional field is there, 0 to 1.
        look: which of an app's forms of a record their apps have, 0 to 2.
    """

    language: str
    kinds: Mapping[str, float]
    lasting: Mapping[str, tuple[Interest, ...]]
    passing: Mapping[str, tuple[Interest, ...]]
    style: Style
    ratings: Ratings
    keys: Mapping[str, str]
    types: bool
    rich: float
    look: int

    @property
    def kind(self) -> str:
        """The kind of app that the log is of, or `MIXED`."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else MIXED

    def labelled(self, key: str, value: str | float | int | Sequence[str]) -> dict[str, object]:
        """A field of `meta` as this person's apps write it; several values are a list everywhere."""
        name = self.keys[key]
        if not isinstance(value, (str, float, int)):
            return {name: list(value)}
        return {name: [value] if name in _LISTS else value}


def draw(chance: random.Random) -> Persona:
    """A new person."""
    language = "en" if chance.random() < _ENGLISH else chance.choice(LANGUAGES[1:])
    second = "en" if language != "en" and chance.random() < _SECOND_LANGUAGE else language
    kinds = _kinds(chance)
    universes = list(dict.fromkeys(UNIVERSES[kind] for kind in kinds))
    lead = UNIVERSES[max(kinds, key=lambda kind: kinds[kind])]
    lasting: dict[str, tuple[Interest, ...]] = {}
    passing: dict[str, tuple[Interest, ...]] = {}
    for universe in universes:
        # there are no sentences of commits and dishes but English ones
        spoken = (second, language) if universe not in ("code", "dishes", "apps", "sports") else ("en",)
        found = _lasting(universe, spoken, chance, whole=universe == lead)
        lasting[universe] = found
        labels = [i.label for i in found]
        passing[universe] = tuple(
            interests.draw(universe, language if len(spoken) > 1 else "en", labels, chance)
            for _ in range(chance.randint(1, 3))
        )
    return Persona(
        language=language, kinds=kinds, lasting=lasting, passing=passing, style=_style(chance),
        ratings=_ratings(chance),
        keys={key: chance.choice(options) for key, options in _KEYS.items()},
        types=chance.random() < 0.93, rich=chance.choice((0.1, 0.35, 0.7)), look=chance.randrange(3),
    )  # fmt: skip


def _kinds(chance: random.Random) -> dict[str, float]:
    if chance.random() >= _MIXED_SHARE:
        return {chance.choices(list(_KINDS), list(_KINDS.values()))[0]: 1.0}
    pool = [kind for kind, universe in UNIVERSES.items() if universe == TOPICS]
    chosen = chance.sample(pool, chance.randint(2, 4))
    if chance.random() < 0.45:
        chosen.append(chance.choice([kind for kind in UNIVERSES if kind not in pool]))
    return {kind: chance.choice((0.3, 0.6, 1.0, 1.5)) for kind in chosen}


def _lasting(universe: str, spoken: Sequence[str], chance: random.Random, *, whole: bool) -> tuple[Interest, ...]:
    count = chance.randint(2, 5) if whole else chance.randint(1, 2)
    found: list[Interest] = []
    for _ in range(count):
        taken = [i.label for i in found]
        weight = chance.choice((0.5, 1.0, 1.0, 2.0, 3.0))
        found.append(interests.draw(universe, chance.choice(spoken), taken, chance, weight=weight))
    if len(found) > 2 and chance.random() < 0.35:
        found[0] = replace(found[0], until=chance.uniform(0.4, 0.8))
    if len(found) > 2 and chance.random() < 0.4:
        found[-1] = replace(found[-1], since=chance.uniform(0.5, 0.85), weight=max(2.0, found[-1].weight))
    return tuple(found)


def _style(chance: random.Random) -> Style:
    return Style(
        lower=chance.random() < 0.18,
        bare=chance.random() < 0.3,
        typos=chance.choice((0.0, 0.0, 0.03, 0.08, 0.15)),
        chatty=chance.choice((0.05, 0.15, 0.3, 0.45)),
        hashtags=chance.choice((0, 0, 1, 2, 3)),
        shout=chance.choice((0.0, 0.0, 0.05, 0.3)),
    )


def _ratings(chance: random.Random) -> Ratings:
    mean, spread = chance.choice(((4.7, 0.4), (4.4, 0.8), (4.0, 0.9), (3.4, 1.1), (2.8, 1.0), (5.0, 0.0)))
    return Ratings(
        share=chance.choice((0.0, 0.3, 0.7, 1.0)),
        mean=mean,
        spread=spread,
        top=10 if chance.random() < 0.25 else 5,
        step=chance.choice((1.0, 1.0, 0.5)),
    )
