"""Write a profile, or bring one up to date: what still holds stays word for word, what is new is added."""

from __future__ import annotations

from bump_edge.backends.extractive.frames import FRAMES
from bump_edge.backends.extractive.groups import word_count
from bump_edge.backends.extractive.writer import Writer
from bump_edge.prompts import Prompt
from bump_edge.text import fold, sentences, stems, words
from bump_edge.vocabulary import RELATION_WORDS

_NEW_SHARE = 0.4


def write(prompt: Prompt, seed: int = 0) -> str:
    """The profile that `prompt` asks for; empty only when the log holds nothing that can be said."""
    if not prompt.profile:
        return " ".join(Writer(prompt, seed).sentences())
    return _update(prompt, prompt.profile, seed)


def _update(prompt: Prompt, profile: str, seed: int) -> str:
    """Old sentences first, then the new ones that say something else.

    A sentence about ratings counts the whole history, so the new one takes the old one's place; so does the one about
    what is recent, which is not recent any more.
    """
    fresh = Writer(prompt, seed).sentences()
    frames = FRAMES.get(prompt.language, FRAMES["en"])
    lately = _openings(frames.lately)
    rates = _openings((*frames.rates_all, *frames.rates_generous, *frames.rates_strict, *frames.rates_range))
    rated_anew = any(_opens(s, rates) for s in fresh)
    old = [s for s in sentences(profile) if not _opens(s, lately) and not (rated_anew and _opens(s, rates))]
    room = max(1, prompt.max_words - 1)
    known = [_content(s, prompt.language) for s in old]
    new = []
    for sentence in fresh:
        content = _content(sentence, prompt.language)
        if not content or not any(len(content & k) >= 0.6 * len(content) for k in known):
            new.append(sentence)
    # the newest sentences get their share; of the old ones, the first say most
    reserved = min(sum(map(word_count, new)), int(room * _NEW_SHARE))
    kept: list[str] = []
    for sentence in old:
        if word_count(sentence) <= room - reserved:
            kept.append(sentence)
            room -= word_count(sentence)
    for sentence in new:
        if word_count(sentence) <= room and sentence not in kept:
            kept.append(sentence)
            room -= word_count(sentence)
    return " ".join(kept)


def _openings(wordings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(fold(w.split("{")[0].strip(" ,.")) for w in wordings)


def _opens(sentence: str, openings: tuple[str, ...]) -> bool:
    return any(o and fold(sentence).startswith(o) for o in openings)


def _content(sentence: str, language: str) -> set[str]:
    relations = RELATION_WORDS.get(language, RELATION_WORDS["en"])
    return set(stems(" ".join(w for w in words(sentence) if fold(w) not in relations), language))
