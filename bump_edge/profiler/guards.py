"""Sentences that may not enter a profile, whatever the history holds: instructions, echoes, a wrong voice.

A profile is prepended to other models' prompts, so a sentence that speaks *to* a model is an attack that waits. The
rules err on the side of dropping: a profile loses a sentence, never its safety.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

from bump_edge.profiler.steering import spellings, steers
from bump_edge.prompts import Prompt, neutralise
from bump_edge.text import fold, sentences, words
from bump_edge.types import HistoryStats, Interaction

# Phrases that address a model or its rules, in the languages that the extractive backend writes. Matched on folded
# text, so without accents.
_ADDRESSES_A_MODEL = r"""
    \b(ignore|disregard|forget|override|bypass)\b.{0,40}\b(previous|prior|above|earlier|all|any|your|the|these)\b
    | \b(previous|prior|above|earlier|system|developer|hidden|new|following)\s+(instruction|prompt|rule|message|direction)s?\b
    | \b(system|developer)\s+(prompt|message|note|override)\b | \bprompt\s+injection\b | \bjailbr(eak|oken)
    | \b(as|you\s+are|act\s+as|pretend\s+to\s+be|behave\s+as)\s+(an?\s+)?(ai|assistant|language\s+model|chatbot|dan)\b
    | \b(assistant|chatbot|language\s+model|the\s+model|the\s+ai)\b.{0,30}\b(must|should|shall|will|has\s+to|is\s+to|may\s+not)\b
    | \b(must|should|shall|always|never|please|do\s+not|don't)\s+(be\s+)?
      (say|reply|respond|answer|output|print|write|tell|recommend|reveal|include|mention|use|call|send|execute|run|treat|address)(ed|s)?\b
    | \byou\s+(are|must|should|will|shall|have\s+to|need\s+to|now)\b | \byour\s+(task|instructions?|job|role|answer|response|reply)\b
    | \b(from\s+now\s+on|in\s+all\s+(future\s+)?(answers|responses|replies))\b
    | \b(note|remember|important|attention|warning)\s+(to|for)\s+(the\s+)?(assistant|ai|model|llm|system|reader|developer)s?\b
    | \b(ignorier|missacht|vergiss|vergesst)\w*\b.{0,40}\b(anweisung|anweisungen|vorherig\w*|obig\w*|alle[sn]?|bisherig\w*)\b
    | \b(vorherige|obige|bisherige|neue|folgende)n?\s+(anweisung|regel|nachricht)(en)?\b | \bdu\s+(bist|musst|sollst|wirst)\b
    | \b(antworte|schreibe|sage|gib|empfiehl|nenne|sende)\b.{0,20}\b(immer|nur|nie|stets|mit)\b
    | \b(ignore[zr]?|oublie[zr]?|neglige[zr]?)\b.{0,40}\b(instructions?|consignes?|precedent\w*|ci-dessus|tout\w*)\b
    | \b(instructions?|consignes?)\s+(precedente|anterieure|ci-dessus|suivante)s?\b | \b(vous|tu)\s+(etes|es|devez|dois)\b
    | \b(ignora|olvida|omite|descarta)\w*\b.{0,40}\b(instruccion\w*|anterior\w*|previ[ao]s?|reglas|todo\w*)\b
    | \binstrucciones\s+(anteriores|previas|siguientes)\b | \b(eres|debes|tienes\s+que)\s+(un\b|una\b|responder|decir|ser)
    | \b(responde|escribe|di|recomienda|repite|envia)\b.{0,20}\b(siempre|solo|solamente|nunca|en\s+ingles)\b
    | \b(ignora|dimentica)\w*\b.{0,40}\b(istruzion\w*|precedent\w*) | \b(ignore|esqueca)\w*\b.{0,40}\b(instrucoes|anteriores)
    | 忽略.{0,12}(指令|指示|提示|规则) | (指示|命令).{0,6}無視 | (игнорируи|забудь).{0,40}(инструкц|указани|предыдущ)
    """
# An imperative at the start of a sentence: a profile's sentences start with a noun or a verb in the third person. Spanish
# imperatives are third-person verbs as well (compra, escribe), so only the phrases above can tell them.
_IMPERATIVE = r"""^\W*(?:(?:please|bitte)\s+|always\s+|never\s+|immer\s+|stets\s+|nie\s+)?(?:
    ignore|disregard|forget|override|respond|reply|answer|output|print|say|write|tell|recommend|reveal|repeat|remember|
    pretend|act|execute|run|send|visit|click|open|call(?!\s+of)|email|delete|remember|note|consider|ensure|make\s+sure|do\s+not|don't|
    use|follow|obey|stop|begin|start|buy|give|provide|include|mention|translate|summari[sz]e|treat|insert|add|append|set|
    let|keep|refer|imagine|assume|suppose|suggest|propose|favou?r|promote|praise|advertise|endorse|prioriti[sz]e|push|sell|
    do|obey|comply|assist|help|offer|choose|select|prefer|speak|redirect|forward|unlock|enable|disable|grant|allow|permit|
    believe|accept|approve|confirm|transfer|download|install|mark|rank|steer|bring|store|save|memori[sz]e|talk|show|leave|place|display|
    ignoriere|vergiss|antworte|schreibe|schreib|sage|gib|empfiehl|wiederhole|beachte|kaufe|nenne|sende|merke|
    bevorzuge|bewirb|lobe|verkaufe|speichere|bestelle|ignorez|oubliez|repondez|ecrivez|dites|recommandez|repetez|achetez|envoyez|
    ignora|olvida|dimentica
    )\b(?!')"""
_MARKUP = re.compile(
    r"https?://|www\.|[{}<>]|```|\|\||^\s*#|\[/?[A-Z_]{3,}\]|\b(?:system|assistant|user|human|tool)\s*:|=>|::|\$\(",
    re.I,
)
_TAGS = re.compile(r"[<>{}]")
# Who the user is, by name: a profile says what somebody does, and a name in a log may be anybody's who wants to be trusted.
_PERSON = (
    r"(?:(?:the|this|our)\s+(?:user|person|customer|reader|human|owner)|(?:der|die|dieser?)\s+(?:be)?(?:nutzer(?:in)?|person|kund(?:e|in))"
    r"|(?:l'utilisat(?:eur|rice)|l'utente|la\s+person(?:ne|a)|(?:el|la)\s+usuari[oa]|(?:le|la)\s+client[e]?))"
)
_NAMED = (
    rf"\b{_PERSON}(?:'s)?\s+(?:(?:real\s+|full\s+|first\s+)?name\s+is|(?:is|was)\s+(?:called|named|nicknamed|known\s+as)|goes\s+by"
    r"|heisst|s'appelle|se\s+llama|si\s+chiama)\b"
)
_IS_A_NAME = re.compile(
    rf"^\W*(?i:{_PERSON})\s+(?i:is|was|ist|est|es|è)\s+[A-ZÀ-Þ][\w'’.\-]*(?:[\s,]+[A-ZÀ-Þ][\w'’.\-]*){{0,4}}\W*$"  # nothing but capitals behind it
)
# Words of another voice than the third person, and words that state a gender; as written, lower case.
_OTHER_VOICE = {
    "en": "i i'm i've i'd i'll me my mine myself we our us you your yours you're",
    "de": "ich mich mir mein meine meinen wir uns unser du dein deine dich dir",
    "fr": "je j'ai mon ma mes nous notre nos vous votre vos tu ton tes",
    "es": "yo mi mis nosotros nuestro nuestra usted tu tus",
}
_GENDER = {
    "en": "he she his her hers him himself herself man woman male female boy girl guy lady gentleman husband wife mother "
    "father mom dad",
    "de": "er mann frau junge mädchen ehemann ehefrau mutter vater",
    "fr": "il elle homme femme garçon fille mari épouse mère père",
    "es": "él ella hombre mujer chico chica marido esposa madre padre",
}
_ECHO_WORDS = 6  # so many words in a row from the template are no coincidence


def instruction_like(sentence: str) -> bool:
    """Whether `sentence` speaks to a model or about what one is to do, says who the user is by name, carries markup, or
    starts with an imperative.
    """
    return (
        any(pattern.search(spelling) for spelling in spellings(sentence) for pattern in _instructions())
        or steers(sentence)
        or bool(_MARKUP.search(sentence) or _IS_A_NAME.search(sentence))
        or neutralise(sentence) != sentence
    )


def without_orders(interaction: Interaction) -> Interaction:
    """`interaction` without what reads like an instruction: such sentences of its text, its type, such labels.

    Who plants an order in a log has its words in a record; here they bear nothing out. Of an item only chat markup goes:
    names read like orders (Bring Me The Horizon), and to have bought one is no order.
    """
    said = sentences(interaction.text or "")
    honest = [sentence for sentence in said if not instruction_like(sentence.lstrip("# "))]
    meta = {k: v for k, v in interaction.meta.items() if not any(map(instruction_like, _strings(v)))}
    marked = interaction.item is not None and bool(_TAGS.search(interaction.item))
    typed = interaction.type is not None and _typed(interaction.type)
    if len(honest) == len(said) and len(meta) == len(interaction.meta) and not marked and not typed:
        return interaction
    text = interaction.text if len(honest) == len(said) else " ".join(honest)
    item = None if marked else interaction.item
    # an interaction must have one of the two
    return replace(
        interaction,
        text=text or (None if item else "…"),
        item=item,
        meta=meta,
        type=None if typed else interaction.type,
    )


@lru_cache(maxsize=1024)  # types are few, but they come out of logs
def _typed(type_: str) -> bool:
    return instruction_like(type_.replace("_", " "))


def _strings(value: Any) -> list[str]:
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]


def wrong_voice(sentence: str, language: str, records: Wording) -> bool:
    """Whether `sentence` is in the first or second person: a profile is about its user, in the third.

    A word that the history's own records have beside the same neighbour is a name's (``My Little Pony``), not a voice.
    """
    return _says(sentence, _OTHER_VOICE.get(language, ""), records)


def states_gender(sentence: str, language: str, records: Wording) -> bool:
    """Whether `sentence` gives its user a gender or a family role that no record states in the same words."""
    return _says(sentence, _GENDER.get(language, ""), records)


def echoes_template(sentence: str) -> bool:
    """Whether `sentence` repeats the prompt's own words."""
    return not _runs(sentence).isdisjoint(_template_runs())


@dataclass(frozen=True, slots=True)
class Wording:
    """How the records of a selection are worded, folded: words, pairs of neighbours, one-word names, texts, records."""

    words: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    names: frozenset[str]
    texts: tuple[str, ...]
    whole: tuple[str, ...]

    @classmethod
    def of(cls, interactions: Iterable[Interaction]) -> Wording:
        """Read the wording off the interactions."""
        found: set[str] = set()
        pairs: set[tuple[str, str]] = set()
        names: set[str] = set()
        texts: list[str] = []
        whole: list[str] = []
        for interaction in interactions:
            tokens = [fold(w) for w in words(interaction.as_record(max_chars=4000))]
            whole.append(f" {' '.join(tokens)} ")
            found.update(tokens)
            pairs.update(pairwise(tokens))
            if len(name := words(interaction.item or "")) == 1:
                names.add(fold(name[0]))
            if interaction.text:
                texts.append(f" {' '.join(fold(w) for w in words(interaction.text))} ")
        return cls(frozenset(found), frozenset(pairs), frozenset(names), tuple(texts), tuple(whole))

    def copied_words(self, sentence: str) -> int:
        """The longest run of words that `sentence` shares with what the user wrote; names of items do not count."""
        tokens = [fold(w) for w in words(sentence)]
        longest = start = 0
        for end in range(1, len(tokens) + 1):
            while start < end and not self._written(tokens[start:end]):
                start += 1
            longest = max(longest, end - start)
        return longest

    def _written(self, run: Sequence[str]) -> bool:
        text = f" {' '.join(run)} "
        return any(text in written for written in self.texts)

    def holds(self, quote: str) -> bool:
        """Whether one record has the words of `quote` in this order, next to each other."""
        run = f" {' '.join(fold(w) for w in words(quote))} "
        return any(run in record for record in self.whole)

    def has(self, before: str, word: str, after: str) -> bool:
        """Whether a record names something `word`, or has it beside the same neighbour."""
        return word in self.names or (before, word) in self.pairs or (word, after) in self.pairs


def _says(sentence: str, listed: str, records: Wording) -> bool:
    marked = set(listed.split())
    written = [w.lower().replace("’", "'") for w in words(sentence)]
    tokens = ["", *(fold(w) for w in written), ""]
    return any(
        word in marked and not records.has(tokens[i], tokens[i + 1], tokens[i + 2]) for i, word in enumerate(written)
    )


@cache
def _instructions() -> tuple[re.Pattern[str], ...]:
    # Compiled when the first sentence is checked: most runs find every profile up to date and check none.
    return re.compile(_ADDRESSES_A_MODEL, re.X | re.S), re.compile(_IMPERATIVE, re.X), re.compile(_NAMED)


@cache
def _template_runs() -> frozenset[tuple[str, ...]]:
    # of both tasks: to write, and to update
    asked = [Prompt(interactions=(), stats=HistoryStats(count=0), profile=profile) for profile in (None, "")]
    return frozenset().union(*(_runs(text) for prompt in asked for text in (prompt.system, prompt.user)))


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    # a number may be any: the limit of words is a setting
    tokens = ["0" if w.isdigit() else fold(w) for w in words(text)]
    return frozenset(tuple(tokens[i : i + _ECHO_WORDS]) for i in range(len(tokens) - _ECHO_WORDS + 1))
