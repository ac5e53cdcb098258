"""When a person is active: sessions over weeks to years, at their hours, on their days."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

_LAST = datetime(2026, 6, 30, tzinfo=UTC)
_SHORTEST, _LONGEST = 18, 1500  # days
_PEAKS = (7.2, 12.5, 18.0, 20.5, 22.5)


def times(count: int, chance: random.Random, *, pace: float = 0.0) -> list[datetime]:
    """`count` different moments in UTC, in order, to the second.

    Args:
        count: how many, ≥ 1.
        chance: the dice.
        pace: days between two of them at least, on average; with it, sessions are of one mostly: a book, a workout.
    """
    most = min(float(_LONGEST), 40.0 * count)
    least = min(max(_SHORTEST, pace * count), most)
    span = math.exp(chance.uniform(math.log(least), math.log(most)))
    end = _LAST - timedelta(days=chance.uniform(0, 2200))
    peak, other = chance.choice(_PEAKS), chance.choice(_PEAKS)
    weekend = chance.choice((0.3, 1.0, 1.0, 3.0))  # how much more on Saturdays and Sundays
    size = 1.1 if pace else chance.choice((1.1, 1.3, 1.8, 3.0))
    days: list[datetime] = []
    while len(days) < max(2, round(count / size)):
        day = end - timedelta(days=span * chance.random())
        if chance.random() * max(weekend, 1.0) < (weekend if day.weekday() >= 5 else 1.0):
            days.append(day.replace(hour=0, minute=0, second=0, microsecond=0))
    found: set[datetime] = set()
    while len(found) < count:
        day = days[len(found)] if len(found) < len(days) else chance.choice(days)
        hour = chance.gauss(peak if chance.random() < 0.75 else other, 1.1)
        moment = day + timedelta(seconds=int(3600 * min(max(hour, 0.0), 23.9)))
        # a session: a few things minutes apart
        for _ in range(1 + int(chance.expovariate(1 / max(size - 1, 0.2)))):
            if len(found) < count:
                found.add(moment)
            moment += timedelta(seconds=chance.randint(40, 1500))
    return sorted(found)
