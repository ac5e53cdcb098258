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

from bump_edge.errors import StoreCorruptError, StoreError, StoreLockedError, StoreWriteError
from bump_edge.store import schema

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM}

_CACHE_KIB = 65_536  # what a batch of an ingest touches in the index fits
_CHECKPOINT_PAGES = 8_000


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """The error of this library that `error` stands for."""
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    details = {"path": str(path), "sqlite": getattr(error, "sqlite_errorname", type(error).__name__)}
    if kind in _LOCKED:
        return StoreLockedError(
            f"{path} is locked: another process is writing to it and did not finish in time. "
            "Try again, or stop the other process.",
            details=details,
        )
    if kind in _CORRUPT:
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

    Raises:
        StoreError: see `explain`; `StoreVersionError` for a store of a newer version.
    """

    def __init__(self, path: Path, *, timeout: float) -> None:
        self.path = path
        self.readonly = False
        self._timeout = timeout
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        _prepare(path)
        try:
            self._connection = self._open()
        except sqlite3.Error as error:
            raise explain(error, path) from error

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
            except sqlite3.Error as error:
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

    def _open(self) -> sqlite3.Connection:
        writable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        if not writable:
            self.readonly = True
            return self._open_readonly()
        connection = self._connect("rw")
        try:
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
        except sqlite3.OperationalError:
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
            except sqlite3.OperationalError as error:
                # SQLite does not wait here when another process is doing the same
                if error.sqlite_errorcode & 0xFF not in _LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


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


def _prepare(path: Path) -> None:
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
