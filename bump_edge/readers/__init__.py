"""Bytes → interactions: JSON Lines, CSV and LaMP; plain, gzip and zstd; a stream in flat memory.

What reads is loaded when it is first used: most runs of a program find their files taken in already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bump_edge.lazy import loader
from bump_edge.readers.problems import MAX_LINE_BYTES, REASONS, BadLine, FieldError, Problems

if TYPE_CHECKING:
    from bump_edge.readers.fields import Fields, to_fields, to_interaction
    from bump_edge.readers.reader import FORMATS, Reader, read

__all__ = [
    "FORMATS",
    "MAX_LINE_BYTES",
    "REASONS",
    "BadLine",
    "FieldError",
    "Fields",
    "Problems",
    "Reader",
    "read",
    "to_fields",
    "to_interaction",
]

_HOME_OF = {
    "FORMATS": "reader",
    "Reader": "reader",
    "read": "reader",
    "Fields": "fields",
    "to_fields": "fields",
    "to_interaction": "fields",
}


__getattr__ = loader(__name__, _HOME_OF, globals())
