"""One item's title or description taken apart: a short clean name, what trails behind it, the kind of thing it is."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from bump_edge.backends.extractive.lexicon import ADDRESSES, ATTRIBUTES, GENERIC, HOSTILE, NAME_ENDS, PREPOSITIONS
from bump_edge.backends.extractive.things import is_thing
from bump_edge.prompts import neutralise
from bump_edge.text import fold, turned, word_set

_TAG = re.compile(r"<[^<>]{0,80}>|\"?\s*/>")
_BRACKET = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|\{([^{}]*)\}")
_YEAR = re.compile(r"^(?:1[89]|20)\d\d$")
_DASH = re.compile(r"\s+[-–—|·•~]+\s+|\s*[|•]\s*|\s+[-–—]+(?=\w)|(?<=\w)[-–—]+\s+")
_PART = re.compile(r"[,;:!?/\"“”…]+(?=\s|$)|\s[/\"“”]")
_WITH = re.compile(r"\bw/\s*", re.I)
_TOKEN = re.compile(r"&|[^\W_]+(?:[-'’&.+/][^\W_]+)*")
_STOP_INSIDE = re.compile(
    r"(?<!\b[A-Z])(?<!\bDr)(?<!\bMr)(?<!\bSt)(?<!\bVol)(?<!\bMrs)(?<!\bJr)(?<!\bvs)(?<!\bNo)[.!?…]+(?=\s|$)"
)
_CODE = re.compile(r"^(?=.*\d)(?=.*[A-Za-z])[\w.#/-]{5,}$|^\d{4,}\S*$|#")
_EDITION = word_set(
    """
    edition code download bundle version pack dlc ost remaster
    """
)
_AMOUNT = re.compile(r",?\s+\d+$|,\s*\d.*$")
_MAX_NAME_WORDS = 7

VAGUE_HEADS = word_set(
    """
    holder holders stand stands organizer organizers kit kits tape book books machine system cover covers case cases
    supplies accessory accessories refill refills stick paper card cards cable cables adapter label labels tool
    tools mount bag bags cap caps tray trays rack board boards pad pads guard protector protectors light lights
    display console charger station series studio center centre solution device unit shape size screen
    """
)
"""Heads that say little without the word before them."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item read.

    Args:
        name: a short clean name; empty where none can be made that reads well.
        parts: the name's parts as tokens, cut at punctuation; the first starts the item.
        tails: trailing parts (after a dash, in brackets) as tokens.
        brand: the first token, where the item reads as a description.
        year: a year in brackets.
        descriptive: whether it reads as a product's description rather than a title.
    """

    name: str
    parts: tuple[tuple[str, ...], ...]
    tails: tuple[tuple[str, ...], ...]
    brand: str
    year: int | None
    descriptive: bool


def tokens(text: str) -> tuple[str, ...]:
    """The tokens of a title as written: words with inner marks (``AT&T``, ``Guns``, ``N'``), and ``&``."""
    return tuple(_TOKEN.findall(_WITH.sub("with ", text)))


def clean(text: str) -> str:
    """`text` without tags, entities, control characters and chat markers, in single spaces."""
    return " ".join(neutralise(_TAG.sub(" ", html.unescape(text[:600]))).split())


@lru_cache(maxsize=20_000)
def read_item(text: str) -> Item:
    """Take one item apart."""
    title = clean(text)
    if HOSTILE.search(title):
        return Item(name="", parts=(), tails=(), brand="", year=None, descriptive=False)
    year: int | None = None
    bracketed: list[str] = []
    while found := _BRACKET.search(title):
        inner = next(g for g in found.groups() if g is not None).strip()
        if _YEAR.match(inner):
            year = int(inner)
        elif inner:
            bracketed.append(inner)
        title = f"{title[: found.start()]} {title[found.end() :]}".strip()
    title = " ".join(re.split(r"[()\[\]{}]", title)[0].split()).strip(' ,;:-–—"') or " ".join(bracketed[:1])
    title = turned(title)
    pieces = [p for p in (piece.strip() for piece in _DASH.split(title)) if p] or [title]
    parts = tuple(t for t in (tokens(p) for p in _PART.split(pieces[0])) if t)
    tails = tuple(t for t in (tokens(p) for piece in [*pieces[1:], *bracketed] for p in _PART.split(piece)) if t)
    everything = [t for part in parts for t in part]
    codes = sum(bool(_CODE.search(t)) for t in everything)
    attributes = sum(fold(t) in ATTRIBUTES or t.isdigit() for t in everything)
    descriptive = not year and (
        pieces[0].count(", ") >= 2
        or len(everything) >= 9
        or codes + attributes >= 3
        or (codes > 0 and len(everything) > 2)
    )
    brand = (
        everything[0] if everything and everything[0][:1].isupper() and fold(everything[0]) not in ATTRIBUTES else ""
    )
    return Item(
        name=_name(pieces[0], descriptive=descriptive),
        parts=parts,
        tails=tails,
        brand=brand,
        year=year,
        descriptive=descriptive,
    )


def _name(title: str, *, descriptive: bool) -> str:
    name = title
    if len(tokens(name)) > 5 and ":" in name:
        head = name.split(":")[0].strip()
        name = head if len(tokens(head)) > 1 else name
    if len(tokens(name)) > 5 and ", " in name and (descriptive or re.search(r", \d", name)):
        name = name.split(", ")[0]
    name = _STOP_INSIDE.sub("", name).strip(" ,;:-–—&\"'“”")
    found = list(_TOKEN.finditer(name))
    if found and fold(found[-1].group()) in _EDITION:
        found.pop()
        while len(found) > 1 and fold(found[-1].group()) in ATTRIBUTES:
            found.pop()
        name = _AMOUNT.sub("", name[: found[-1].end()]) if found else ""
    if name.count('"') % 2 or not speakable(name) or len(tokens(name)) > _MAX_NAME_WORDS:
        return ""
    last = tokens(name)[-1:]
    return "" if last and fold(last[0]) in NAME_ENDS and len(tokens(name)) > 1 else name.rstrip(" :,-")


def speakable(text: str) -> bool:
    """Whether `text` can stand in a sentence: letters, no address or markup, nothing that speaks to a model."""
    return (
        any(c.isalnum() for c in text)
        and len(text) <= 80
        and not ADDRESSES.search(text)
        and not HOSTILE.search(text)
        and neutralise(text) == text
    )


def kind_of(parts: Sequence[Sequence[str]], language: str) -> tuple[str, ...]:
    """The kind of thing that a description names: head noun with the word before it where that says more; or nothing.

    English and German end a compound with its head; Romance languages begin with it.
    """
    if language == "de":
        return _german_kind(parts[0]) if parts else ()
    if language in ("fr", "es", "it", "pt"):
        return _romance_kind(parts[0]) if parts else ()
    for index, part in enumerate(parts[:3]):
        body: list[str] = []
        for token in part:
            if body and fold(token) in PREPOSITIONS:
                break
            body.append(token)
        while body and not _names_a_thing(body[-1]):
            body.pop()
        # what follows a known noun is a model or a colour: "Note Dispenser SilverTech"
        last = next((n for n in range(len(body) - 1, max(len(body) - 4, -1), -1) if is_thing(fold(body[n]))), None)
        if last is not None:
            body = body[: last + 1]
        if not body or (index == 0 and len(body) == 1 and last is None):
            continue
        head = body[-1]
        before = body[-2] if len(body) > 1 and not (index == 0 and len(body) == 2) else ""
        if fold(before) == "erase" and len(body) > 2 and fold(body[-3]) == "dry":
            return (f"{body[-3]} {before}", head)
        if before and _modifies(before):
            return (before, head)
        return (head,) if fold(head) not in VAGUE_HEADS else ()
    return ()


def _german_kind(part: Sequence[str]) -> tuple[str, ...]:
    body: list[str] = []
    for token in part:
        if body and fold(token) in PREPOSITIONS:
            break
        body.append(token)
    nouns = [t for t in body if _names_a_thing(t) and t[:1].isupper() and not t.isupper()]
    # a compound is longer than the brand before it and the wood behind it
    return (max(nouns, key=len),) if nouns else ()


def _romance_kind(part: Sequence[str]) -> tuple[str, ...]:
    if not part or not _names_a_thing(part[0]) or part[0].isupper():
        return ()
    if len(part) > 2 and fold(part[1]) in ("de", "a", "para", "con", "en", "di", "da") and _names_a_thing(part[2]):
        return (" ".join(part[:3]),)
    return (part[0],)


def _names_a_thing(token: str) -> bool:
    folded = fold(token)
    return (
        len(folded) > 2
        and folded not in ATTRIBUTES
        and folded not in GENERIC
        and folded not in PREPOSITIONS
        and not any(c.isdigit() for c in token)
        and speakable(token)
    )


def _modifies(token: str) -> bool:
    folded = fold(token)
    return (
        (_names_a_thing(token) or is_thing(folded))
        and not token.isupper()
        and "&" not in token
        and not folded.endswith("'s")
    )
