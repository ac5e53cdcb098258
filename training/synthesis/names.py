"""Names that nobody has: makers, people, places, bands, titles, put together from parts.

How many there can be is in `combinations`: far more than any model could learn by heart, so that it must read them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from training.synthesis.catalogue import LANGUAGES, parts

_BODIES = ("Ensemble", "Society", "Union", "Quartet", "Committee", "Collective", "Club", "Orchestra", "Trio", "Parade")
_TITLES = (
    "The {a} {n}", "{a} {n}", "{n} and {n2}", "The {n} of {town}", "{n} in {town}", "A {n} for {given}",
    "The {n} and the {n2}",
    "{given}'s {n}", "After the {n}", "Under the {a} {n}", "No {n} in {town}", "The {a} {n} of {given} {surname}",
)  # fmt: skip
_FOREIGN = ("{N}", "{N} & {n2}", "{N}, {n2}", "{town}: {n}", "{given} {surname}: {n}", "{N} ({town})")
_HOUSES = {
    "en": ("{} House", "{} Yard"), "de": ("Haus {}", "Werkstatt {}", "Laden {}", "{} am Markt"),
    "fr": ("Maison {}", "Atelier {}", "Chez {}"), "es": ("Casa {}", "Taller {}", "Rincón {}"),
    "it": ("Casa {}", "Bottega {}", "Circolo {}"), "pt": ("Casa {}", "Oficina {}", "Espaço {}"),
    "nl": ("Huis {}", "Werkplaats {}", "Winkel {}"),
}  # fmt: skip


@cache
def _words(table: str, key: str) -> tuple[str, ...]:
    return tuple(parts()[table][key].split())


@cache
def _halves(table: str, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    first, _, second = parts()[table][language].partition("|")
    return tuple(first.split()), tuple(second.split())


@cache
def _suffixes() -> tuple[str, ...]:
    return tuple(parts()["maker"]["suffix"].split("|"))


def combinations() -> dict[str, int]:
    """How many different makers, people, towns and English titles there can be."""
    maker = len(_words("maker", "onset")) * len(_words("maker", "middle")) * len(_words("maker", "ending"))
    people = {lang: len(_words("given", lang)) * _product(_halves("surname", lang)) for lang in LANGUAGES}
    nouns, adjectives = len(_words("titles", "nouns")), len(_words("titles", "adjectives"))
    towns = {lang: _product(_halves("town", lang)) for lang in LANGUAGES}
    return {
        "makers": maker * (1 + len(_suffixes())),
        "people": sum(people.values()),
        "towns": sum(towns.values()),
        "titles": 2 * adjectives * nouns
        + nouns * nouns * 2
        + nouns * towns["en"] * 3
        + adjectives * nouns * people["en"],
    }


def _product(halves: tuple[Sequence[str], Sequence[str]]) -> int:
    return len(halves[0]) * len(halves[1])


def maker(chance: random.Random) -> str:
    """A maker of things, a brand: ``Velumquist``, ``Tarenholt Works``."""
    bare = coined(chance)
    return bare + chance.choice(_suffixes()) if chance.random() < 0.35 else bare


def coined(chance: random.Random) -> str:
    """One coined word with a capital."""
    onset, middle, ending = (chance.choice(_words("maker", key)) for key in ("onset", "middle", "ending"))
    if chance.random() < 0.2:
        middle = ""
    return f"{onset}{middle}{ending}" if len(onset) > 2 or middle else f"{onset}o{ending}"


def surname(chance: random.Random, language: str) -> str:
    """A surname as that language might have one."""
    first, second = _halves("surname", language)
    return chance.choice(first) + chance.choice(second)


def person(chance: random.Random, language: str) -> str:
    """A given name and a surname."""
    return f"{chance.choice(_words('given', language))} {surname(chance, language)}"


def town(chance: random.Random, language: str) -> str:
    """A town."""
    first, second = _halves("town", language)
    left, right = chance.choice(first), chance.choice(second)
    spaced = right[:1].isupper() or (language in ("fr", "es", "it", "pt") and len(right) > 3 and left[-1:] in "aeo")
    joined = f"{left} {right.capitalize()}" if spaced else left + right
    return joined.replace("- ", "-")


def place(chance: random.Random, language: str, venue: str) -> str:
    """A venue with a name of its own: ``Harrowmere Boulder Hall``; without a `venue`, a house of that language."""
    name = chance.choice((surname, town))(chance, language) if chance.random() < 0.8 else coined(chance)
    return f"{name} {venue}" if venue else chance.choice(_HOUSES.get(language, _HOUSES["en"])).format(name)


def band(chance: random.Random, language: str) -> str:
    """A band or an ensemble."""
    noun, noun2 = chance.sample(_words("titles", "nouns"), 2)
    own, body, adjective = coined(chance), chance.choice(_BODIES), chance.choice(_words("titles", "adjectives"))
    return chance.choice(
        (
            own, f"{own} {noun}", f"{own} {body}", f"{noun} {noun2} {body}", f"{adjective} {noun} {body}",
            f"{town(chance, language)} {noun}", f"{surname(chance, language)} & the {noun}s",
        )
    )  # fmt: skip


def title(chance: random.Random, language: str, own: Sequence[str] = ()) -> str:
    """A title of a book, film or game; `own` are words of its genre, which an English one often has."""
    if language != "en":
        noun, noun2 = chance.sample(_words("titles", language), 2)
        slots = {"n": noun, "N": noun[:1].upper() + noun[1:], "n2": noun2}
        shell = chance.choice(_FOREIGN)
    else:
        nouns = list(chance.sample(_words("titles", "nouns"), 2))
        if own and chance.random() < 0.6:
            nouns[0] = " ".join(w.capitalize() for w in chance.choice(own).split())
        slots = {"n": nouns[0], "n2": nouns[1], "a": chance.choice(_words("titles", "adjectives"))}
        shell = chance.choice(_TITLES)
    slots |= {
        "town": town(chance, language), "surname": surname(chance, language),
        "given": chance.choice(_words("given", language)),
    }  # fmt: skip
    return shell.format(**slots)


def track(chance: random.Random, language: str, own: Sequence[str]) -> str:
    """A title of a piece of music."""
    word = chance.choice(own)
    word = word[:1].upper() + word[1:]
    if language != "en" and chance.random() < 0.7:
        return title(chance, language)
    adjective, noun = chance.choice(_words("titles", "adjectives")), chance.choice(_words("titles", "nouns"))
    number, part = chance.randint(1, 12), chance.choice(("I", "II", "III"))
    return chance.choice(
        (
            f"{adjective} {word}", f"{word} {noun}", f"{word} No. {number}", f"{noun} {word}", f"{word}, Part {part}",
            f"{word} for {chance.choice(_words('given', language))}", f"{town(chance, language)} {word}",
            f"{adjective} {noun}",
        )
    )  # fmt: skip


def repository(chance: random.Random) -> str:
    """What somebody calls a piece of software: ``lantern-ledger``."""
    noun, noun2 = chance.sample(_words("titles", "nouns"), 2)
    return f"{noun}-{noun2}".lower() if chance.random() < 0.6 else f"{coined(chance)}-{noun}".lower()
