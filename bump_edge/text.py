"""Words, stems, sentences and languages: what the extractive backend, the evidence check and the metrics share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
# A sentence ends at . ! ? … and white space; not after an initial, a number's dot, or a common abbreviation.
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|(?<=[。！？])|\n+")
_NOT_AN_END = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Bros|Vol|No|Nos|vs|feat|ft|etc|e\.g|i\.e|approx|ca|Inc|Ltd|Co|Bd|Nr|z\.B"
    r"|Pt|Ed|usw|bzw|Mme|Dra)\.)$"
)


_LAST_ARTICLE = re.compile(
    r"^(.+), (the|a|an|der|die|das|le|la|les|l'|el|los|las|il|un|une)((?: \([^()]*\))*)$", re.IGNORECASE
)


def turned(title: str) -> str:
    """A title as it is said, of one as catalogues file it: ``Fugitive, The (1993)`` → ``The Fugitive (1993)``."""
    moved = _LAST_ARTICLE.match(title)
    if moved is None:
        return title
    return f"{moved[2]}{'' if moved[2].endswith(chr(39)) else ' '}{moved[1]}{moved[3]}"


def word_set(listed: str) -> frozenset[str]:
    """The words of a white-space separated list, as written: it keeps word lists readable in the source."""
    return frozenset(listed.split())


# Scripts that one language of `prompts.LANGUAGES` dominates, or that no Latin stop-word list can tell.
_SCRIPTS: tuple[tuple[str, str, str], ...] = (
    ("ja", "぀", "ヿ"),
    ("ko", "가", "힯"),
    ("zh", "一", "鿿"),
    ("th", "฀", "๿"),
    ("hi", "ऀ", "ॿ"),
    ("he", "֐", "׿"),
    ("el", "Ͱ", "Ͽ"),
)

_GUESSED = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "ro", "hu", "tr", "id", "vi",
    "ru", "uk", "bg", "ar", "fa",
)  # fmt: skip

_STEMMED = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "id": "indonesian", "it": "italian", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip

# The lists of stopwords-iso were gathered from the web and hold words that mean something there too. A profile that
# says one of these says it about its user, so they must count.
_NOT_FUNCTION_WORDS = {
    "en": "backs bill billion bottom buy caption case cases click computer copy detail face faces facts fire front "
    "goods group groups homepage html http index information invention member members microsoft mill million mine "
    "netscape novel number numbers order orders org page pages point points problem problems product products "
    "research ring room rooms section side sides site state states system test text thick thin web webpage website "
    "width words work works world fill area areas home",
    "de": "gott mensch menschen mann jahr jahre jahren mittel ordnung suche startseite rund morgen teil sache tag tage",
    "fr": "bravo clac clic couic crac dring floc flac gens pièce parole personne personnes psitt pouf toc tac tic",
    "es": "horas pais paìs trabajo trabajos empleo informó cuenta dias días verdad",
}
# Two letters that are no English function word are country domains in that list, and a console or a brand in a log.
_SHORT_ENGLISH = word_set(
    """
    ad ah ai am an as at be by do eg et ex go he hi if ie in is it la ll me my no of oh ok on or re so th to un up
    us ve vs we
    """
) - {"ai", "la", "ad"}

# Scripts in which words are not set apart by spaces: a run is cut into pairs of characters.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+")
_ELISION = re.compile(r"^(?:[cdjlmnst]|qu|jusqu|lorsqu|dell|nell|all|sull|un)['’](?=\w)")


def fold(text: str) -> str:
    """`text` in lower case, without accents, in compatibility form: what two spellings of a word have in common."""
    if text.isascii():
        return text.lower()
    # folding can make letters that decompose, and decomposing letters that fold: both, twice, is stable
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).casefold()
    return unicodedata.normalize("NFC", "".join(c for c in bare if not unicodedata.combining(c)))


def words(text: str) -> list[str]:
    """The words of `text` as written, in order: letters and digits with inner hyphens and apostrophes.

    Chinese and Japanese are not cut into words: a run of characters is one.
    """
    return _WORD.findall(text)


def units(text: str) -> list[str]:
    """The words of `text`, folded; a run of Han, Kana or Thai, which no spaces cut into words, as its characters."""
    out: list[str] = []
    for word in words(text):
        folded = fold(word)
        if folded.isascii() or not _UNSPACED.search(folded):
            out.append(folded)
            continue
        at = 0
        for run in _UNSPACED.finditer(folded):
            out += [folded[at : run.start()]] if run.start() > at else []
            out += run.group()
            at = run.end()
        out += [folded[at:]] if at < len(folded) else []
    return out


def is_unspaced(unit: str) -> bool:
    """Whether a unit of `units` is one character of a script without spaces."""
    return len(unit) == 1 and _UNSPACED.match(unit) is not None


def plain(text: str) -> str:
    """The words of `text`, folded, with a space between: two sentences that differ in nothing else are one."""
    return " ".join(fold(w) for w in words(text))


@cache
def stopwords(language: str) -> frozenset[str]:
    """Function words of an ISO 639-1 language, folded; empty for a language without a list."""
    import stopwordsiso

    if not stopwordsiso.has_lang(language):
        return frozenset()
    listed = {fold(w) for w in stopwordsiso.stopwords(language)}
    listed -= {fold(w) for w in _NOT_FUNCTION_WORDS.get(language, "").split()}
    if language == "en":
        listed = {w for w in listed if len(w) != 2 or w in _SHORT_ENGLISH}
    return frozenset(listed)


@cache
def _stemmer(language: str) -> Any:  # snowballstemmer has no types
    import snowballstemmer

    return snowballstemmer.stemmer(_STEMMED[language])


@lru_cache(maxsize=100_000)
def stem(word: str, language: str = "en") -> str:
    """The Snowball stem of one folded word; the word itself for a language without a stemmer, or with a digit in it."""
    word = fold(word).replace("’", "'")
    if language not in _STEMMED or any(c.isdigit() for c in word):
        return word
    return str(_stemmer(language).stemWord(word))


def stems(text: str, language: str = "en") -> list[str]:
    """The stems of the words of `text`: of a hyphenated word its parts, of a run of Han, Kana or Thai its pairs.

    French and Italian words lose an elided article (``l'amour`` → ``amour``).
    """
    return [stem(term, language) for word in words(text) for part in word.split("-") for term in _terms(part, language)]


def _terms(part: str, language: str) -> list[str]:
    if part.isascii():
        return [_ELISION.sub("", part.lower())] if "'" in part and language in ("fr", "it") else [part] if part else []
    if _UNSPACED.search(part):
        runs = [run for run in _UNSPACED.split(part) if run]
        for found in _UNSPACED.findall(part):
            runs += [found[i : i + 2] for i in range(len(found) - 1)] or [found]
        return runs
    return [_ELISION.sub("", part.lower())] if language in ("fr", "it") else [part]


def sentences(text: str) -> list[str]:
    """The sentences of `text`, stripped, without empty ones; line breaks end a sentence."""
    out: list[str] = []
    start = 0
    for found in _SENTENCE_END.finditer(text):
        piece = text[start : found.end()].strip()
        if not piece:
            continue
        if "\n" not in found.group() and _NOT_AN_END.search(piece):
            continue
        out.append(piece)
        start = found.end()
    if tail := text[start:].strip():
        out.append(tail)
    return out


def guess_language(texts: Iterable[str], *, default: str = "en", min_hits: int = 5) -> str:
    """The language that `texts` are written in, as ISO 639-1, by script and by share of function words.

    Meant for what a person wrote, not for names of things: those say little about what a person speaks.

    Args:
        texts: read up to 20,000 characters in all.
        default: the answer when the evidence is thin.
        min_hits: function words that the winning language needs.
    """
    sample = _head(texts, 20_000)
    letters = [c for c in sample if c.isalpha()]
    if not letters:
        return default
    for language, low, high in _SCRIPTS:
        if sum(low <= c <= high for c in letters) > 0.2 * len(letters):
            return language
    tokens = [fold(w) for w in words(sample)]
    # a function word that several languages share says less: it counts 1/n for each of them
    score = dict.fromkeys(_GUESSED, 0.0)
    hits = dict.fromkeys(_GUESSED, 0)
    for token in tokens:
        owners = _owners(token)
        for language in owners:
            score[language] += 1 / len(owners)
            hits[language] += 1
    best = max(score, key=lambda language: score[language])
    return best if hits[best] >= min_hits and hits[best] >= 0.1 * len(tokens) else default


@lru_cache(maxsize=50_000)
def _owners(token: str) -> tuple[str, ...]:
    return tuple(language for language in _GUESSED if token in stopwords(language))


def _head(texts: Iterable[str], limit: int) -> str:
    parts: list[str] = []
    size = 0
    for text in texts:
        parts.append(text[: limit - size])
        size += len(parts[-1]) + 1
        if size >= limit:
            break
    return "\n".join(parts)
