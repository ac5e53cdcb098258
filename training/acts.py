"""What the warm-up's targets say of a log that holds several kinds of acts, or of one that `training.wording` knows
nothing else to say of: searches, notes, posts, visits, apps.

A sentence for each kind of act lists what its entries name, in the log's order: items by their short names, searches as
they were typed, and of texts of the user's own the rarest words. What comes back stands in a sentence of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from bump_edge.backends.extractive.frames import FRAMES
from bump_edge.backends.extractive.groups import Group, ends_well, word_count
from bump_edge.backends.extractive.lexicon import ASPECTS
from bump_edge.backends.extractive.names import speakable
from bump_edge.backends.extractive.reading import Entry
from bump_edge.backends.extractive.things import is_thing
from bump_edge.text import fold, sentences, stems, stopwords, words
from bump_edge.types import Interaction
from bump_edge.vocabulary import ACTS_OF_VERB
from training.findings import NO_NAME, TITLED, short_name, title_of
from training.models import missing

MENTIONS = ("Mentions {x}.", "Also mentions {x}.")
"""How the rare words of texts are, beside the names of what they are about."""

_LONGEST = 7  # words of a search that is repeated as it was typed: eight in a row would be a copy
_SPOKEN = {*ACTS_OF_VERB["en"]["mentions"], "other"}  # acts of which the checks let it be said that a text mentions
_COMMON = 4.6  # a Zipf frequency: words from here on tell nobody apart
_LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
_A_TEXT = 2  # words that a text gives at most


def clause(act: str) -> str:
    """What is said of a class of acts, in the extractive backend's words, with ``{x}``: ``looks up {x}``."""
    return FRAMES["en"].verbs[act].replace("{adv}", "")


def named(group: Group) -> dict[str, int]:
    """What the entries of a group name, each with the position of the first that does; empty for texts alone."""
    found: dict[str, int] = {}
    shown: dict[str, str] = {}
    for entry in group.entries:
        if group.act == "rate" and entry.rating is None:
            continue
        if entry.written:
            name = entry.item.name if entry.item is not None and group.act == "search" else ""
            name = name if word_count(name) <= _LONGEST else ""
        else:
            whole = title_of(entry)
            name = whole if group.act in TITLED else short_name(entry) or whole.partition(", ")[0]
        if name and ends_well(name) and speakable(name):
            found.setdefault(shown.setdefault(fold(name), name), entry.position)
    return found


def mentioned(group: Group, interactions: Sequence[Interaction]) -> dict[str, int]:
    """The rare words of a group's texts, those of several texts first, each with the position of its first text."""
    first: dict[str, int] = {}
    shown: dict[str, str] = {}
    count: Counter[str] = Counter()
    rank: dict[str, int] = {}
    for entry in group.entries:
        text = interactions[entry.position].text or ""
        if not text or group.act not in _SPOKEN:
            continue
        for place, phrase in enumerate(_rare(text)[:_A_TEXT]):
            key = " ".join(stems(phrase)) or fold(phrase)
            first.setdefault(key, entry.position)
            shown.setdefault(key, phrase)
            rank[key] = min(place, rank.get(key, place))
            count[key] += 1
    # of each text one before a second of any
    order = sorted(first, key=lambda k: (count[k] < 2, rank[k], -first[k]))
    return {shown[key]: first[key] for key in order}


def spoken_of(entries: Sequence[Entry]) -> dict[str, int]:
    """The rarest name or thing that each text speaks of, with its position."""
    found: dict[str, int] = {}
    for entry in entries:
        known = (p for p in _rare(entry.text) if p.istitle() or is_thing(p) or p in ASPECTS)
        phrase = next(known, None)
        if phrase is not None:
            found.setdefault(phrase, entry.position)
    return found


def recurring(groups: Sequence[Group]) -> dict[str, int]:
    """What at least three entries share, or a quarter of all: labels, series, kinds; in whatever kinds of acts."""
    where: dict[str, set[int]] = {}
    shown: dict[str, str] = {}
    for group in groups:
        for phrase in (*group.labels, *group.phrases):
            if ends_well(phrase.text) and phrase.role != "facet":
                key = " ".join(sorted(phrase.stems)) or fold(phrase.text)
                shown.setdefault(key, phrase.text)
                where.setdefault(key, set()).update(phrase.positions)
    least = max(3, round(0.25 * sum(len(g.entries) for g in groups)))
    often = sorted((k for k in where if len(where[k]) >= least), key=lambda k: (-len(where[k]), k))
    return {shown[key]: min(where[key]) for key in often}


def _rare(text: str) -> list[str]:
    """The words of a text that tell most, the rarest first; names with a capital as they stand there, in one piece."""
    found: dict[str, float] = {}
    for sentence in sentences(text[:600]):
        tokens = words(sentence)
        shouts = sum(t.isupper() and len(t) > 1 for t in tokens) > 0.3 * len(tokens)
        run: list[str] = []
        for at, token in enumerate([*tokens, ""]):
            folded = fold(token)
            dull = folded in NO_NAME or folded in stopwords("en") or folded.endswith("ly")
            named = at and token[:1].isupper() and not shouts
            if named and token.isalpha() and folded not in NO_NAME and frequency(token) < _COMMON + 1:
                run.append(token)
                continue
            if run and len(run) <= 3:
                found.setdefault(" ".join(run), min(map(frequency, run)) - 1)
            run = []
            # most of these endings are of what is done, not of what it is done to
            common = frequency(folded) + 1.5 * folded.endswith(("ed", "ing", "est"))
            if len(token) > 3 and token.isalpha() and not dull and common < _COMMON:
                found.setdefault(folded, common)
    return sorted(found, key=lambda phrase: (found[phrase], phrase))


@cache
def frequency(word: str) -> float:
    """How common a word is where it is most common, of seven languages: Zipf's scale, 0 to 8."""
    try:
        from wordfreq import zipf_frequency
    except ImportError as error:
        raise missing(error) from None
    return max(float(zipf_frequency(word, language, "small")) for language in _LANGUAGES)
