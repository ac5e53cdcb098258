"""Bytes → interactions: JSON Lines, CSV and LaMP; plain, gzip and zstd; a stream in flat memory."""

from __future__ import annotations

from bump_edge.readers.fields import Fields, to_fields, to_interaction
from bump_edge.readers.problems import REASONS, BadLine, FieldError, Problems
from bump_edge.readers.reader import FORMATS, MAX_LINE_BYTES, Reader, read

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
