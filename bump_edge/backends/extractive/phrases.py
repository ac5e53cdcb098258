"""Phrases that come back across items: series, brands, kinds of things, platforms."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bump_edge.backends.extractive.lexicon import (
    ATTRIBUTES,
    GENERIC,
    NAME_ENDS,
    PLATFORM,
    PREPOSITIONS,
    TITLE_WORDS,
    VERBS,
)
from bump_edge.backends.extractive.names import VAGUE_HEADS, Item, kind_of, speakable
from bump_edge.backends.extractive.things import QUALIFIERS, is_thing
from bump_edge.text import fold, stem, stopwords, word_set

Role = Literal["kind", "series", "facet", "label", "topic", "aspect", "name"]

_LONGEST = 5
_ARTICLES = ("the", "a", "les", "die")
_ROMAN = word_set(
    """
    ii iii iv v vi vii viii ix x xi xii
    """
)
_MASS = word_set(
    """
    paper tape ink glue software furniture equipment hardware cardstock chalk clay foam wire storage music
    stationery putty correction fluid amiibo headwear coffee tea rice milk bread cheese chocolate shampoo soap
    lotion jewelry clothing footwear wax oil powder cream gear toner distortion delay overdrive reverb sustain
    storage audio tremolo chorus feedback music photography programming travel finance software gaming cooking
    envelopes scissors pliers glasses
    """
)

_IRREGULAR = {
    "mouse": "mice",
    "knife": "knives",
    "shelf": "shelves",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something that can be named in a sentence, and the interactions that bear it out.

    Args:
        text: as it stands in a sentence.
        positions: the interactions, by position in the selection.
        role: what kind of sentence it belongs to.
        stems: the stems of its words: two phrases that share one say the same twice.
    """

    text: str
    positions: frozenset[int]
    role: Role
    stems: frozenset[str]


@dataclass(slots=True)
class _Seen:
    positions: set[int] = field(default_factory=set)
    surfaces: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    ends: int = 0
    tails: int = 0
    aims: int = 0  # something is for it
    whole: int = 0  # it is a trailing part of its own, or what something is for
    closes: int = 0  # what follows shows a series: a number, a colon, the end
    total: int = 0


def key_of(words: Iterable[str], language: str) -> tuple[str, ...]:
    """The stems of a phrase's words, in order: what its spellings have in common."""
    return tuple(stem(fold(w), language) for w in words)


def repeated(
    items: Sequence[tuple[int, Item]], language: str, *, described: bool = False, sites: bool = False
) -> list[Phrase]:
    """The phrases that at least two different items share, those that explain most first; none repeats another.

    Args:
        items: position and item of each interaction; equal items count once.
        language: for stems and letter case.
        described: whether the items read as descriptions: only what begins them can then be a name.
        sites: whether what trails a title is the place it is on.
    """
    seen = _count(items, language)
    names = len({item.name or item.parts for _, item in items})
    firsts = Counter(fold(item.parts[0][0]) for _, item in items if item.parts)
    candidates = {key: s for key, s in seen.items() if _is_phrase(s, names)}
    chosen: list[Phrase] = []
    used: dict[tuple[str, ...], Phrase] = {}
    covered: set[int] = set()
    keys = list(candidates)
    while keys and len(chosen) < 24:
        best = max(keys, key=lambda k: (_gain(k, candidates[k], covered), len(candidates[k].positions), -len(k), k))
        keys.remove(best)
        s = candidates[best]
        phrase = _phrase(best, s, len(items), firsts, language, described=described, sites=sites)
        if phrase is not None and not any(_repeats(best, phrase, k, p) for k, p in used.items()):
            used[best] = phrase
            chosen.append(phrase)
            covered |= s.positions
    return chosen


def platforms(items: Sequence[tuple[int, Item]], language: str) -> list[Phrase]:
    """The known platforms that items name behind their titles, once is enough; the most frequent first."""
    where: dict[tuple[str, ...], set[int]] = defaultdict(set)
    shown: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for position, item in items:
        for tail in item.tails:
            if is_platform(text := " ".join(tail)):
                key = key_of(tail, language)
                where[key].add(position)
                shown[key][text] += 1
    found = [
        Phrase(
            text=max(shown[k], key=lambda t: (shown[k][t], t)), positions=frozenset(p), role="facet", stems=frozenset(k)
        )
        for k, p in where.items()
    ]
    return sorted(found, key=lambda p: (-len(p.positions), p.text))


