"""The word lists, read once: topics in seven languages, universes of media, parts of names, sentences by language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PLACE = Path(__file__).parent
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Something that people spend their time on.

    Args:
        label: what it is called in English.
        family: ``craft``, ``nature``, ``sport``, ``food``, ``tech`` or ``culture``.
        terms: by language, the things that it is about; English ones ≥ 8, others ≥ 4.
        did: what one did, English, past tense, without a subject.
        how: what one wants to be able to do, English, bare infinitive.
        goods: what one buys for it, English.
        venues: where one goes for it, English.
    """

    label: str
    family: str
    terms: Mapping[str, tuple[str, ...]]
    did: tuple[str, ...]
    how: tuple[str, ...]
    goods: tuple[str, ...]
    venues: tuple[str, ...]


def cut(listed: str) -> tuple[str, ...]:
    """The entries of a list that is written in one string, between semicolons."""
    return tuple(part.strip() for part in listed.split(";") if part.strip())


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def topics() -> Mapping[str, Topic]:
    """All topics by key, in a fixed order."""
    return {
        key: Topic(
            label=entry["label"],
            family=path.stem,
            terms={lang: cut(entry["terms" if lang == "en" else lang]) for lang in LANGUAGES},
            did=cut(entry["did"]),
            how=cut(entry["how"]),
            goods=cut(entry["goods"]),
            venues=cut(entry["venues"]),
        )
        for path in sorted((PLACE / "topics").glob("*.toml"))
        for key, entry in _read(path).items()
    }


@cache
def media() -> Mapping[str, Mapping[str, str]]:
    """Universes by name (``music``, ``film``, …): label → its list, as written."""
    return _read(PLACE / "media.toml")


@cache
def parts() -> Mapping[str, Mapping[str, str]]:
    """Parts of names, as written."""
    return _read(PLACE / "names.toml")


@cache
def sentences(language: str) -> Mapping[str, tuple[str, ...]]:
    """Sentences of a language by what they are for."""
    found = _read(PLACE / "wording" / f"{language}.toml")
    return {purpose: tuple(line for line in lines.splitlines() if line.strip()) for purpose, lines in found.items()}
