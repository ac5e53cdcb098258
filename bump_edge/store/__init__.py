"""One SQLite file: histories, a search index over them, and profiles with their evidence."""

from __future__ import annotations

from bump_edge.store.report import BadLine, IngestReport, ProfileDraft, UserSummary
from bump_edge.store.store import Store

__all__ = ["BadLine", "IngestReport", "ProfileDraft", "Store", "UserSummary"]