def _count(items: Sequence[tuple[int, Item]], language: str) -> dict[tuple[str, ...], _Seen]:
    seen: dict[tuple[str, ...], _Seen] = defaultdict(_Seen)
    known: dict[tuple[tuple[str, ...], ...], int] = {}
    for position, item in items:
        first = known.setdefault(item.parts + item.tails, position)
        for index, part in enumerate((*item.parts, *item.tails)):
            is_tail = index >= len(item.parts)
            stems = [stem(fold(t), language) for t in part]
            folded = [fold(t) for t in part]
            for start in range(min(len(part), 14)):
                if folded[start] in NAME_ENDS and not (start == 0 and folded[start] in _ARTICLES):
                    continue
                for end in range(start + 1, min(start + _LONGEST, len(part)) + 1):
                    if folded[end - 1] in PREPOSITIONS or folded[end - 1] in NAME_ENDS:
                        continue
                    s = seen[tuple(stems[start:end])]
                    s.positions.add(position)
                    if first != position:  # the same item again: a habit, but no second witness for a kind
                        continue
                    s.surfaces[" ".join(part[start:end])] += 1
                    s.total += 1
                    s.starts += index == 0 and (start == 0 or (start == 1 and folded[0] in _ARTICLES))
                    ends = end == len(part)
                    for_it = start > 0 and folded[start - 1] in ("for", "fur", "pour", "para")
                    s.tails += is_tail or for_it
                    s.aims += for_it and ends
                    s.whole += (is_tail and start == 0 and ends) or (for_it and ends)
                    s.ends += ends or folded[end] in PREPOSITIONS
                    s.closes += ends or folded[end].isdigit() or folded[end] in _ROMAN
    return seen


def _is_phrase(s: _Seen, names: int) -> bool:
    if s.total < 2 or len(s.positions) < 2:
        return False
    words = [fold(w) for w in max(s.surfaces, key=lambda t: (s.surfaces[t], t)).split()]
    dull = [w in ATTRIBUTES or w in GENERIC or w.isdigit() for w in words]
    if all(dull) or words[0].isdigit() or (dull[-1] and not words[-1].isdigit()):
        return False
    if words[-1].isdigit() and (len(words) < 2 or dull[-2] or len(words[-1]) > 3):
        return False
    bare = words[1:] if words[0] in ("the", "a") else words
    if len(bare) == 1:
        word = bare[0]
        if word in TITLE_WORDS or word in VAGUE_HEADS or len(word) < 2:
            return False
        if s.starts < 0.5 * s.total and s.tails < 0.5 * s.total:
            return (is_thing(word) and s.ends >= 0.5 * s.total) or (s.total >= 3 and s.ends >= 0.6 * s.total)
        return s.total >= 3 or s.closes >= 2 or (s.starts >= 2 and names <= 15)
    if all(w in TITLE_WORDS or d for w, d in zip(words, dull, strict=True)):
        return s.starts >= 2
    return True


def _gain(key: tuple[str, ...], s: _Seen, covered: set[int]) -> float:
    # a longer phrase says more, so it may cover a little less
    return (len(s.positions - covered) + 0.25 * len(s.positions)) * (0.7 + 0.3 * min(len(key), 3))


def _repeats(key: tuple[str, ...], phrase: Phrase, other_key: tuple[str, ...], other: Phrase) -> bool:
    mine, theirs = set(key) - {"the"}, set(other_key) - {"the"}
    if mine <= theirs or theirs <= mine:
        return True
    if phrase.positions <= other.positions and mine & theirs:
        return True
    return bool({k for k in mine & theirs if not k.isdigit()}) and phrase.role == other.role and phrase.role != "facet"


