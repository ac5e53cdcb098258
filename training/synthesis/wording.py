"""Sentences: their choices made, their slots filled, written the way that one person writes."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bump_edge.text import word_set
from training.synthesis.catalogue import sentences

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_RANGE = re.compile(r"\{(\d+)-(\d+)\}")
_SLOT = re.compile(r"\{(\w+)\}")
_SMALL = word_set("a an and at by for from in of on or the to with without")


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How somebody types.

    Args:
        lower: all in lower case.
        bare: mostly without the last full stop.
        typos: chance of one in a text, 0 to 1.
        chatty: chance of an opening, and of a closing, 0 to 1.
        hashtags: of a post at most.
        shout: chance that a full stop becomes an exclamation mark, 0 to 1.
    """

    lower: bool = False
    bare: bool = False
    typos: float = 0.0
    chatty: float = 0.2
    hashtags: int = 0
    shout: float = 0.0


def resolve(template: str, chance: random.Random) -> str:
    """`template` with its choices and numbers drawn; its slots stay."""
    while found := _CHOICE.search(template):
        chosen = chance.choice(found[1].split("|"))
        template = template[: found.start()] + chosen + template[found.end() :]
    return _RANGE.sub(lambda m: str(chance.randint(int(m[1]), int(m[2]))), template)


def fill(template: str, slots: Mapping[str, str], chance: random.Random) -> str:
    """`template` filled; a slot with a capital gets what fills it with one.

    Raises:
        KeyError: a slot that `slots` has nothing for.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in slots:
            return slots[name]
        text = slots[name[:1].lower() + name[1:]]
        return text[:1].upper() + text[1:]

    text = resolve(_SLOT.sub(value, resolve(template, chance)), chance)
    return " ".join(text.split())


def in_title_case(text: str) -> str:
    """An English headline: ``Notes on Ash Glaze``."""
    words = text.split()
    return " ".join(
        word if n and word.lower() in _SMALL else word[:1].upper() + word[1:] for n, word in enumerate(words)
    )


def said(purpose: str, language: str, slots: Mapping[str, str], chance: random.Random) -> str:
    """One sentence (or a few, as the table has them) for a purpose."""
    return fill(chance.choice(sentences(language)[purpose]), slots, chance)


def chatted(purpose: str, language: str, slots: Mapping[str, str], style: Style, chance: random.Random) -> str:
    """A post, message or review the way that a person of that style writes it."""
    table = sentences(language)
    template = chance.choice(table[purpose])
    text = fill(template, slots, chance)
    occasion = purpose.partition("_")[0]  # what fits behind a post does not fit behind a note
    plain = template[:1].isalpha() and not template.startswith(("I ", "I'", "Hm", "hey", "If "))
    if f"opening_{occasion}" in table and plain and chance.random() < style.chatty:
        text = f"{chance.choice(table[f'opening_{occasion}'])} {text[:1].lower() + text[1:]}"
    if occasion == "post" and chance.random() < 0.06:
        text = f"{text} {fill(chance.choice(table[purpose]), slots, chance)}"
    asks = text.endswith("?")  # a post ends with a question, a message says thanks behind one
    if f"closing_{occasion}" in table and asks == (occasion == "message") and chance.random() < style.chatty:
        text = f"{text} {chance.choice(table[f'closing_{occasion}'])}"
    return typed(text, style, chance)


def typed(text: str, style: Style, chance: random.Random) -> str:
    """`text` with the case, the full stops and the typos of a style."""
    if style.lower:
        text = text.lower()
    if text.endswith(".") and chance.random() < style.shout:
        text = f"{text[:-1]}!"
    elif style.bare and text.endswith(".") and chance.random() < 0.8:
        text = text[:-1]
    return mistyped(text, chance) if chance.random() < style.typos else text


def mistyped(text: str, chance: random.Random) -> str:
    """`text` with one typo in a longer word: two letters swapped, one left out or doubled."""
    long = list(re.finditer(r"[^\W\d_]{5,}", text))
    if not long:
        return text
    word = chance.choice(long)
    at = chance.randint(word.start() + 1, word.end() - 2)
    kind = chance.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if kind == 1 else text[:at] + text[at] + text[at:]


def hashtag(text: str) -> str:
    """``#ashglaze``, all letters and digits together."""
    return "#" + "".join(c for c in text.lower() if c.isalnum())
