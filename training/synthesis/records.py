"""The interactions of a person, one after the other, as their apps would write them down."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from training.synthesis import apps, clock
from training.synthesis.apps import Author
from training.synthesis.interests import Interest
from training.synthesis.personas import UNIVERSES, Persona

SHORTEST, LONGEST = 8, 120
"""Interactions of a user, both included."""

_NOISE = 0.1  # acts that belong to no lasting interest

_PACE = {
    "books": 5.0,
    "films": 2.0,
    "ratings": 0.3,
    "workouts": 1.5,
    "cooking": 1.5,
    "visits": 1.0,
    "shopping": 2.0,
    "gaming": 0.5,
}
"""Days between two acts of a kind at least, on average, for what nobody does often."""


def length(chance: random.Random) -> int:
    """How many interactions a history has: most about 20, few many."""
    return min(LONGEST, SHORTEST + int(chance.lognormvariate(2.5, 0.95)))


def history(persona: Persona, user_id: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    """The rows of a person's log in the order of time, each one a line of the product's input format."""
    pace = sum(_PACE.get(kind, 0.0) * weight for kind, weight in persona.kinds.items()) / sum(persona.kinds.values())
    moments = clock.times(length(chance), chance, pace=pace)
    author = Author(persona, chance)
    written = chance.choices(("iso", "seconds", "milliseconds"), (8, 1, 1))[0]
    kinds, weights = list(persona.kinds), list(persona.kinds.values())
    before: dict[str, Any] = {}
    for number, moment in enumerate(moments):
        for _ in range(5):  # hardly anybody does the very same twice in a row
            kind = chance.choices(kinds, weights)[0]
            interest = _interest(persona, kind, number / max(1, len(moments) - 1), chance)
            row = apps.KINDS[kind](author, interest)
            if row != before:
                break
        before = row
        yield {"user_id": user_id, "timestamp": _written(moment, written), **row}


def _interest(persona: Persona, kind: str, at: float, chance: random.Random) -> Interest:
    universe = UNIVERSES[kind]
    if chance.random() < _NOISE:
        return chance.choice(persona.passing[universe])
    lasting = persona.lasting[universe]
    weights = [i.presence(at) for i in lasting]
    return chance.choices(lasting, weights)[0] if any(weights) else chance.choice(lasting)


def _written(moment: datetime, form: str) -> str | int:
    if form == "iso":
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return int(moment.timestamp()) * (1000 if form == "milliseconds" else 1)
