"""Small made-up logs for the tests of the extractive backend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction

START = datetime(2025, 1, 3, tzinfo=UTC)


def prompt_of(log: Sequence[Interaction], **changes: Any) -> Prompt:
    return Prompt(interactions=tuple(log), stats=HistoryStats.of(log), **changes)


def profile(log: Sequence[Interaction], *, seed: int = 0, **changes: Any) -> str:
    return generate(ExtractiveBackend(), [prompt_of(log, **changes)], GenerationOptions(seed=seed))[0].text


def items(
    names: Sequence[str], type_: str = "purchase", *, ratings: Sequence[float] | None = None, step: int = 7
) -> list[Interaction]:
    return [
        Interaction(
            item=name,
            type=type_,
            rating=None if ratings is None else ratings[n],
            timestamp=START + timedelta(days=step * n),
        )
        for n, name in enumerate(names)
    ]


def texts(said: Sequence[str], type_: str = "review", *, step: int = 7) -> list[Interaction]:
    return [
        Interaction(text=text, type=type_, timestamp=START + timedelta(days=step * n)) for n, text in enumerate(said)
    ]


OFFICE = items(
    [
        "Sharpie Permanent Markers, Fine Point, Purple, 12-Pack (30008)",
        "BIC Brite Liner Grip Highlighter, Tank, Chisel Tip, Yellow, 12-Count",
        "Sharpie Permanent Markers, Ultra Fine Point, Black, 12 Count (37001)",
        'Avery Heavyweight Sheet Protectors, 8.5" x 11", Acid-Free, 200ct (74400)',
        "PaperPro Compact One-Finger 15-Sheet Stapler (ACI1558), Colors may vary",
        "Brother 1030 Correctable Ribbon for Daisy Wheel Typewriter (2 Ribbons)",
        "BIC Brite Liner Highlighter, Chisel Tip, Green, 12-Count",
    ],
    ratings=[5, 5, 5, 5, 1, 4, 5],
)
GAMES = items(
    [
        "Final Fantasy X - PlayStation 2",
        "Ratchet & Clank - PlayStation 2",
        "Final Fantasy XII Collector's Edition - PlayStation 2",
        "Shadow of the Colossus - PlayStation 2",
        "Final Fantasy XIII - Playstation 3",
        "Uncharted: Drake's Fortune - Playstation 3",
        "Bodyguard, The",
        "Bloodborne - PlayStation 4",
        "Dark Souls III - PlayStation 4",
    ]
)
FILMS = [
    Interaction(
        item=f"{title} ({year})",
        type="rating",
        rating=rating,
        meta={"genres": genres},
        timestamp=START + timedelta(days=20 * n),
    )
    for n, (title, year, rating, genres) in enumerate(
        [
            ("Alien", 1979, 5, ["Horror", "Sci-Fi"]),
            ("Thing, The", 1982, 5, ["Horror", "Sci-Fi"]),
            ("Fly, The", 1986, 4.5, ["Horror", "Sci-Fi"]),
            ("Aliens", 1986, 4.5, ["Horror", "Action"]),
            ("Pretty in Pink", 1986, 2, ["Comedy", "Romance"]),
            ("Big", 1988, 1.5, ["Comedy", "Romance"]),
            ("Splash", 1984, 2, ["Comedy", "Romance"]),
            ("Mannequin", 1987, 1, ["Comedy", "Romance"]),
            ("Evil Dead II", 1987, 4.5, ["Horror", "Comedy"]),
            ("Hellraiser", 1987, 4, ["Horror"]),
            ("Predator", 1987, 4, ["Horror", "Action"]),
            ("Re-Animator", 1985, 4.5, ["Horror"]),
        ]
    )
]
REVIEWS = texts(
    [
        "Great tuner. This tuner clips on the headstock and is accurate. I use it with my acoustic guitar on stage.",
        "Solid pedal. This distortion pedal is quiet, and the pedal runs on a 9v battery. The Boss pedals are sturdy.",
        "Nice strap. The guitar strap is sturdy leather and holds my acoustic guitar well.",
        "Another Boss pedal for my board. This delay pedal is sturdy and the tone stays clear.",
        "The strings sound bright on my acoustic guitar, and they hold their tone for weeks.",
    ]
)
SEARCHES = texts(
    [
        "lisbon hotels", "cheap flights lisbon", "sourdough starter not rising", "sourdough hydration calculator",
        "weather lisbon april", "rye sourdough recipe", "bread proofing basket", "dutch oven size for sourdough",
    ],
    "search",
)  # fmt: skip
GERMAN = items(
    [
        "Bosch Professional Akku-Bohrschrauber GSR 12V-15, blau",
        "Makita Stichsäge 4350FCT, 720 Watt",
        "Wiha Schraubendreher Set, 6-teilig",
        "Holzleim wasserfest, 500 g",
        "Schleifpapier Körnung 120, 50 Blatt",
        "Bosch Professional Schleifpapier Set, 25-teilig",
        "Makita Akku 18 V, 5,0 Ah",
    ],
    "kauf",
    ratings=[5, 5, 4, 5, 5, 5, 1],
)
LISTENING = [
    Interaction(item=name, type="listen", meta={"plays": plays})
    for name, plays in [
        ("Kronos Quartet", 40),
        ("Depeche Mode", 900),
        ("IAMX", 320),
        ("Dave Gahan", 210),
        ("Portishead", 90),
    ]
]
LOGS = {
    "office": OFFICE, "games": GAMES, "films": FILMS, "reviews": REVIEWS, "searches": SEARCHES, "listening": LISTENING,
}  # fmt: skip
