"""The public face of the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from bump_edge import settings
from bump_edge.errors import StoreError
from bump_edge.readers import MAX_LINE_BYTES
from bump_edge.store import interactions, profiles
from bump_edge.store.connection import Connection, explain
from bump_edge.store.life import StoreLife
from bump_edge.store.profiles import Standing
from bump_edge.store.report import IngestReport, ProfileDraft, UserSummary
from bump_edge.store.sources import KnownSource
from bump_edge.types import HistoryStats, Interaction, Profile

if TYPE_CHECKING:
    from bump_edge.pii import Detector, Redactor


class Store(StoreLife):
    """Histories and profiles of many users in one SQLite file, each user's apart; a context manager.

    A `Store` is one connection behind a lock: several threads may share it (they take turns), several processes open
    the file at the same time, each with a `Store` of its own. After a fork, open a new one. A file or
    directory that cannot be written is opened for reading.

    A history is ordered by time; interactions of one time, and those without a timestamp, by the order of ingest; those
    without a timestamp come before all others. Interactions that are equal in every field are one: a log in which equal
    lines are different acts needs a field that tells them apart, such as a timestamp or an id (kept in `meta`).

    Args:
        path: the file; None means the settings' (``BUMP_EDGE_DB``, config file, default). Made when missing, readable
            by its owner only.
        timeout: seconds that a write waits while another process is writing.
        key: makes a new store an encrypted one (SQLCipher, extra ``encrypt``), and opens it: 32 random bytes, their 64
            hexadecimal digits, or a passphrase. None means ``BUMP_EDGE_KEY``, and where that is not set, for a store
            that is encrypted already, the keychain. `bump_edge.encrypt_store` encrypts a store that exists.

    Raises:
        KeyUnavailableError: there is no key for an encrypted store, or the wrong one; or a key is given for a store
            that is not encrypted; or the extra is not installed.
        StoreLockedError: another process holds the file for longer than `timeout`.
        StoreVersionError: it was written by a newer bump-edge.
        StoreCorruptError: it is no store, or damaged.
        StoreWriteError: it is missing and cannot be made.
        StoreError: anything else that SQLite says.
    """

    def __init__(
        self, path: Path | str | None = None, *, timeout: float = 10.0, key: str | bytes | None = None
    ) -> None:
        self._path = settings.load().db if path is None else Path(path)
        self._connection = Connection(self._path, timeout=timeout, key=key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; twice is fine."""
        self._connection.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def readonly(self) -> bool:
        """Whether the file can only be read."""
        return self._connection.readonly

    @property
    def encrypted(self) -> bool:
        """Whether the file is encrypted."""
        return self._connection.key is not None

    def check(self) -> str | None:
        """What is wrong with the file, None if nothing is; reads all of it."""
        try:
            found = self._connection.rows("PRAGMA integrity_check(1)")
            links = self._connection.rows("PRAGMA foreign_key_check")
            # it reads past the log, in which a page that a crash tore in the file is whole: first that is written back
            settled = self.encrypted and (self.readonly or self.truncate_wal())
            forged = self._connection.rows("PRAGMA cipher_integrity_check") if settled else []
            if found == [("ok",)] and not links and not self.readonly:
                with self._connection.writing() as sql:
                    try:
                        # compares every interaction with the index
                        sql.execute("INSERT INTO interactions_fts(interactions_fts, rank) VALUES('integrity-check', 1)")
                    except self._connection.errors as error:
                        if isinstance(explain(error, self._path), StoreError) and "malformed" in str(error):
                            return "the search index does not match the interactions"
                        raise
        except StoreError as error:
            return error.message
        if found != [("ok",)]:
            return str(found[0][0])
        if forged:
            return str(forged[0][0])
        return f"{len(links)} links lead nowhere" if links else None

    def ingest(
        self,
        interactions: Iterable[Interaction],
        *,
        redact: bool | Detector = False,
        cancel: threading.Event | None = None,
    ) -> IngestReport:
        """Add interactions; those that are there already are not added again.

        NUL characters, and blocks that an app put into a prompt, are taken out of texts; others' turns, and what is
        nothing but a block, are skipped and counted. An empty iterable is fine.

        Args:
            redact: replace personal data in every field but `user_id` by placeholders (``[EMAIL]``) before anything is
                stored; a `Detector` looks beside the core's rules. See `bump_edge.pii`.
            cancel: when it is set, the ingest stops between two batches.

        Raises:
            InputError: a `meta` that is not JSON, a string that is not valid Unicode.
            CancelledError: `cancel` was set. What was added stays.
            StoreError: the store cannot be written. The batches before stay.
        """
        from bump_edge.store import ingest

        return ingest.ingest_interactions(self._connection, interactions, cancel=cancel, redactor=_redactor(redact))

    def ingest_file(
        self,
        source: Path | str | BinaryIO,
        *,
        format: str = "auto",
        mapping: Mapping[str, str] | None = None,
        user_id: str | None = None,
        strict: bool = False,
        max_line_bytes: int = MAX_LINE_BYTES,
        redact: bool | Detector = False,
        progress: Callable[[int, int | None], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> IngestReport:
        """Add the interactions of a file or stream, in flat memory; those that are there already are not added again.

        A file whose very bytes were taken in before is not even read again (until something is deleted in the store).
        A bad line is skipped, counted and quoted in the report. The file is taken in batches of some 33,000
        interactions, each all or nothing: whatever interrupts an ingest, ingesting again completes it.

        Args:
            source: a path, or a binary stream such as ``sys.stdin.buffer``; plain, gzip or zstd.
            format: ``auto``, ``jsonl``, ``csv`` or ``lamp``.
            mapping: our field → their field; a dot leads into an object (``{"item": "product.title"}``).
            user_id: whose the lines without a `user_id` are; None means the one local user.
            strict: the first bad line raises `InputError`; what came before it stays.
            max_line_bytes: a longer line is bad.
            redact: see `ingest`. Bad lines are then counted and numbered, not quoted.
            progress: called with the bytes read so far and their total (None for a stream).
            cancel: when it is set, the ingest stops between two batches.

        Raises:
            EmptyHistoryError: the source holds no usable interaction; `details` hold the report.
            InputError: it cannot be read, or is no text, or (strict) a line is bad.
            UsageError: an unknown format or mapping.
            CancelledError: `cancel` was set.
            StoreError: the store cannot be written.
        """
        how = {
            "format": format,
            "mapping": dict(mapping or {}),
            "user_id": user_id,
            "strict": strict,
            "max_line_bytes": max_line_bytes,
        }
        if redact:
            how["redact"] = True
        # what a detector of another's making finds may change from one time to the next
        path = Path(source) if isinstance(source, str | Path) and isinstance(redact, bool) else None
        known = None if path is None else KnownSource(self._connection, path, how)
        if known is not None and (report := known.report()) is not None:
            return report
        from bump_edge.readers import Reader
        from bump_edge.store import ingest

        reader = Reader(
            source,
            format=format,
            mapping=mapping,
            user_id=user_id,
            strict=strict,
            max_line_bytes=max_line_bytes,
            progress=progress,
            quotes=not redact,
        )
        try:
            report = ingest.ingest_reader(self._connection, reader, cancel=cancel, redactor=_redactor(redact))
        finally:
            reader.close()
        if known is not None and not self.readonly:
            known.remember(report)
        return report

    def users(self) -> list[UserSummary]:
        """Every user, in the order of their first ingest."""
        return interactions.users(self._connection)

    def has_user(self, user_id: str) -> bool:
        """Whether the store knows the user."""
        with self._connection.use() as sql:
            return interactions.find_user(sql, user_id) is not None

    def count(self, user_id: str) -> int:
        """How many interactions the user has; 0 for an unknown one."""
        with self._connection.use() as sql:
            found = interactions.find_user(sql, user_id)
        return 0 if found is None else found[1]

    def revision(self, user_id: str) -> int:
        """A number that goes up whenever the set of the user's interactions changes; 0 for an unknown user."""
        with self._connection.use() as sql:
            found = interactions.find_user(sql, user_id)
        return 0 if found is None else found[4]

    def stats(self, user_id: str) -> HistoryStats:
        """Facts about the whole history; reads all of it.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.stats(self._connection, user_id)

    def position(self, user_id: str) -> int:
        """How many interactions the user ever had: what is ingested from now on counts up from here."""
        with self._connection.use() as sql:
            found = interactions.find_user(sql, user_id)
        return 0 if found is None else found[3]

    def newer(self, user_id: str, position: int, *, limit: int) -> tuple[list[Interaction], int]:
        """What was ingested after `position`: the latest `limit` of it in the order of the history, and its number.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.newer(self._connection, user_id, position, limit=limit)

    def after(self, user_id: str, interaction: Interaction) -> int:
        """How many of the user's interactions are later in the history than this one.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.after(self._connection, user_id, interaction)

    def between(
        self, user_id: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Interaction]:
        """The user's interactions with `since` ≤ timestamp < `until`, oldest first; all of them without a bound.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.matching(self._connection, user_id, since=since, until=until)

    def history(self, user_id: str, *, limit: int | None = None, newest: bool = False) -> list[Interaction]:
        """The history, oldest first.

        Args:
            limit: at most this many, ≥ 0: the oldest, or with `newest` the latest.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.history(self._connection, user_id, limit=limit, newest=newest)

    def iter_history(self, user_id: str) -> Iterator[Interaction]:
        """The history, oldest first, as it was when this was called; read a page at a time.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.iter_history(self._connection, user_id)

    def sample(self, user_id: str, count: int, *, skip_newest: int = 0) -> list[Interaction]:
        """At most `count` interactions, evenly spaced over the history by position, oldest first.

        Args:
            skip_newest: leave out the latest that many, which `history(limit=…, newest=True)` gives.

        Raises:
            NotFoundError: there is no such user.
        """
        return interactions.sample(self._connection, user_id, count, skip_newest=skip_newest)

    def interaction(self, id_prefix: str, *, user_id: str | None = None) -> Interaction:
        """The interaction whose id begins with `id_prefix`, of all users or of one.

        Raises:
            NotFoundError: there is none.
            UsageError: there are several, or the prefix is not hexadecimal.
        """
        return interactions.interaction(self._connection, id_prefix, user_id=user_id)

    def search(self, user_id: str, query: str, *, limit: int = 5) -> list[Interaction]:
        """The user's interactions that match the words of `query` best (BM25), the best first.

        Only the user's own interactions count, in what is found and in how it is ranked. Words match by their English
        (Porter) stem, without case and accents. `query` is text, not a query language.

        Raises:
            NotFoundError: there is no such user.
        """
        from bump_edge.store import search

        return search.search(self._connection, user_id, query, limit=limit)

    def save_profile(
        self,
        *,
        user_id: str,
        text: str,
        model: str,
        language: str,
        evidence: Sequence[tuple[str, Sequence[str]]],
        manifest: Mapping[str, Any],
        recipe: str,
        revision: int,
        position: int = 0,
    ) -> Profile:
        """Store the next version of a user's profile; the arguments are those of `ProfileDraft`.

        Raises:
            NotFoundError: there is no such user.
            StoreError: an interaction of the evidence is not, or no longer, in the history.
            UsageError: a sentence has no evidence, or there is none.
        """
        draft = ProfileDraft(
            user_id=user_id,
            text=text,
            model=model,
            language=language,
            evidence=evidence,
            manifest=manifest,
            recipe=recipe,
            revision=revision,
            position=position,
        )
        return self.save_profiles([draft])[0]

    def save_profiles(self, drafts: Iterable[ProfileDraft]) -> list[Profile]:
        """Store many profiles in one transaction: all or, on an error, none; see `save_profile`."""
        return profiles.save(self._connection, drafts)

    def profile(self, user_id: str, version: int | None = None) -> Profile:
        """A user's latest profile, or a version of it.

        Raises:
            NotFoundError: there is no such user, profile or version.
        """
        return profiles.profile(self._connection, user_id, version)

    def profiles(self, user_ids: Iterable[str] | None = None) -> Iterator[Profile]:
        """The latest profile of each of `user_ids` in that order, or of everyone; who has none is left out."""
        return profiles.profiles(self._connection, user_ids)

    def standing(self, user_id: str) -> Standing | None:
        """What the user's latest profile rests on; None without one.

        Raises:
            NotFoundError: there is no such user.
        """
        return profiles.standing(self._connection, user_id)

    def versions(self, user_id: str) -> list[int]:
        """The versions of a user's profile, ascending.

        Raises:
            NotFoundError: there is no such user.
        """
        return profiles.versions(self._connection, user_id)

    def stale(self, user_ids: Iterable[str], recipe: str) -> list[str]:
        """Those whose latest profile is missing, or was made by another recipe or from another state of the history."""
        return profiles.stale(self._connection, user_ids, recipe)


def _redactor(redact: bool | Detector) -> Redactor | None:
    if redact is False:
        return None
    from bump_edge.pii import Redactor

    return Redactor(detector=None if redact is True else redact)
