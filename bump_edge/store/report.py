"""What the store reports: about an ingest, an export, an import, and about its users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from bump_edge.readers import BadLine

__all__ = ["BadLine", "ExportReport", "ImportReport", "IngestReport", "ProfileDraft", "UserSummary"]


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestReport:
    """What became of a source.

    Args:
        read: usable interactions in it; `added` + `duplicates` + `forgotten`.
        added: those that were new.
        duplicates: those that the store had already, or that came twice; equal in every field.
        forgotten: those that were forgotten on a person's word, and so were not taken in again.
        skipped: lines that were skipped, by reason (`bump_edge.readers.REASONS`).
        quotes: the first of them.
        users: every user in the source, in order of first appearance.
        redacted: pieces of personal data that were replaced by placeholders, by kind, duplicates included; empty where
            nothing was to be redacted.
    """

    read: int = 0
    added: int = 0
    duplicates: int = 0
    forgotten: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    quotes: tuple[BadLine, ...] = ()
    users: tuple[str, ...] = ()
    redacted: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "read": self.read,
            "added": self.added,
            "duplicates": self.duplicates,
            "forgotten": self.forgotten,
            "skipped": dict(self.skipped),
            "quotes": [{"line": q.line, "reason": q.reason, "quote": q.quote} for q in self.quotes],
            "users": list(self.users),
            "redacted": dict(self.redacted),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class UserSummary:
    """One user of the store.

    Args:
        user_id: who.
        interactions: how many the store holds.
        revision: goes up whenever the set of them changes.
        profile_version: of the latest profile; None without one.
        first, last: the earliest and the latest timestamp, where there are any.
    """

    user_id: str
    interactions: int
    revision: int
    profile_version: int | None = None
    first: datetime | None = None
    last: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON-ready values."""
        return {
            "user_id": self.user_id,
            "interactions": self.interactions,
            "revision": self.revision,
            "profile_version": self.profile_version,
            "first": self.first and self.first.isoformat().replace("+00:00", "Z"),
            "last": self.last and self.last.isoformat().replace("+00:00", "Z"),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileDraft:
    """A profile that is not stored yet: the arguments of `Store.save_profile`.

    Args:
        user_id: whom it is about.
        text: the sentences, joined by spaces.
        model: the name of the model that wrote it.
        language: ISO 639-1.
        evidence: one `(sentence, ids of the supporting interactions)` a sentence, in the order of the text.
        manifest: what reproduces the profile; JSON values.
        recipe: a hash of all that a profile depends on beside the history.
        revision: the user's revision when the history was read.
        position: the user's position when the history was read (`Store.position`); 0 makes the next profile a full
            rewrite.
        origin: one of `bump_edge.types.ORIGINS`.
        updates: how many updates there were since the last full rewrite.
        confirmed: those of the sentences that a person wrote or confirmed; they may be without evidence.
        after: the version that this one follows; if another one is the latest meanwhile, nothing is stored. None for
            whichever it is.
    """

    user_id: str
    text: str
    model: str
    language: str
    evidence: Sequence[tuple[str, Sequence[str]]]
    manifest: Mapping[str, Any]
    recipe: str
    revision: int
    position: int = 0
    origin: str = "write"
    updates: int = 0
    confirmed: frozenset[str] = frozenset()
    after: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    """What an export holds.

    Args:
        users, interactions, corrections, versions: how many of each.
        marks: marks of forgotten interactions and corrections.
        histories: whether interactions were to be in it.
        bytes: of the whole file.
        sha256: of all lines but the last, as the last one says it.
    """

    users: int
    interactions: int
    corrections: int
    versions: int
    marks: int
    histories: bool
    bytes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What became of an export.

    Args:
        users: users in it.
        new_users: those that the store did not know.
        interactions: interactions in it; `added` + `duplicates` + `forgotten`.
        added: those that were new.
        duplicates: those that the store had already.
        forgotten: those that were forgotten here, and so were not taken in.
        removed: interactions of this store that are deleted now, because they were forgotten in the other one.
        marks: marks that were new.
        corrections: corrections that were new or later than the ones here.
        corrections_removed: corrections of this store that are deleted now, because they were in the other one.
        versions: versions of profiles that were new.
        versions_changed, versions_removed: those that lost sentences, or everything, to what was forgotten.
        withheld: versions without evidence that were left out, because something was forgotten here and nobody can
            tell whether they rest on it.
    """

    users: int = 0
    new_users: int = 0
    interactions: int = 0
    added: int = 0
    duplicates: int = 0
    forgotten: int = 0
    removed: int = 0
    marks: int = 0
    corrections: int = 0
    corrections_removed: int = 0
    versions: int = 0
    versions_changed: int = 0
    versions_removed: int = 0
    withheld: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)
