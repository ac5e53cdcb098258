"""A scripted year of one user, with the truth known: what they care about grows, fades, returns and is contradicted.

Every week has a dozen interactions of the topics that are current then, and a few of nothing in particular. Topics:

* all year: guitars; grows in March: cycling; fades after May: baking;
* returns: gardening (March to May, then again from September on);
* one that takes another's place: from July on coffee instead of tea, which is marked down twice;
* a whim of two weeks in April: chess.

A person corrects the profile four times: they pin a sentence in February, take one out in April, write one in June and
block a topic (health) in August, about which the log goes on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from bump_edge import Interaction

YEAR = 2025
PER_WEEK = 12


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, the words that name it in a profile, and its spans as months (first, last)."""

    name: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    items: tuple[str, ...]
    weight: float = 1.0

    def current(self, month: int) -> bool:
        return any(first <= month <= last for first, last in self.spans)

    def past(self, month: int) -> bool:
        return not self.current(month) and any(last < month for _, last in self.spans)


def _made(kinds: str, makes: str) -> tuple[str, ...]:
    return tuple(f"{make} {kind}" for kind in kinds.split(", ") for make in makes.split(", "))


TOPICS = (
    Topic(
        "guitars", ("guitar", "pickup", "string"), ((1, 12),),
        _made("Guitar Strings, Guitar Pickup, Guitar Strap, Guitar Stand", "Fenway, Stringwell, Luthe"),
    ),
    Topic(
        "cycling", ("bicycl", "bike", "cycling", "pedal", "saddle"), ((3, 12),),
        _made("Bike Saddle, Bike Pedals, Bike Lamp, Bike Chain", "Veloria, Trailkin, Rondo"), 1.2,
    ),
    Topic(
        "baking", ("bak", "bread", "flour", "dough"), ((1, 5),),
        _made("Baking Tin, Bread Flour, Dough Scraper, Baking Paper", "Millgrain, Crumb, Ofenfrisch"),
    ),
    Topic(
        "gardening", ("garden", "seed", "plant", "soil"), ((3, 5), (9, 12)),
        _made("Garden Seeds, Garden Gloves, Plant Soil, Garden Hose", "Greenleaf, Rootsy, Bloomford"),
    ),
    Topic(
        "tea", ("tea",), ((1, 6),),
        _made("Green Tea, Tea Pot, Black Tea, Tea Strainer", "Leafwell, Kettler, Samovar"),
    ),
    Topic(
        "coffee", ("coffee", "espresso"), ((7, 12),),
        _made("Coffee Beans, Coffee Grinder, Espresso Cups, Coffee Filter", "Roastery, Beanly, Cremato"),
    ),
    Topic(
        "chess", ("chess",), ((4, 4),), _made("Chess Board, Chess Clock, Chess Book", "Gambit, Rookery"), 0.7
    ),
)  # fmt: skip
BLOCKED = Topic(
    "health", ("health", "vitamin"), ((6, 12),), _made("Health Vitamins, Health Tracker", "Vitalo, Wellnex"), 0.8
)
NOISE = ("Umbrella", "Batteries AA", "Wrapping Tape", "Door Stop", "Key Ring", "Light Bulb", "Envelope Pack", "Sponge")


def weeks(seed: int = 0) -> Iterator[tuple[date, list[Interaction]]]:
    """The last day of each week and what happened in it."""
    rng = random.Random(seed)
    day = datetime(YEAR, 1, 1, tzinfo=UTC)
    while day.year == YEAR:
        acts = [_act(rng, day + timedelta(days=7 * n / PER_WEEK)) for n in range(PER_WEEK)]
        if day.month == 6 and day.day > 20:
            for n in range(2):
                when = day + timedelta(days=3 + n)
                said = "Tastes of dust. No more tea for me."
                acts.append(
                    Interaction(type="review", item=f"Leafwell Green Tea, tin {n}", rating=1, timestamp=when, text=said)
                )
        day += timedelta(days=7)
        yield (day - timedelta(days=1)).date(), [a for a in acts if a.timestamp and a.timestamp.year == YEAR]


def _act(rng: random.Random, when: datetime) -> Interaction:
    current = [t for t in (*TOPICS, BLOCKED) if t.current(when.month)]
    if rng.random() < 0.12:
        item, rating = rng.choice(NOISE), 4
    else:
        topic = rng.choices(current, [t.weight for t in current])[0]
        item, rating = f"{rng.choice(topic.items)} No. {rng.randrange(1000)}", rng.choice((4, 5, 5))
    return Interaction(
        type="purchase", item=item, rating=rating, timestamp=when + timedelta(minutes=rng.randrange(600))
    )
