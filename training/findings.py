"""What a log holds that a profile can name: short names of items, the things that reviews are about, names in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bump_edge.backends.extractive.groups import Group, ends_well, word_count
from bump_edge.backends.extractive.lexicon import ASPECTS, ATTRIBUTES, GENERIC, JUDGEMENTS, PREPOSITIONS, VERBS
from bump_edge.backends.extractive.names import VAGUE_HEADS, kind_of, speakable
from bump_edge.backends.extractive.phrases import plural
from bump_edge.backends.extractive.reading import Entry
from bump_edge.backends.extractive.things import QUALIFIERS, is_thing
from bump_edge.text import fold, sentences, stems, stopwords, word_set, words
from bump_edge.types import Interaction, meta_labels

_SHORT = 7  # words of a name
_TITLE = 8  # words of a title, its year not counted: cut short it would be another's
_OPENING = 5  # words of a review's title: longer ones are sentences of the text
TITLED = frozenset(("rate", "watch", "read", "play"))
"""Acts of which the items are works with titles."""


def names_of(group: Group, entries: Sequence[Entry]) -> dict[str, int]:
    """What the entries are about, in short: names of items, the most counted or the newest first; or subjects.

    Returns:
        Each name with the position of the first of these entries that it is of.
    """
    if group.counted:
        inside = {e.position for e in entries}
        return {
            n.text: min(n.positions & inside)
            for n in group.names
            if n.positions & inside and word_count(n.text) <= _SHORT
        }
    if group.act in TITLED:
        # that something was rated is said of what has a rating, where the log tells them
        told = [e for e in entries if group.act != "rate" or e.rating is not None] or entries
        return _placed([(e.position, title) for e in told if (title := title_of(e))])
    if group.act == "review" or not any(e.item for e in entries):
        return _about(entries)
    named = [(e.position, name) for e in entries if (name := short_name(e))]
    return _placed([(position, name) for position, name in named if ends_well(name) and speakable(name)])


def _placed(found: Sequence[tuple[int, str]]) -> dict[str, int]:
    """Phrases with the first position of each; that which was seen last is the first."""
    shown: dict[str, str] = {}
    place: dict[str, int] = {}
    for position, phrase in found:
        place.setdefault(fold(phrase), position)
    for _, phrase in reversed(found):
        shown.setdefault(fold(phrase), phrase)
    return {phrase: place[key] for key, phrase in shown.items()}


def common_labels(group: Group, interactions: Sequence[Interaction]) -> list[str]:
    """The labels that three in ten of the entries have, the most frequent first, written as the log writes them."""
    written = {
        fold(one): one
        for record in interactions
        for _, labels in meta_labels(record.meta)
        for one in labels.split(", ")
    }
    often = [p for p in group.labels if len(p.positions) >= 0.3 * len(group.entries)]
    return [written.get(fold(p.text), p.text) for p in sorted(often, key=lambda p: -len(p.positions))]


def title_of(entry: Entry) -> str:
    """A work's title with its year, where the log has that: it tells two of a name apart, and what somebody likes."""
    item = entry.item
    if item is None or entry.written or not item.name or item.descriptive or word_count(item.name) > _TITLE:
        return ""
    if not (ends_well(item.name) and speakable(item.name)):
        return ""
    return f"{item.name} ({item.year})" if item.year else item.name


def short_name(entry: Entry) -> str:
    """An item's name in at most seven words: its own where that is short, else brand and kind; empty without either."""
    item = entry.item
    if item is None:
        return ""
    name = item.name.partition(", ")[0]
    if name and word_count(name) <= _SHORT:
        return name
    kind = kind_of(item.parts, "en")
    if kind and is_thing(fold(kind[-1])) and item.descriptive and not any(fold(w) in stopwords("en") for w in kind):
        brand = item.brand if item.brand and not is_thing(fold(item.brand)) and item.brand not in kind else ""
        plain = " ".join(word.lower() for word in kind)
        return plural(f"{brand} {plain}" if brand else plain)
    return ""


_TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[.,;:!?()\"]")
NO_NAME = (
    GENERIC
    | PREPOSITIONS
    | VERBS
    | ATTRIBUTES
    | ASPECTS
    | frozenset(JUDGEMENTS)
    | word_set(
        """
    american america usa china chinese amazon christmas january february march april may june july august september
    october november december monday tuesday wednesday thursday friday saturday sunday english update edit center
    """
    )
)
_NOT_SPOKEN_OF = GENERIC | PREPOSITIONS | VERBS | (NO_NAME - ASPECTS)
_SLANG = word_set("writing letter skin month ipad puppy baby travel ball head hand floor house room bear wheel monster")
_NO_HEAD = VAGUE_HEADS | ASPECTS | GENERIC | VERBS


def _about(entries: Sequence[Entry]) -> dict[str, int]:
    """The things that reviews are about: of each the two that it dwells on; those of several reviews first."""
    where: dict[str, set[int]] = {}
    shown: dict[str, str] = {}
    for entry in entries:
        for phrase in things_of(entry.text)[:2]:
            key = " ".join(stems(phrase))
            where.setdefault(key, set()).add(entry.position)
            shown.setdefault(key, plural(phrase))
    return {shown[k]: min(where[k]) for k in sorted(where, key=lambda k: (-len(where[k]), -max(where[k])))}


def things_of(text: str) -> list[str]:
    """The known things that a text speaks of, with the thing or quality before them; those it dwells on first."""
    score: Counter[str] = Counter()
    run: list[str] = []
    tokens = _TOKEN.findall(text[:1200])
    for position, token in enumerate([*tokens, "."]):
        folded = fold(token)
        # the ball of Ernie Ball is none
        brand = position > 0 and token[:1].isupper() and tokens[position - 1][:1].isupper() and not run
        if (is_thing(folded) or folded in QUALIFIERS) and folded.removesuffix("s") not in _SLANG and not brand:
            run.append(folded)
            continue
        head = run[-1] if run else ""
        single = len(run) == 1 and (head in _NO_HEAD or head in ATTRIBUTES)
        if head and is_thing(head) and not single and head not in ASPECTS:
            phrase = " ".join(dict.fromkeys(run[-2:]))
            score[phrase] += 1.0 + (position < 25) + 0.4 * (len(run) > 1)  # type: ignore[assignment]
        run = []
    for phrase in list(score):
        # the strap is the guitar strap
        longer = next((p for p in score if p.endswith(f" {phrase}")), None)
        if longer is not None:
            score[longer] += score.pop(phrase)
    return [phrase for phrase, found in score.most_common() if found >= 2]


def recurring_words(entries: Sequence[Entry]) -> dict[str, int]:
    """What several texts speak of, the most shared first: things and their aspects in small letters, and names.

    Returns:
        Each with the position of the first entry that speaks of it.
    """
    said: Counter[str] = Counter()
    first: dict[str, int] = {}
    shown: dict[str, Counter[str]] = {}
    for entry in entries:
        inside = " ".join(" ".join(sentence.split()[1:]) for sentence in sentences(entry.text[:1200]))
        shouts = sum(c.isupper() for c in inside) > 0.2 * max(1, len(inside))
        found: set[str] = set()
        for word in words(inside):
            folded = fold(word)
            name = word[:1].isupper() and not shouts
            plain = len(folded) < 3 or not folded.isalpha() or folded in _NOT_SPOKEN_OF or folded in stopwords("en")
            if plain or not (name or is_thing(folded) or folded in ASPECTS):
                continue
            key = " ".join(stems(word)) or folded
            found.add(key)
            first.setdefault(key, entry.position)
            shown.setdefault(key, Counter())[word if name else folded] += 1
        said.update(found)
    least = max(2, round(0.2 * len(entries)))
    shared = [key for key, count in said.most_common(12) if count >= least]
    return {shown[key].most_common(1)[0][0]: first[key] for key in shared}


def openings(entries: Sequence[Entry]) -> dict[str, int]:
    """The first words of reviews that begin with a title or a verdict of their own, quoted, the newest first.

    Returns:
        Each with the position of the first review that begins so.
    """
    found: list[tuple[int, str]] = []
    for entry in entries:
        first = next(iter(sentences(entry.text[:200])), "").rstrip(".!?,;:… ")
        said = words(first)
        if 2 <= len(said) <= _OPENING and speakable(first) and not set(first) & set('"“”') and not first.isupper():
            found.append((entry.position, f'"{first}"'))
    return _placed(found)
