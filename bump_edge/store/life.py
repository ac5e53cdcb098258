"""The part of the store's public face that is about the life of a profile: a person's word, forgetting, moving."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bump_edge.store import corrections
from bump_edge.store.connection import Connection
from bump_edge.store.corrections import Correction, Kind
from bump_edge.store.report import ExportReport, ImportReport
from bump_edge.types import Interaction

if TYPE_CHECKING:
    from bump_edge.store.forgetting import Derived
    from bump_edge.store.receipts import Link
    from bump_edge.store.scanning import Scan

# Forgetting and moving are rare: their modules are loaded when they are called.


class StoreLife:
    """Corrections, forgetting, export and import; see `Store`, which this is a part of."""

    _connection: Connection

    def correct(self, user_id: str, kind: Kind, text: str, *, active: bool = True, at: datetime | None = None) -> bool:
        """Keep a person's word about their profile, or with `active=False` take it back; see `Correction`.

        This alone changes no profile: `bump_edge.profiler` does.

        Returns:
            Whether anything changed; an older word than the one in the store changes nothing.

        Raises:
            NotFoundError: there is no such user.
            UsageError: an unknown kind; an empty text, or one of more than 1,000 characters.
        """
        return corrections.put(self._connection, user_id, kind, text, active=active, at=at)

    def corrections(self, user_id: str, *, taken_back: bool = False) -> list[Correction]:
        """What the person said about their profile, in that order; with `taken_back`, also what no longer holds.

        Raises:
            NotFoundError: there is no such user.
        """
        return corrections.every(self._connection, user_id, taken_back=taken_back)

    def forget(
        self,
        user_id: str,
        forgotten: Collection[Interaction],
        derived: Iterable[Derived] = (),
        *,
        corrections: Collection[str] = (),
        remember: bool = True,
    ) -> tuple[list[int], list[int]]:
        """Delete interactions for good, and from every version of the profile the sentences that rest on them.

        `bump_edge.profiler.forget` decides which sentences stay, and proves that the rest is gone.

        Args:
            forgotten: the user's interactions.
            derived: which sentences of which version stay, and on what evidence; a version that is not named loses
                those that have a forgotten interaction as evidence.
            corrections: texts of pins and rejections that go too.
            remember: keep a mark of each, so that it is not taken in again when its log is read again.

        Returns:
            The versions that were changed, and those that were deleted because nothing was left of them.

        Raises:
            NotFoundError: there is no such user.
        """
        from bump_edge.store import forgetting

        digests = {i.digest for i in forgotten}
        return forgetting.forget(
            self._connection, user_id, digests, derived, corrections=corrections, remember=remember
        )

    def forget_user(self, user_id: str) -> list[int]:
        """Delete a user with all that there is of them; returns the versions of the profile that went.

        Raises:
            NotFoundError: there is no such user.
        """
        from bump_edge.store import forgetting

        return forgetting.forget_user(self._connection, user_id)

    def clean(self, wanted: Sequence[bytes]) -> tuple[bool, Scan]:
        """Rid the store's files of what was deleted, byte by byte.

        Args:
            wanted: pieces of what should be gone.

        Returns:
            Whether the WAL was cut to nothing (and an encrypted file rewritten), and what a search for `wanted` still
            found.
        """
        from bump_edge.store import scanning

        return scanning.clean(self._connection, wanted)

    def truncate_wal(self) -> bool:
        """Write the WAL back into the file and cut it to nothing; False while another process still needs it."""
        from bump_edge.store import scanning

        return scanning.truncate_wal(self._connection)

    def rekey(self) -> bool | None:
        """Give an encrypted store whose key is in the keychain a new one, and destroy the old (crypto-shredding).

        Promised: no copy of the store's pages that was made before, be it in a backup, a snapshot, the spare
        blocks of a flash disk or an old write-ahead log, can be read again by anybody who does not hold the old
        key. Not promised: anything about copies of the keychain, about recovery keys that were exported (they
        open the old copies, and no longer the store: export a new one), about files that `export_file` wrote,
        about copies from before the store was encrypted, or about memory. It takes all users' old copies, not
        one's: they become unreadable as wholes.

        Returns:
            Whether that was done. None for a plain store. False where the key was given by argument or environment: it
            is not the library's to destroy, `bump_edge.rotate_key` takes a new one.

        Raises:
            StoreLockedError: another process, or another `Store`, has the file open; nothing changed.
            KeyUnavailableError: the keychain cannot be used; nothing changed.
        """
        return self._connection.rekey()

    def scan(self, wanted: Sequence[bytes]) -> Scan:
        """Search the bytes of the store's files for pieces of text that should be gone; see `Scan`."""
        from bump_edge.store import scanning

        return scanning.scan(self._connection, wanted)

    def user_mark(self, user_id: str) -> str:
        """What receipts call a user: a hash under the store's own key."""
        from bump_edge.store import receipts

        return receipts.user_mark(self._connection, user_id)

    def add_receipt(self, body: Mapping[str, Any]) -> Link:
        """Add a receipt, JSON-ready, to the store's chain; its place there."""
        from bump_edge.store import receipts

        return receipts.append(self._connection, body)

    def receipts(self) -> list[dict[str, Any]]:
        """Every receipt of what was forgotten, oldest first: the chain is checked on the way.

        Raises:
            StoreCorruptError: it was changed.
        """
        from bump_edge.store import receipts

        return receipts.chain(self._connection)

    def exports_holding(self, user_id: str, wanted: Sequence[bytes]) -> list[Path]:
        """Files that this store exported to, that still lie there, and that hold a piece of `wanted` of a user."""
        from bump_edge.store import receipts

        return receipts.holding(receipts.exports(self._connection), user_id, wanted)

    def delete_exports(self, paths: Sequence[Path]) -> list[Path]:
        """Delete files that this store exported to; those that are gone now."""
        from bump_edge.store import receipts

        gone = []
        for path in paths:
            with contextlib.suppress(OSError):  # whoever asked must be told that it is still there, not stopped
                path.unlink(missing_ok=True)
                gone.append(path)
        receipts.drop_exports(self._connection, gone)
        return gone

    def export_file(
        self,
        target: Path | str | BinaryIO,
        *,
        user_ids: Iterable[str] | None = None,
        histories: bool = True,
        overwrite: bool = False,
        permitted: Collection[str] | None = None,
    ) -> ExportReport:
        """Write users with all that the store has of them to one checksummed file, in flat memory.

        The file appears whole or not at all, readable by its owner only. Its format is in `bump_edge.store.transfer`.

        Args:
            target: a path, or a binary stream such as ``sys.stdout.buffer``.
            user_ids: whom; None means everyone.
            histories: without them, profiles and corrections go without the interactions that they rest on.
            overwrite: replace an existing file.
            permitted: the only texts of profiles, sentences and corrections that may be written, as
                `bump_edge.audit.permit_export` found them; None for all. It does not bound histories.

        Raises:
            NotFoundError: there is no such user.
            UsageError: the file exists and `overwrite` is false, or is no regular file; an interaction of more than
                64 MiB.
            PolicyError: a text is not among `permitted`. A file was not written; a stream holds what came before it.
            StoreWriteError: the file cannot be written. Nothing was.
        """
        from bump_edge.store import transfer

        return transfer.export(
            self._connection,
            target,
            user_ids=user_ids,
            histories=histories,
            overwrite=overwrite,
            permitted=permitted,
        )

    def import_file(self, source: Path | str | BinaryIO) -> ImportReport:
        """Merge an export into this store: all of it in one transaction, or on any error nothing; in flat memory.

        What is here already stays and is not doubled; what was forgotten here does not come back; what was forgotten
        in the other store is deleted here too. Versions of profiles are numbered anew by the time they were made. A
        profile that came with the import is not up to date: the next `Profiler.profile` writes it anew.

        Args:
            source: a path, or a binary stream such as ``sys.stdin.buffer``; one that cannot seek is copied to a
                temporary file beside the store first, or, where the store is encrypted, into memory.

        Raises:
            InputError: it is no export, one of a newer format, incomplete, or changed.
            StoreError: the store cannot be written.
        """
        from bump_edge.store import transfer

        return transfer.import_(self._connection, source)
