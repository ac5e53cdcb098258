"""What a person writes about: the thing each text is about, nouns that come back, and names.

There is no part-of-speech tagger here. A word passes for a noun when a determiner or preposition leads to it and a
function word or punctuation follows, when `things` lists it, or, in German, by its capital.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache

from bump_edge.backends.extractive.lexicon import ASPECTS, ATTRIBUTES, GENERIC, HOSTILE, JUDGEMENTS, NEGATIONS, VERBS
from bump_edge.backends.extractive.names import VAGUE_HEADS, clean, speakable
from bump_edge.backends.extractive.phrases import Phrase, Role, plural, with_article
from bump_edge.backends.extractive.things import QUALIFIERS, is_thing
from bump_edge.text import fold, sentences, stem, stopwords, word_set

_WORD_OR_MARK = re.compile(r"[^\W_]+(?:[-'’&][^\W_]+)*|[.,;:!?()\[\]\"/…–—]")
_MARKS = frozenset('.,;:!?()[]"/…–—')
_LEADS = {
    "en": "a an the this that these those my your his her their our its some any another each of for with on in "
    "from to "
    "and or about by into several many few more two three four both every new other using as",
    "de": "der die das den dem des ein eine einen einem einer mein meine meinen für mit von über zu und oder im am zum "
    "zur ohne wie als welche welcher welches auf in",
    "fr": "le la les un une des du de d l ce cet cette ces mon ma mes son sa ses pour avec sur dans et ou au aux en "
    "sans",
    "es": "el la los las un una unos unas este esta estos estas mi mis su sus para con de del en y o por al sin sobre",
}
_POINTING = word_set(
    """
    this these diese dieser dieses diesen ce cet cette ces este esta estos estas
    """
)
_HEAD_FIRST = frozenset(("fr", "es", "it", "pt", "ro"))
_TEXT_CHARS = 1200
_LEAST_SUBJECT = 2.9


@cache
def _dull_stems() -> frozenset[str]:
    return frozenset(stem(w) for w in (GENERIC | VERBS) - ASPECTS if not is_thing(w))


class _Noun:
    """One noun of one text: how often, how it stands there, and what stands before it."""

    __slots__ = ("early", "led", "modifiers", "named", "pointed", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.led = 0
        self.pointed = 0
        self.early = False
        self.named = 0
        self.modifiers: Counter[str] = Counter()


class Topics:
    """Reads texts one after the other, then says what they are about.

    Args:
        language: ISO 639-1, for function words, stems and leads.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._stop = stopwords(language)
        self._leads = frozenset(fold(w) for w in _LEADS.get(language, _LEADS["en"]).split())
        self._nouns: dict[int, dict[str, _Noun]] = {}
        self._where: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self._surfaces: dict[str, Counter[str]] = defaultdict(Counter)
        self._capital: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._led: Counter[str] = Counter()
        self._copies: dict[str, int] = {}
        self._words = 0
        self._judged: dict[str, set[int]] = defaultdict(set)

    def read(self, position: int, text: str) -> None:
        """Read one text; a copy of an earlier one is no second witness."""
        text = clean(text[:_TEXT_CHARS])
        if text in self._copies:
            return
        self._copies[text] = position
        self._words += len(text.split())
        nouns = self._nouns.setdefault(position, defaultdict(_Noun))
        shouts = text.isupper()
        for number, sentence in enumerate(sentences(text)[:30]):
            if HOSTILE.search(sentence):
                continue
            run: list[tuple[str, int]] = []
            lead = pointed = False
            denied = 0
            for index, token in enumerate([*_WORD_OR_MARK.findall(sentence), "."]):
                folded = fold(token).replace("’", "'")
                denied = 3 if folded in NEGATIONS else denied - 1
                if denied <= 0 and folded in JUDGEMENTS:
                    self._judged[folded].add(position)
                if token in _MARKS or folded in self._stop or folded in self._leads or self._dull(folded, lead):
                    if run:
                        self._close(run, nouns, position, lead=lead, pointed=pointed, early=number < 2, shouts=shouts)
                        run = []
                        pointed = False
                    # praise and sizes stand between the lead and its noun: "this great little tuner"
                    if folded in self._leads:
                        lead, pointed = True, folded in _POINTING
                    elif token in _MARKS or folded in self._stop or folded in VERBS:
                        lead = pointed = False
                else:
                    run.append((token, index))

    def _dull(self, folded: str, led: bool) -> bool:
        hidden = folded in VERBS or folded in ATTRIBUTES
        if led and hidden and self._language == "en" and (folded in QUALIFIERS or is_thing(folded)):
            return False  # "a cover letter": behind its lead it is a noun
        return (
            folded in GENERIC
            or folded in ATTRIBUTES
            or folded in VERBS
            or folded.isdigit()
            or len(folded) < 2
            or "'" in folded
            or "’" in folded
            or (self._language == "en" and stem(folded) in _dull_stems() and not is_thing(folded))
        )

    def _close(
        self,
        run: list[tuple[str, int]],
        nouns: dict[str, _Noun],
        position: int,
        *,
        lead: bool,
        pointed: bool,
        early: bool,
        shouts: bool,
    ) -> None:
        keys = [stem(fold(t), self._language) for t, _ in run]
        head = 0 if self._language in _HEAD_FIRST else len(run) - 1
        for i, (token, index) in enumerate(run):
            key = keys[i]
            self._surfaces[key][token] += 1
            self._where[(key,)].add(position)
            noun = nouns[key]
            noun.uses += 1
            noun.early |= early
            if index > 0 and not shouts:
                self._inside[key] += 1
                self._capital[key] += token[:1].isupper()
                noun.named += token[:1].isupper()
            if i == head and lead and len(run) <= 3:
                noun.led += 1
                noun.pointed += pointed
                self._led[key] += 1
            if i + 1 < len(run):
                self._where[(key, keys[i + 1])].add(position)
        if len(run) > 1:
            other = keys[1] if head == 0 else keys[head - 1]
            nouns[keys[head]].modifiers[other] += 1

    # What kind of word it is, over all texts

    def _is_name(self, key: str) -> bool:
        if self._language == "de" or self._capital[key] < 2 or self._capital[key] < 0.6 * self._inside[key]:
            return False
        known = max(self._surfaces[key], key=lambda f: (self._surfaces[key][f], f))
        return len(known) > 2 and not (self._language == "en" and is_thing(fold(known)))

    def _is_titled(self, key: str) -> bool:
        """Whether a word is nearly always written with a capital, be it a known thing: the ball of Ernie Ball."""
        return self._language != "de" and self._capital[key] >= 2 and self._capital[key] >= 0.8 * self._inside[key]

    def _is_noun(self, key: str) -> bool:
        surface = self._surface(key)
        if self._language == "de":
            return self._capital[key] > 0 and self._capital[key] >= 0.7 * self._inside[key]
        if self._language == "en" and is_thing(fold(surface)):
            return True
        if self._language == "en" and (surface.endswith("ly") or len(self._where[(key,)]) < 2):
            return False
        # long texts lead to many words by chance
        return (
            self._led[key] >= (3 if self._language == "en" and self._words > 30 * len(self._copies) else 2)
            and len(surface) > 3
        )

    def _surface(self, key: str) -> str:
        forms = self._surfaces[key]
        best = max(forms, key=lambda f: (forms[f], f))
        if self._is_name(key):
            named = [f for f in forms if f[:1].isupper()]
            return max(named, key=lambda f: (forms[f], f))
        return best if self._language == "de" else best.lower()

    def _titled(self, key: str) -> str:
        forms = {f: n for f, n in self._surfaces[key].items() if f[:1].isupper()}
        return max(forms, key=lambda f: (forms[f], f))

    def _pair(self, key: str, modifier: str) -> str:
        first, second = (key, modifier) if self._language in _HEAD_FIRST else (modifier, key)
        return f"{self._surface(first)} {self._surface(second)}"

    # What the texts are about

    def _subject(self, position: int) -> str | None:
        """The noun that one text is about, or None where nothing stands out."""
        best, most = None, _LEAST_SUBJECT
        for key, noun in sorted(self._nouns[position].items()):
            surface = fold(self._surface(key))
            if (
                not self._is_noun(key)
                or self._is_titled(key)
                or self._is_name(key)
                or surface in ASPECTS
                or len(surface) < 3
            ):
                continue
            score = (
                min(noun.uses, 4)
                + 1.5 * min(noun.pointed, 2)
                + 0.5 * min(noun.led, 2)
                + 1.0 * noun.early
                + 0.7 * (self._language == "en" and is_thing(surface))
                + 0.3 * min(len(self._where[(key,)]) - 1, 3)
            )
            if score > most:
                best, most = key, score
        return best

    def phrases(self) -> list[Phrase]:
        """Subjects first, the most frequent first; then nouns that come back, aspects, and names, by their roles."""
        found = self._subjects()
        used = {s for p in found for s in p.stems}
        # a pair says more than its words, so it may be rarer
        for key, positions in sorted(
            self._where.items(), key=lambda w: (-len(w[1]) * (1 + 0.6 * (len(w[0]) > 1)), w[0])
        ):
            single = len(positions) < 2
            if not used.isdisjoint(key) or (single and not self._dwelt_on(key, positions)):
                continue
            texts = [self._surface(k) for k in key]
            text = " ".join(texts)
            if (fold(texts[-1]) in VAGUE_HEADS and len(key) == 1) or not speakable(text):
                continue
            role: Role
            if self._is_name(key[0]) and all(self._is_titled(k) for k in key):
                text = " ".join(self._titled(k) for k in key)
                role = "name" if single else "series"
            elif len(key) == 1 and fold(text) in ASPECTS and self._led[key[0]]:
                role = "aspect"
            elif self._is_topic(key):
                role = "topic"
            else:
                continue
            used.update(key)
            text = self._number(text, key[-1]) if role == "topic" else text
            found.append(Phrase(text=text, positions=frozenset(positions), role=role, stems=frozenset(key)))
        return found

    def judgements(self) -> list[Phrase]:
        """The words of judgement that come back in English texts, those that tell most first."""
        if self._language != "en":
            return []
        least = max(2, round(0.2 * len(self._copies)))
        found = [
            Phrase(text=word, positions=frozenset(where), role="topic", stems=frozenset({stem(word)}))
            for word, where in self._judged.items()
            if len(where) >= least
        ]
        return sorted(found, key=lambda p: (-len(p.positions) * JUDGEMENTS[p.text], p.text))

    def _is_topic(self, key: tuple[str, ...]) -> bool:
        if len(key) == 1:
            return (
                self._is_noun(key[0])
                and not self._is_name(key[0])
                and not self._is_titled(key[0])
                and len(self._surface(key[0])) > 3
            )
        return self._is_noun(key[0 if self._language in _HEAD_FIRST else 1])

    def _dwelt_on(self, key: tuple[str, ...], positions: set[int]) -> bool:
        """Whether a single text comes back to a known thing, or to a name."""
        noun = self._nouns[next(iter(positions))].get(key[0])
        return (
            len(key) == 1
            and noun is not None
            and noun.uses >= 2
            and ((noun.led >= 1 and is_thing(fold(self._surface(key[0])))) or self._is_name(key[0]))
        )

    def _subjects(self) -> list[Phrase]:
        groups: dict[str, list[int]] = defaultdict(list)
        for position in self._nouns:
            if (key := self._subject(position)) is not None:
                groups[key].append(position)
        found = []
        for key, positions in groups.items():
            modifiers: Counter[str] = Counter()
            for position in positions:
                for modifier, uses in self._nouns[position][key].modifiers.items():
                    again = uses > 1 or len(self._where[(modifier, key)]) > 1
                    if self._modifies(modifier) or (again and not self._is_name(modifier)):
                        modifiers[modifier] += 1
            often, count = min(modifiers.items(), key=lambda m: (-m[1], m[0])) if modifiers else ("", 0)
            pair = count >= max(1, 0.5 * len(positions))
            text = self._pair(key, often) if pair else self._surface(key)
            if not pair and len(modifiers) > 1 and self._language == "en":
                two = sorted(modifiers, key=lambda m: (-modifiers[m], m))[:2]
                text = f"{self._surface(two[0])} and {self._pair(key, two[1])}"
            if fold(self._surface(key)) in VAGUE_HEADS and not pair:
                continue
            if self._language == "en":
                text = self._number(text, key, many=len(positions) > 1)
            if speakable(text):
                stems = frozenset({key, often} if pair else {key})
                found.append(Phrase(text=text, positions=frozenset(positions), role="kind", stems=stems))
        return sorted(found, key=lambda p: (-len(p.positions), -max(p.positions), p.text))

    def _modifies(self, key: str) -> bool:
        """Whether a word may stand before a noun in a profile: a noun itself, by `things`, never a brand or a verb."""
        surface = fold(self._surface(key))
        return self._language == "en" and not self._is_name(key) and (is_thing(surface) or surface in QUALIFIERS)

    def _number(self, text: str, key: str, *, many: bool = True) -> str:
        """English: plural where several texts are about one, or the plural was ever written; else with its article."""
        if self._language != "en":
            return text
        head, _, last = text.rpartition(" ")
        written = {f.lower() for f in self._surfaces[key]}
        singular = {w for w in written if plural(w) in written}
        if singular and last in written:
            last = plural(min(singular))
            return f"{head} {last}" if head else last
        if many and is_thing(fold(last)):
            return plural(text)
        return text if many else with_article(text)
