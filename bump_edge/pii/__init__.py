"""Personal data in text: what finds it, and what replaces it by typed placeholders.

Patterns with check digits, and context where a check digit is not enough; no model, no network. Names of people are not
found: that needs a model of language (the extra ``pii`` with a spaCy model).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bump_edge.lazy import loader

if TYPE_CHECKING:
    from bump_edge.pii.finding import KINDS, Detector, Span, find
    from bump_edge.pii.redaction import Redactor, redact

__all__ = ["KINDS", "Detector", "Redactor", "Span", "find", "redact"]

_HOME_OF = {
    "KINDS": "finding",
    "Detector": "finding",
    "Redactor": "redaction",
    "Span": "finding",
    "find": "finding",
    "redact": "redaction",
}


__getattr__ = loader(__name__, _HOME_OF, globals())
