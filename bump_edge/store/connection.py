"""One SQLite connection behind a lock, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bump_edge.errors import (
    BumpEdgeError,
    StoreCorruptError,
    StoreError,
    StoreLockedError,
    StoreWriteError,
)
from bump_edge.store import files, schema
from bump_edge.store.keys import Key, given, not_encrypted, of_store, wrong

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM}

_CACHE_KIB = 65_536  # what a batch of an ingest touches in the index fits
_CHECKPOINT_PAGES = 8_000


def explain(error: Exception, path: Path) -> StoreError:
    """The error of this library that an error of SQLite's or SQLCipher's stands for."""
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    details = {"path": str(path), "sqlite": getattr(error, "sqlite_errorname", type(error).__name__)}
    if kind in _LOCKED:
        return StoreLockedError(
            f"{path} is locked: another process is writing to it and did not finish in time. "
            "Try again, or stop the other process.",
            details=details,
        )
    if kind in _CORRUPT or "disk image is malformed" in str(error):  # a function of SQLCipher's gives no code
        return StoreCorruptError(
            f"{path} is not a bump-edge store, or is damaged ({error}). Restore it from a backup, or move it away "
            "and ingest the histories again.",
            details=details,
        )
    if kind in _UNWRITABLE:
        return StoreWriteError(
            f"{path} cannot be written ({error}): expected a writable file and free space on its disk. Free some "
            "space or mend the permissions, or name another store with --db.",
            details=details,
        )
    return StoreError(f"{path} cannot be used: {error}.", details=details)


class Connection:
    """A store's connection; one at a time uses it, whichever thread it is in.

    A process that was forked from the one that opened it must open its own: SQLite's locks do not survive a fork.

    Args:
        path: the file; it and its directory are made when missing.
        timeout: seconds that a write waits for another process's.
        key: of an encrypted store; None for that of the environment, and for a store that is encrypted already, that of
            the keychain. A new store is encrypted where a key is given or in the environment.

    Raises:
        StoreError: see `explain`; `StoreVersionError` for a store of a newer version.
        KeyUnavailableError: no key for an encrypted store, the wrong one, or one for a plain store.
    """

    def __init__(self, path: Path, *, timeout: float, key: str | bytes | Key | None = None) -> None:
        self.path = path
        self.readonly = False
        self.errors: type[Exception] = sqlite3.Error
        """What this connection raises: SQLite's errors or SQLCipher's, which have the same attributes."""
        self.key: Key | None = None
        """The key that the store was opened with; None for a plain one."""
        self._given = given(key)
        self._timeout = timeout
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        prepare(path)
        self._connection = self._open()

    def close(self) -> None:
        """Close the connection; twice is fine."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._process == os.getpid():
                connection.close()

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """The connection, held by this thread, with errors translated."""
        with self._lock:
            if self._connection is None:
                raise StoreError(f"the store {self.path} is closed: open it again.")
            if self._process != os.getpid():
                raise StoreError(
                    f"the store {self.path} was opened before this process was forked: open a Store of its own here."
                )
            try:
                yield self._connection
            except self.errors as error:
                raise explain(error, self.path) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its first statement; all of it happens, or nothing."""
        with self.use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot: what other processes write meanwhile is not seen."""
        with self.use() as connection:
            inner = connection.in_transaction
            if not inner:
                connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if not inner and connection.in_transaction:
                    connection.execute("ROLLBACK")

    def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Every row of a query."""
        with self.use() as connection:
            return connection.execute(query, values).fetchall()

    def rekey(self) -> bool | None:
        """Give the store a new key, and destroy the old one; every older copy of its pages is unreadable then.

        Returns:
            Whether that was done: None where the store is plain, False where the key is not the keychain's, because who
            gave it has it still.

        Raises:
            StoreLockedError: it is open elsewhere. The key is the old one.
            KeyUnavailableError: the keychain cannot be used. The key is the old one.
        """
        from bump_edge.store import conversion

        with self._lock:
            with self.use():
                if self.key is None or self.key.source != "keychain":
                    return None if self.key is None else False
            self.close()
            try:
                done = conversion.convert(self.path, self.key, Key.random(), timeout=self._timeout, again=True)
            finally:
                self._connection = self._open()
            return bool(done.key_destroyed)

    def _open(self) -> sqlite3.Connection:
        deadline = time.monotonic() + self._timeout
        with files.opening(self.path):
            while True:
                # A conversion puts another file in the store's place. From its first look into a file in WAL mode on, a
                # connection keeps a lock that no conversion gets past: the file that is there then is the right one.
                before, changed, header = files.identity(self.path), files.changed(self.path), files.header(self.path)
                try:
                    connection = self._open_as(header)
                    if files.still(self.path, before):
                        return connection
                    connection.close()
                except BumpEdgeError:
                    # what went wrong with a file that is no longer there says nothing about the one that is
                    if files.changed(self.path) == changed or time.monotonic() > deadline:
                        raise
                if time.monotonic() > deadline:
                    raise _replaced(self.path)
                time.sleep(0.01)

    def _open_as(self, header: files.Header) -> sqlite3.Connection:
        if header.kind == "empty" and self._given is not None:
            from bump_edge.store import conversion

            conversion.convert(self.path, None, self._given, timeout=self._timeout)
            header = files.header(self.path)
        if header.kind == "plain" and self._given is not None:
            raise not_encrypted(self.path, self._given)
        self.errors, self.key, self._salt = sqlite3.Error, None, header.salt
        if header.kind == "encrypted":
            from bump_edge.store import cipher

            self.errors = cipher.errors(self.path)
            self.key = of_store(self.path, header.salt, self._given)
        try:
            return self._open_writable()
        except self.errors as error:
            if self.key is not None and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
                raise wrong(self.path, self.key) from error
            raise explain(error, self.path) from error

    def _open_writable(self) -> sqlite3.Connection:
        self.readonly = not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK))
        if self.readonly:
            return self._open_readonly()
        before = files.identity(self.path)
        connection = self._connect("rw")
        try:
            # A file that was replaced while this waited for its lock must not be switched to WAL: its log would be the
            # new one's, by its name.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            if not files.still(self.path, before):
                raise _replaced(self.path)
            _settle(connection)
            self._switch_to_wal(connection)
            if schema.pending(connection, str(self.path)):
                connection.execute("BEGIN IMMEDIATE")
                try:
                    # another process may have been quicker
                    if schema.pending(connection, str(self.path)):
                        schema.migrate(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_readonly(self) -> sqlite3.Connection:
        connection = self._connect("ro")
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except self.errors as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT:
                connection.close()
                raise
            # A WAL database needs a -shm file beside it, which cannot be made here. With nothing in the WAL, the
            # database file alone is the whole truth.
            connection.close()
            wal = self.path.with_name(self.path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise
            connection = self._connect("ro&immutable=1")
        try:
            _settle(connection)
            if schema.pending(connection, str(self.path)):
                raise StoreWriteError(
                    f"{self.path} is empty or of an older bump-edge and cannot be written: expected to bring it up "
                    "to date. Make it writable once, or name another store with --db.",
                    details={"path": str(self.path)},
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        if self.key is not None:
            from bump_edge.store import cipher

            raw = self.key.raw(self._salt)
            return cipher.connect(self.path, mode, raw=raw, salt=self._salt, timeout=self._timeout)
        return sqlite3.connect(
            f"file:{quote(str(self.path.absolute()))}?mode={mode}",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """Readers and one writer at a time do not block each other; the switch itself needs the file for itself."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except self.errors as error:
                # SQLite does not wait here when another process is doing the same
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _replaced(path: Path) -> StoreLockedError:
    return StoreLockedError(
        f"{path} was replaced while it was opened: expected that it is converted once. Open it again.",
        details={"path": str(path)},
    )


def _settle(connection: sqlite3.Connection) -> None:
    for pragma in (
        "foreign_keys = ON",
        "secure_delete = ON",  # what is deleted is overwritten
        # In WAL mode NORMAL cannot damage the file. A power cut can undo the last commits, which re-running an
        # ingest brings back; a sync for every commit would cost a device's flash more than that is worth.
        "synchronous = NORMAL",
        f"cache_size = -{_CACHE_KIB}",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def prepare(path: Path) -> None:
    """Make the directory (0700) and the file (0600), if they are missing."""
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a directory: expected the path of a store file, such as {path}/bump-edge.db.")
        if not path.parent.exists():
            missing = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
            for directory in reversed(missing):
                directory.mkdir(mode=0o700, exist_ok=True)
        # never truncates; the mode only counts when the file is made here
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreWriteError(
            f"{path} cannot be made ({error.strerror or error}): expected a writable directory. Name another store "
            "with --db or BUMP_EDGE_DB.",
            details={"path": str(path)},
        ) from error