def _phrase(
    key: tuple[str, ...],
    s: _Seen,
    total: int,
    firsts: Counter[str],
    language: str,
    *,
    described: bool,
    sites: bool,
) -> Phrase | None:
    surface = max(s.surfaces, key=lambda t: (s.surfaces[t], t))
    if not speakable(surface):
        return None
    role: Role
    if s.whole >= max(1, 0.3 * s.total) and not surface.islower():
        # behind a title stand platforms and sites, but as often those who made it
        role = "facet" if sites or s.aims >= 0.5 * s.total or is_platform(surface) else "series"
        if role == "series" and (s.total < 2 or described or s.whole < 0.8 * s.total):
            return None
    elif s.tails >= 0.5 * s.total:
        return None
    elif s.starts >= 0.5 * s.total:
        role = "series"
    elif s.ends >= 0.5 * s.total and (language != "en" or surface.islower() or is_thing(fold(surface.split()[-1]))):
        role = "kind"
    else:
        return None
    if role == "series" and is_platform(surface):
        role = "facet"
    told = [fold(w) for w in surface.split()]
    if role != "kind" and any(_is_code(w) for w in surface.split()):
        return None
    if role == "series" and language == "en" and s.starts < 0.5 * s.total and all(is_thing(w) for w in told):
        role = "kind"
    if ("&" in told and (role == "kind" or told[-1] == "&")) or (
        is_thing(told[0]) and not PREPOSITIONS.isdisjoint(told)
    ):
        return None
    if role == "series" and len(key) == 1 and _spellings(s) < 2:
        return None  # "Alien" and "Aliens" are two titles
    if role == "series" and described and (s.starts < 0.5 * s.total or any(_common(w) for w in told)):
        return None
    if role == "series" and told[0] in ATTRIBUTES and told[0] not in TITLE_WORDS:
        return None
    if role == "series" and surface.islower() and not all(w.islower() for w in s.surfaces):
        return None
    if role == "facet" and len(s.positions) < max(2, 0.08 * total):
        return None
    if role == "series" and len(key) == 1 and surface.islower() and firsts[surface] < s.total:
        return None
    text = lowered(surface, firsts, language) if role == "kind" else surface
    if role == "kind" and language == "en":
        text = plural(text) if is_thing(fold(text.split()[-1])) else text
    return Phrase(text=text, positions=frozenset(s.positions), role=role, stems=frozenset(key))


def queries(items: Sequence[tuple[int, Item]], language: str) -> list[Phrase]:
    """What short texts (searches, notes, events) have in common: content words and their runs, most telling first."""
    edges = stopwords(language) | GENERIC | VERBS | ATTRIBUTES | NAME_ENDS
    seen: dict[tuple[str, ...], _Seen] = defaultdict(_Seen)
    known: set[tuple[tuple[tuple[str, ...], ...], ...]] = set()
    for position, item in items:
        # the tails too: what they alone hold is counted the first time as well
        text = (item.parts, item.tails)
        new = text not in known
        known.add(text)
        for part in (*item.parts, *item.tails):
            stems = [stem(fold(t), language) for t in part]
            dull = [fold(t) in edges or t.isdigit() or len(t) < 2 for t in part]
            for start in range(len(part)):
                for end in range(start + 1, min(start + 3, len(part)) + 1):
                    if dull[start] or dull[end - 1]:
                        continue
                    s = seen[tuple(stems[start:end])]
                    s.positions.add(position)
                    if new:
                        s.total += 1
                        words = [
                            t.lower() if i == 0 and t[1:].islower() and language != "de" else t
                            for i, t in enumerate(part)
                        ]
                        s.surfaces[" ".join(words[start:end])] += 1
    keys = [k for k, s in seen.items() if len(s.positions) >= 2]
    chosen: list[Phrase] = []
    covered: set[int] = set()
    while keys and len(chosen) < 12:
        best = max(keys, key=lambda k: (_gain(k, seen[k], covered), len(seen[k].positions), k))
        keys.remove(best)
        s = seen[best]
        surface = max(s.surfaces, key=lambda t: (s.surfaces[t], t))
        if not speakable(surface) or any(set(best) & p.stems for p in chosen):
            continue
        chosen.append(Phrase(text=surface, positions=frozenset(s.positions), role="kind", stems=frozenset(best)))
        covered |= s.positions
    return chosen


def _spellings(s: _Seen) -> int:
    """How often the most frequent spelling occurs, possessives aside."""
    counts: Counter[str] = Counter()
    for surface, n in s.surfaces.items():
        counts[fold(surface).removesuffix("'s").removesuffix("’s")] += n
    return max(counts.values())


