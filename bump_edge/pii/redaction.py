"""Replacing personal data by typed placeholders, in a text and in all fields of an interaction."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bump_edge.pii.finding import Detector, find

Record = tuple[str, int | None, str | None, str | None, str | None, float | None, dict[str, Any] | None]
"""`(user_id, timestamp in ms, type, item, text, rating, meta)`, as the readers make them."""


def redact(text: str, *, detector: Detector | None = None) -> tuple[str, Counter[str]]:
    """`text` with every piece of personal data as ``[KIND]``, such as ``[EMAIL]``, and how many there were."""
    redactor = Redactor(detector=detector)
    return redactor.text(text), redactor.counts


class Redactor:
    """Redacts many records and counts what it took out.

    Args:
        detector: looks beside the core.
    """

    def __init__(self, *, detector: Detector | None = None) -> None:
        self.counts: Counter[str] = Counter()
        """How many pieces were replaced, by kind."""
        self._detector = detector

    def text(self, text: str) -> str:
        """`text` with placeholders."""
        return self._after(text, "")

    def record(self, record: Record) -> Record:
        """The record with placeholders in `type`, `item`, `text` and everything in `meta`, its keys included.

        The `user_id` stays as it is: it says whose the record is.
        """
        user_id, ms, type_, item, text, rating, meta = record
        return (
            user_id,
            ms,
            type_ and self.text(type_),
            item and self.text(item),
            text and self.text(text),
            rating,
            meta and {self.text(key): self._value(value, key) for key, value in meta.items()},
        )

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return self._after(value, key)
        if isinstance(value, dict):
            return {self.text(inner): self._value(other, inner) for inner, other in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(other, key) for other in value]
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**6:
            # a phone number or a card as a JSON number
            written = self._after(str(value), key)
            return value if written == str(value) else written
        return value

    def _after(self, text: str, key: str) -> str:
        """`text` with placeholders; `key` is what the log calls it, which often says what a bare number is."""
        lead = f"{key.replace('_', ' ')}: " if key else ""
        out: list[str] = []
        at = len(lead)
        whole = lead + text
        for span in find(whole, detector=self._detector):
            if span.end <= len(lead):
                continue
            out += [whole[at : max(span.start, len(lead))], f"[{span.kind.upper()}]"]
            at = span.end
            self.counts[span.kind] += 1
        return "".join([*out, whole[at:]])
