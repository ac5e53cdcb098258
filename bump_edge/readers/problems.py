"""What was wrong with a source, line by line: counted by reason, the first ones quoted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bump_edge.errors import InputError

MAX_LINE_BYTES = 8 << 20
"""A longer line is skipped without being held in memory."""

QUOTED = 20
"""Bad lines that are quoted; the rest is only counted."""

QUOTE_CHARS = 80
"""Characters of a bad line that are quoted."""

_LOOKED_AT = 1000  # lines without a good one among them, after which a source that looks binary is given up

NOT_THE_USER = "not_the_user"
PROFILE_BLOCK = "profile_block"
SKIPPED_BY_RULE = frozenset({NOT_THE_USER, PROFILE_BLOCK})
"""Reasons that say nothing against the source: such lines are well formed, and are skipped in strict mode as well."""

REASONS = {
    "not_json": "not JSON",
    "not_an_object": "JSON, but not an object",
    "bad_utf8": "not UTF-8",
    "no_text_or_item": "neither a text nor an item",
    "timestamp": "a timestamp that cannot be read",
    "rating": "a rating that is no number, or too large a one",
    "user_id": "a user_id that is no name",
    "field": "a field of the wrong kind",
    "number": "a number beyond 64 bits",
    "too_long": "longer than the limit",
    "truncated": "the compressed data end too early",
    "damaged": "the compressed data are damaged",
    NOT_THE_USER: "an assistant's, system's or tool's turn, not the user's word",
    PROFILE_BLOCK: "nothing but a profile that an app put into a prompt",
}
"""Every reason for which a line is skipped, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadLine:
    """One line that was skipped.

    Args:
        line: its number, from 1; in a LaMP or other JSON array the number of the element.
        reason: a key of `REASONS`.
        quote: its first characters (at most `QUOTE_CHARS`), with everything unprintable escaped.
    """

    line: int
    reason: str
    quote: str


class FieldError(ValueError):
    """A record cannot become an interaction; `reason` is a key of `REASONS`."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or REASONS[reason])
        self.reason = reason


def quote(raw: bytes | str) -> str:
    """The first characters of `raw`, safe to print in one line of a terminal."""
    text = raw[: 4 * QUOTE_CHARS + 4].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    head = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: QUOTE_CHARS + 1])
    return head if len(head) <= QUOTE_CHARS else head[: QUOTE_CHARS - 1] + "…"


class Problems:
    """Counts the lines that a reader skips.

    Args:
        name: the source, for messages.
        quotes: quote bad lines; without it, only their numbers and reasons are told.
        strict: the first bad line raises `InputError`; what is not the user's word, and what is nothing but a
            profile's block, is skipped all the same.
    """

    def __init__(self, name: str, *, strict: bool = False, quotes: bool = True) -> None:
        self.name = name
        self._quotes = quotes
        self.strict = strict
        self.counts: Counter[str] = Counter()
        self.quotes: list[BadLine] = []
        self._watch = True
        self._binary = 0

    def bad(self, line: int, reason: str, raw: bytes | str, detail: str = "") -> None:
        """Count one skipped line.

        Raises:
            InputError: in strict mode, or when the source is no text at all.
        """
        self.counts[reason] += 1
        said = quote(raw) if self._quotes else ""
        if len(self.quotes) < QUOTED:
            self.quotes.append(BadLine(line=line, reason=reason, quote=said))
        if self._watch:
            head = raw[:4096] if isinstance(raw, bytes) else b""
            self._binary += reason == "bad_utf8" or b"\0" in head
            if self.counts.total() >= _LOOKED_AT:
                self.refuse_binary()
        if self.strict and reason not in SKIPPED_BY_RULE:
            raise InputError(
                f"{self.name}, line {line}: {(self._quotes and detail) or REASONS[reason]}{said and ': '}{said}. "
                "Mend the line, or read without strict mode to skip it.",
                details={"source": self.name, "line": line, "reason": reason, "quote": said},
            )

    def good(self) -> None:
        """A usable line was seen: the source is what it should be."""
        self._watch = False

    def refuse_binary(self) -> None:
        """Raise `InputError` if nothing usable was seen and most of it looks like binary data."""
        total = self.counts.total()
        if self._watch and total and 2 * self._binary >= total:
            self._watch = False
            raise InputError(
                f"{self.name} is not JSON Lines, CSV or a LaMP file: it looks like binary data "
                f"({total} lines, none of them text). Expected UTF-8 text, plain or as .gz or .zst.",
                details={"source": self.name, "lines": total},
            )