def is_platform(text: str) -> bool:
    """Whether `text` names a known platform, or several with a slash between (``PC/Mac``)."""
    return all(PLATFORM.fullmatch(part.strip()) for part in text.split("/"))


def _is_code(word: str) -> bool:
    """A model number: digits and letters, longer than what a platform is called (``PS4``, ``3DS``)."""
    return len(word) >= 5 and any(c.isdigit() for c in word) and any(c.isalpha() for c in word)


def _common(folded: str) -> bool:
    return folded in ATTRIBUTES or folded in GENERIC or folded in QUALIFIERS or is_thing(folded)


def lowered(surface: str, firsts: Counter[str], language: str) -> str:
    """A kind in lower case; brands (tokens that begin several items), acronyms and German nouns keep theirs."""
    if language == "de":
        return surface
    return " ".join(w if firsts[fold(w)] >= 2 and not is_thing(fold(w)) else _low(w) for w in surface.split())


def _low(word: str) -> str:
    parts = [p for p in re.split(r"[-/]", word) if p]
    titled = all(p[:1].isupper() and (p[1:].islower() or not p[1:]) for p in parts)
    return word.lower() if titled or is_thing(fold(word)) else word


def plural(text: str) -> str:
    """The English plural of a kind; what has none, or is one, stays."""
    head, _, last = text.rpartition(" ")
    low = last.lower()
    if low in _IRREGULAR:
        return f"{head} {_IRREGULAR[low]}".strip()
    if low in _MASS or low.endswith("s") or not low.isascii() or not low.isalpha() or last.isupper():
        return text
    if low.endswith(("x", "ch", "sh", "z")):
        last += "es"
    elif low.endswith("y") and low[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}" if head else last


def with_article(text: str) -> str:
    """``file box`` → ``a file box``; plurals and what cannot be counted stay bare."""
    last = text.rpartition(" ")[2].lower()
    if last in _MASS or (last.endswith("s") and not last.endswith("ss")) or not last.isalpha():
        return text
    return f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"


def kinds(items: Sequence[tuple[int, Item]], language: str) -> list[Phrase]:
    """The kinds of things that described items are, grouped by head noun, the most frequent first."""
    firsts = Counter(fold(item.parts[0][0]) for _, item in items if item.parts)
    groups: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for position, item in items:
        if not item.year and (kind := kind_of(item.parts, language)):
            if language == "de" and firsts[fold(kind[-1])] >= 2 and len(item.parts[0]) > 1:
                continue
            groups[stem(fold(kind[-1]), language)].append((position, kind))
    found = []
    for head, members in groups.items():
        positions = frozenset(p for p, _ in members)
        modifiers = Counter(lowered(k[0], firsts, language) for _, k in members if len(k) > 1)
        noun = lowered(Counter(k[-1] for _, k in members).most_common(1)[0][0], firsts, language)
        if language == "en" and len(modifiers) > 1:  # "gel and ballpoint pens", but no "grip and liner highlighters"
            modifiers = Counter({m: n for m, n in modifiers.items() if is_thing(fold(m)) or fold(m) in QUALIFIERS})
        often = [m for m, _ in modifiers.most_common(2)]
        whole = sum(modifiers[m] for m in often) == len(members)
        if len(members) == 1:
            text = f"{often[0]} {noun}" if often else noun
            text = with_article(text) if language == "en" else text
        elif whole or fold(noun) in VAGUE_HEADS:
            joined = " and ".join(often) if language == "en" else often[0] if len(often) == 1 else ""
            text = f"{joined} {noun}".strip()
            text = plural(text) if language == "en" else text
        else:
            text = plural(noun) if language == "en" else noun
        said = frozenset({head, *key_of((w for m in often if m in text for w in m.split()), language)})
        if speakable(text):
            found.append(Phrase(text=text, positions=positions, role="kind", stems=said))
    found.sort(key=lambda p: (-len(p.positions), -max(p.positions), p.text))
    if language != "en":
        return found
    # the unknown last word of a single item may be a model or an adjective: only where known nouns are few
    known = [p for p in found if len(p.positions) > 1 or is_thing(fold(p.text.split()[-1]))]
    return known if len(known) >= 3 else found
