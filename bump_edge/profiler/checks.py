"""From a model's raw text to the sentences that may be stored: cleaned, guarded, with evidence, within the limit.

Nothing is reworded: a sentence stands as the model wrote it, or without the entries of its list that no record bears
out, or falls; what went is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bump_edge.profiler import guards
from bump_edge.profiler.claims import Claims
from bump_edge.profiler.evidence import EvidenceIndex
from bump_edge.profiler.lists import is_quote, unfinished, without
from bump_edge.prompts import Prompt
from bump_edge.text import fold, guess_language, plain, sentences, stems, words
from bump_edge.types import Evidence

REASONS: Mapping[str, str] = {
    "instruction": "speaks to a model, carries markup, or starts with an imperative",
    "template": "repeats the prompt's own words",
    "fragment": "is no sentence: fewer than two words, mostly numbers, or a piece of the log with its date",
    "verbatim": "repeats a record's text word for word, eight words of it or nearly the whole sentence",
    "voice": "is in the first or second person",
    "gender": "gives a gender that no record states",
    "language": "is in another language than the profile",
    "blocked": "is about a topic that a person blocked",
    "rejected": "was taken out by a person before",
    "duplicate": "says what an earlier sentence says",
    "unfinished": "was cut off by the token limit, or because it repeated itself",
    "unsupported": "has no evidence in the history",
    "length": "goes beyond the word limit",
}
"""Why a sentence falls; the keys are those of `Checked.dropped`."""

_LABEL = re.compile(
    r"^\s*(?:#+\s*)?(?:\*\*)?(?:updated\s+)?(?:user\s+)?profile(?:\s+of\s+this\s+person)?(?:\*\*)?\s*:\s*", re.I
)
_BULLET = re.compile(r"(?m)^\s*(?:[-*•·]|\d{1,2}[.)])\s+")
_EMPHASIS = re.compile(r"\*\*|__|`")
_LOG_DATE = re.compile(r"\b(?:19|20)\d\d-[01]\d\b")
_TERMINAL = re.compile(r"[.!?…。！？][\"'”’)\]]*$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """The outcome of the checks.

    Args:
        evidence: the sentences that stand, in order, each with its evidence.
        written: sentences that the model wrote.
        dropped: how many fell, by reason; see `REASONS`.
        trimmed: entries of lists that went, of sentences that stand.
    """

    evidence: tuple[Evidence, ...]
    written: int
    dropped: Mapping[str, int]
    trimmed: int = 0

    @property
    def text(self) -> str:
        """The profile's text: the sentences joined by spaces."""
        return " ".join(e.sentence for e in self.evidence)


def clean(text: str) -> str:
    """`text` without the label, bullets, emphasis and quotes that small models put around a profile."""
    text = _BULLET.sub("", _EMPHASIS.sub("", _LABEL.sub("", text.strip())))
    return text.strip().strip('"“”').strip()


