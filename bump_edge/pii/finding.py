"""Finding personal data in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bump_edge.pii.rules import Rule

KINDS = (
    "address", "birth_date", "card", "device", "email", "iban", "ip", "national_id", "person", "phone", "secret",
)  # fmt: skip
"""Kinds of personal data; `person` only with a detector that knows names, such as Presidio with a spaCy model."""

# What every rule needs a part of: most texts have none of it.
_WORTH = re.compile(
    r"\d\d|\d\.\d|@|://|[:=：]|\b(?:at|ät|arroba)\b|[0-9A-F]{2}-[0-9A-F]{2}-|BEGIN |pass|pwd|secret|token|key|kennwort|"
    r"contraseña|senha|wachtwoord|hasło|lösenord|пароль|密码|パスワード|eyJ|xox|hf_|gh[pousr]_|github_|glpat-|AKIA|ASIA|AIza|"
    r"[sr]k_|sk-|npm_|SG\.",
    re.I,
)
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe58\ufe63\uff0d"
_OTHERS = {"\uff20": "@", "\uff0b": "+", "\uff08": "(", "\uff09": ")", "\uff0e": ".", "\uff0f": "/"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One piece of personal data in a text.

    Args:
        start, end: where, in characters; `start` < `end`.
        kind: one of `KINDS`.
        rule: what found it.
    """

    start: int
    end: int
    kind: str
    rule: str


class Detector(Protocol):
    """Finds personal data beside the rules of the core."""

    def find(self, text: str) -> Iterable[Span]:
        """What is in `text`, in any order, overlaps allowed."""
        ...


def find(text: str, *, detector: Detector | None = None) -> list[Span]:
    """The personal data in `text`, in order, without overlaps.

    Args:
        text: of any length.
        detector: looks as well; where it and the core overlap, the core's span stays.
    """
    found = _Found(len(text))
    _search(flatten(text), found)
    if detector is not None:
        for span in sorted(detector.find(text), key=lambda s: (s.start - s.end, s.start)):
            found.add(span)
    return sorted(found.spans, key=lambda s: s.start)


def flatten(text: str) -> str:
    """`text` as the rules read it, as long as before: ASCII digits, spaces and hyphens for all of their relatives."""
    if text.isascii():
        return text.replace("\t", " ")
    return "".join(c if c.isascii() and c != "\t" else _flat(c) for c in text)


def _flat(c: str) -> str:
    if c in _HYPHENS:
        return "-"
    if c in _OTHERS:
        return _OTHERS[c]
    if c.isspace():
        return "\n" if c in "\u2028\u2029\x85" else " "
    value = unicodedata.decimal(c, None)
    return c if value is None else str(value)


class _Found:
    """Spans that do not overlap; the earlier added stays."""

    def __init__(self, size: int) -> None:
        self._taken = bytearray(size)
        self.spans: list[Span] = []

    def add(self, span: Span) -> None:
        if not any(self._taken[span.start : span.end]):
            self._taken[span.start : span.end] = b"\1" * (span.end - span.start)
            self.spans.append(span)


def _search(flat: str, found: _Found) -> None:
    if not _WORTH.search(flat):
        return
    for rule in _rules():
        for match in rule.pattern.finditer(flat):
            span = _span(rule, match, flat)
            if span is not None:
                found.add(span)


def _span(rule: Rule, match: re.Match[str], flat: str) -> Span | None:
    from bump_edge.pii.rules import BEFORE

    group = "v" if "v" in rule.pattern.groupindex else 0
    start, end = match.span(group)
    if rule.needs is not None or rule.unless is not None:
        before = flat[max(0, start - BEFORE) : start]
        if rule.needs is not None and not rule.needs.search(before):
            return None
        if rule.unless is not None and rule.unless.search(before):
            return None
    verdict = rule.check(flat[start:end])
    if not verdict:
        return None
    if verdict is not True:
        end = start + verdict
    trimmed = ".,;:" if rule.kind == "secret" else " .,;:!?"  # a password may well end in a sign
    while end > start and flat[end - 1] in trimmed:
        end -= 1
    return Span(start=start, end=end, kind=rule.kind, rule=rule.name)


@cache
def _rules() -> tuple[Rule, ...]:
    # compiled when the first text is searched
    from bump_edge.pii.rules import RULES

    return RULES
