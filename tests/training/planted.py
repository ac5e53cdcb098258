"""Made-up users with a planted truth: each has rare words of their own, in everything they do."""

from __future__ import annotations

import random
from pathlib import Path

import orjson

COMMON = ("blue", "small", "new", "classic", "large", "steel", "soft", "daily", "basic", "prime", "light", "solid")


def name_of(user: int) -> str:
    """The user's id."""
    return f"user-{user}"


def rare_words(user: int) -> list[str]:
    """Three words that no other user has, without a stem in common."""
    draw = random.Random(f"rare {user}")
    return ["".join(draw.choice("bdfgklmnprtvz") + draw.choice("aou") for _ in range(4)) + "k" for _ in range(3)]


def rows(user: int, *, length: int = 8, dated: bool = True) -> list[dict[str, object]]:
    """The user's log, oldest first: one rare word and common ones an item."""
    draw = random.Random(f"log {user}")
    own = rare_words(user)
    return [
        {
            "user_id": name_of(user),
            "item": f"{draw.choice(COMMON)} {own[n % 3]} {draw.choice(COMMON)} model {n}",
            "type": "purchase",
        }
        | ({"timestamp": f"2024-01-{n + 1:02}T00:00:00Z"} if dated else {})
        for n in range(length)
    ]


def write_log(path: Path, users: range, **options: bool | int) -> Path:
    """A history file of the users, and its path."""
    lines = [orjson.dumps(row) for user in users for row in rows(user, **options)]  # type: ignore[arg-type]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