def check(
    text: str,
    prompt: Prompt,
    *,
    finished: bool = True,
    min_coverage: float = 0.6,
    max_evidence: int = 5,
    standing: Sequence[Evidence] = (),
    refuses: Callable[[str], str] | None = None,
    trims: bool = False,
) -> Checked:
    """Check what a model wrote for `prompt`.

    Confirmed sentences among `standing` come first, whatever the model wrote. A standing sentence that the model kept
    word for word keeps its evidence too, unless it says what is recent or gives a number: that must hold anew.

    Args:
        text: the raw generation.
        prompt: what it was asked; its interactions are the only evidence there is.
        finished: False when the token limit cut the text; its last sentence then falls unless it ends like one, or
            `trims` lets its list end before the cut.
        min_coverage: see `EvidenceIndex.support`.
        max_evidence: interactions kept for one sentence, ≥ 1.
        standing: the sentences of the profile so far, with their evidence; those that a person confirmed stay.
        refuses: why a person's word is against a sentence (a key of `REASONS`), or an empty string.
        trims: whether a sentence may stand without what its list says twice, without the entries that no record
            bears out, without quotations that no record has and entries that copy too much, and without the entry that
            the token limit cut; what is left has to pass everything that a sentence has to.
            Off where it is measured what a model writes.
    """
    written = sentences(clean(text))
    confirmed = [e for e in standing if e.confirmed]
    stood = {plain(e.sentence): e for e in standing}
    index = EvidenceIndex(prompt.interactions, prompt.stats, language=prompt.language)
    records = guards.Wording.of(prompt.interactions)
    dropped: Counter[str] = Counter()
    trimmed = 0
    kept: list[Evidence] = list(confirmed)
    said: list[frozenset[str]] = [frozenset(stems(e.sentence, prompt.language)) for e in confirmed]
    length = sum(len(words(e.sentence)) for e in confirmed)
    for position, sentence in enumerate(written):
        before = stood.get(plain(sentence))
        if before is not None and before.confirmed:
            continue  # it stands already
        cut = not finished and position == len(written) - 1 and not _TERMINAL.search(sentence)
        ended = unfinished(sentence, prompt.language, index.stands_in_one) if cut and trims and before is None else None
        if ended is not None:
            sentence, cut = ended, False
        reason = "unfinished" if cut else _guard(sentence, prompt.language, records)
        if not reason and refuses is not None:
            reason = refuses(sentence)
        content = frozenset(stems(sentence, prompt.language))
        if not reason and any(_repeats(content, earlier) for earlier in said):
            reason = "duplicate"
        # what is copied may be one entry of several
        read = not reason or reason == "verbatim"
        support = index.support(sentence, min_coverage=min_coverage, limit=max_evidence) if read else None
        found = () if support is None else support.interactions
        gone = 0
        if trims and read and before is None:
            # with evidence as it is, a single function word may well be a name (Him): the sentence is given that
            wrong = partial(_wrong, index, records, sentence, pieces=not found)
            rest = without(sentence, prompt.language, wrong, index.stands_in_one)
            if rest and not (_guard(rest[0], prompt.language, records) or (refuses is not None and refuses(rest[0]))):
                sentence, gone = rest
                content = frozenset(stems(sentence, prompt.language))
                reason = "duplicate" if any(_repeats(content, earlier) for earlier in said) else ""
                found = index.support(sentence, min_coverage=min_coverage, limit=max_evidence).interactions
        if before is not None and not _must_hold_anew(sentence, prompt.language):
            # a habit in words that no record has (active on weekends) is supported by anything: new records add nothing
            found = found if index.terms_of(sentence) else ()
            found = tuple({i.digest: i for i in (*found, *before.interactions)}.values())[:max_evidence]
        if not reason and not found:
            reason = "unsupported"
        size = len(words(sentence))
        if not reason and length + size > prompt.max_words:
            reason = "length"
        if reason:
            dropped[reason] += 1
            continue
        said.append(content)
        length += size
        trimmed += gone + (ended is not None)
        ending = "" if _TERMINAL.search(sentence) else "."
        kept.append(Evidence(sentence=sentence + ending, interactions=found))
    return Checked(evidence=tuple(kept), written=len(written), dropped=dict(dropped), trimmed=trimmed)


def _wrong(index: EvidenceIndex, records: guards.Wording, sentence: str, entry: str, *, pieces: bool) -> bool:
    if records.copied_words(entry) >= _VERBATIM_WORDS:
        return True
    if is_quote(entry) and not records.holds(entry):
        return True
    return index.lacks(entry, pieces=pieces) or index.overstates(sentence, entry)


def _must_hold_anew(sentence: str, language: str) -> bool:
    return any(c.isdigit() for c in sentence) or Claims.of(sentence, language).recent


_VERBATIM_WORDS = 8
# A shorter sentence falls when it is all copied: people write of themselves in the first person, so what stands ready
# for a profile in a log was put there for one.
_COPIED_SHARE = 0.8
_COPIED_WORDS = 4


def _guard(sentence: str, language: str, records: guards.Wording) -> str:
    if guards.instruction_like(sentence):
        return "instruction"
    if guards.echoes_template(sentence):
        return "template"
    if _is_fragment(sentence):
        return "fragment"
    copied = records.copied_words(sentence)
    if copied >= _VERBATIM_WORDS or (copied >= _COPIED_WORDS and copied >= _COPIED_SHARE * len(words(sentence))):
        return "verbatim"
    if guards.wrong_voice(sentence, language, records):
        return "voice"
    if guards.states_gender(sentence, language, records):
        return "gender"
    # Names of things say nothing about a sentence's language: only the words that no record has are asked.
    own_words = " ".join(w for w in words(sentence) if fold(w) not in records.words)
    if guess_language([own_words], default=language, min_hits=4) != language:
        return "language"
    return ""


def _is_fragment(sentence: str) -> bool:
    if _LOG_DATE.search(sentence):
        return True  # a date in the log's own form is a piece of it
    tokens = words(sentence)
    spoken = [w for w in tokens if not any(c.isdigit() for c in w)]
    # languages without spaces write a sentence as one word
    whole = len(spoken) > 1 or any(len(w) >= 6 and not w.isascii() for w in spoken)
    return not whole or len(spoken) < 0.5 * len(tokens)


def _repeats(content: frozenset[str], earlier: frozenset[str]) -> bool:
    """Whether a sentence adds next to nothing to an earlier one; the other way round, it may well add something."""
    return not content or len(content & earlier) >= 0.8 * len(content)
