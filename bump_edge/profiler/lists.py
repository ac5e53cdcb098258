"""Lists inside a sentence: taken apart, and put together again without some of their entries.

Small models name what a log holds and, at the end of a long list, what it does not, or the same again. The sentence is
true without that entry. Nothing is added and nothing reworded: what is left stands in the order it was written in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bump_edge.text import fold, stems, stopwords, word_set, words
from bump_edge.vocabulary import RELATION_WORDS

_AND = {"en": "and", "de": "und", "fr": "et", "es": "y", "it": "e", "pt": "e", "nl": "en"}
_ENDING = re.compile(r"[.!?…]*$")
_QUOTE = re.compile(r"""["“„«][^"“”„«»]+["”“»]""")
_GLUE = {
    "en": word_set("the a an of and or in on at for to from with by"),
    "de": word_set("der die das des dem den ein eine und oder von vom im in am an auf für zu zum zur mit"),
    "fr": word_set("le la les un une de du des d et ou à au aux en sur pour avec"),
    "es": word_set("el la los las un una de del y o en con para por a"),
    "it": word_set("il lo la i gli le un una di del della dei e o in con per da a"),
    "pt": word_set("o a os as um uma de do da dos das e ou em no na com para por"),
    "nl": word_set("de het een van en of in op aan voor met te"),
}
"""Function words that names have inside; any other one (but, not, than) makes a clause of an entry."""
_PLAIN_WORDS = 3
"""Words of an entry in small letters at most: what is longer is a clause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A sentence that ends in a list.

    Args:
        head: what stands before the list, with its space; all of the first entry too, where that cannot be told apart.
        entries: of the list, the first one first; without it where `head` holds it.
        joint: the word between the last two.
        ending: the punctuation behind it.
    """

    head: str
    entries: tuple[str, ...]
    joint: str
    ending: str

    @property
    def text(self) -> str:
        """The sentence: ``Buys a, b and c.``"""
        first, *rest = self.entries if self.head.endswith(" ") or not self.head else (self.head, *self.entries)
        start = self.head if self.head.endswith(" ") else ""
        if not rest:
            return f"{start}{first}{self.ending}"
        last = rest.pop()
        inside = any(f" {self.joint} " in entry for entry in (first, *rest, last))
        return f"{start}{', '.join((first, *rest))}{',' if inside else ''} {self.joint} {last}{self.ending}"


def _nothing(_: str) -> bool:
    return False


def read_list(sentence: str, language: str, known: Callable[[str], bool] = _nothing) -> Listed | None:
    """The list that `sentence` ends in; None where it ends in none, or in one of clauses.

    Args:
        sentence: one sentence.
        language: of it, ISO 639-1; where the word for *and* is not known, no list is.
        known: whether the words of a clause (``how to treat blisters on heel``) stand in a record: then it is an entry.
    """
    joint = _AND.get(language)
    if joint is None:
        return None
    body = _ENDING.sub("", sentence.rstrip())
    ending = sentence.rstrip()[len(body) :]
    *front, back = re.split(r",\s+", body)
    if front and back.startswith(f"{joint} "):
        parts = [*front, back[len(joint) + 1 :]]
    else:
        left, joined, right = back.rpartition(f" {joint} ")
        parts = [*front, left, right] if joined else [*front, back]
    first, *rest = parts
    if not rest or not all(_is_entry(p, language) or (len(words(p)) > _PLAIN_WORDS and known(p)) for p in rest):
        return None
    head, name = _cut_off(first)
    if name and not _is_entry(name, language):
        return None
    return Listed(head=head, entries=(name, *rest) if name else tuple(rest), joint=joint, ending=ending)


def is_quote(entry: str) -> bool:
    """Whether all of an entry stands in quotation marks."""
    return _QUOTE.fullmatch(entry.strip()) is not None


def without(
    sentence: str, language: str, wrong: Callable[[str], bool], known: Callable[[str], bool] = _nothing
) -> tuple[str, int] | None:
    """`sentence` without the entries of its list that are `wrong` or stand there twice, and how many those are.

    Entries with the same stems are one: ``tomato`` and ``tomatoes``.

    None where that leaves the sentence as it is, or nothing of the list.
    """
    found = read_list(sentence, language, known)
    if found is None:
        return None
    kept: dict[str, str] = {}
    head = f" {_key(found.head, language)}" if not found.head.endswith(" ") else ""
    for entry in found.entries:
        key = _key(entry, language)
        if key and key not in kept and not head.endswith(f" {key}") and not wrong(entry):
            kept[key] = entry
    gone = len(found.entries) - len(kept)
    # where the first entry is part of the head, the head is a sentence by itself
    if not gone or (not kept and found.head.endswith(" ")) or not (kept or found.head):
        return None
    return Listed(head=found.head, entries=tuple(kept.values()), joint=found.joint, ending=found.ending).text, gone


def unfinished(sentence: str, language: str, known: Callable[[str], bool] = _nothing) -> str | None:
    """A sentence that was cut off in the middle of its list, ended before the entry that was cut.

    None where no list is left of it.
    """
    rest, comma, _ = sentence.rstrip().rpartition(", ")
    found = read_list(rest, language, known) if comma else None
    return f"{found.text}." if found is not None else None


def _key(entry: str, language: str) -> str:
    return " ".join(stems(entry, language))


def _is_entry(part: str, language: str) -> bool:
    if is_quote(part):
        return True
    said = words(part)
    if len(said) == 1:
        return True  # whatever it is: no clause is that short
    small = {fold(word) for word in said if word[:1].islower()}
    if not said or small & (stopwords(language) - _GLUE[language]):
        return False
    if not part[:1].islower():
        return True
    plain = RELATION_WORDS.get(language, frozenset()) | stopwords(language)
    return len(said) <= _PLAIN_WORDS and fold(said[0]) not in plain


def _cut_off(first: str) -> tuple[str, str]:
    """The words before a list and its first entry, a name: where the capitals begin behind the first word."""
    for found in re.finditer(r"\s+", first):
        if not first[found.end() :][:1].islower():
            return first[: found.end()], first[found.end() :]
    return first, ""
