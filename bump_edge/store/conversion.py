"""A store under another key: from plain to encrypted and back, and from one key to the next, without loss.

1. The store is taken for this process alone: it leaves WAL mode, which SQLite grants only when nobody else has it open,
   and is locked until the end. Whoever opens it meanwhile waits, and then opens what took its place (see `Connection`).
2. What an earlier conversion left behind when it was killed is cleared away.
3. Everything is written to ``NAME-new`` under the new key, synced, opened anew, and compared row by row with the store;
   SQLite's and SQLCipher's integrity checks run over it.
4. A key that the keychain is to hold is put there, and read back.
5. The old file gets ``NAME-old`` as a second name, then ``NAME-new`` takes its place: one step, and both are whole.
6. The old key is destroyed, then the old file is overwritten and deleted.

A process that is killed before step 5 leaves the old store, after it the new one. Step 2 of the next conversion, which
finds that nothing else is to do, ends what was begun. Overwriting cannot reach what a file system or a flash disk keeps
elsewhere, such as snapshots and spare blocks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bump_edge.errors import KeyUnavailableError, StoreCorruptError, StoreLockedError, StoreWriteError
from bump_edge.store import cipher, files, keys, schema
from bump_edge.store.files import NEW, OLD
from bump_edge.store.keys import Key

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CHUNK = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """What became of a conversion.

    Args:
        changed: False when the store was already as it was to be.
        rows: that were copied and compared, the search index's among them.
        cleared: files of a conversion that was killed, which were removed.
        wiped: whether every old file was overwritten; False for one that another name leads to, such as a backup's.
        key_destroyed: whether the old key is no longer in the keychain; None when there was none in it.
    """

    changed: bool
    rows: int = 0
    cleared: int = 0
    wiped: bool = True
    key_destroyed: bool | None = None


def convert(path: Path, old: Key | None, new: Key | None, *, timeout: float, again: bool = False) -> Conversion:
    """Put the store under the key `new`, or with None into a plain file.

    Args:
        path: an existing file; an empty one counts as plain.
        old: the key of an encrypted store; None for the keychain's.
        new: the new key; with the source ``keychain`` it is put there.
        timeout: seconds to wait for other processes to close the store.
        again: convert an encrypted store to an encrypted one too, which gives it a new key.

    Raises:
        StoreLockedError: another process, or this one, has the store open for longer than `timeout`.
        KeyUnavailableError: no key, or the wrong one; the keychain cannot be used; the extra is not installed.
        StoreCorruptError: the store is damaged.
        StoreWriteError: no space, or no permission. After each of these the store is as it was.
    """
    path = path.resolve()
    with files.opening(path), _alone(path, old, timeout=timeout) as (sql, salt):
        with _explained(path):
            schema.pending(sql, str(path))  # a database of something else is left alone
        cleared, wiped, destroyed = _clear(path, salt)
        if bool(salt) == (new is not None) and not again:
            return Conversion(changed=False, cleared=cleared, wiped=wiped, key_destroyed=destroyed)
        fresh = os.urandom(files.SALT) if new is not None else b""
        raw = None if new is None else new.raw(fresh)
        target, previous = path.with_name(path.name + NEW), path.with_name(path.name + OLD)
        try:
            with _explained(path):
                rows = _copy(sql, target, path, raw, fresh, timeout=timeout)
                if new is not None and new.source == "keychain" and raw is not None:
                    from bump_edge.store import keychain

                    keychain.put(fresh, raw, str(path))
                if sys.platform == "win32":
                    sql.close()  # an open file cannot be replaced there
                os.link(path, previous)
                target.replace(path)
        except BaseException:
            _drop_new(target, keep=salt)
            with contextlib.suppress(OSError):  # it is the store's second name
                previous.unlink(missing_ok=True)
            raise
        with _explained(path):
            files.sync(path.parent)  # before anything of the old one goes
            gone = _destroy(salt, str(path))
            wiped = files.wipe(previous) and wiped
            files.sync(path.parent)
    destroyed = destroyed if gone is None else gone
    return Conversion(changed=True, rows=rows, cleared=cleared, wiped=wiped, key_destroyed=destroyed)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    from bump_edge.store.connection import explain

    try:
        yield
    except cipher.errors(path) as error:
        raise explain(error, path) from error
    except OSError as error:
        raise StoreWriteError(
            f"{path} cannot be converted ({error.strerror or error}): expected a folder that can be written, space for "
            "a second copy, and a file system with hard links.",
            details={"path": str(path)},
        ) from error


@contextmanager
def _alone(path: Path, key: Key | None, *, timeout: float) -> Iterator[tuple[sqlite3.Connection, bytes]]:
    """The store, for this process alone, with its salt (empty for a plain one)."""
    from bump_edge.store.connection import explain

    deadline = time.monotonic() + timeout
    while True:
        if files.open_here(path):
            raise StoreLockedError(
                f"{path} is open in this process: expected that nobody uses it while it is converted. Close it first.",
                details={"path": str(path)},
            )
        before, changed = files.identity(path), files.changed(path)
        found = files.header(path)
        if found.kind == "other":
            raise StoreCorruptError(
                f"{path} is not a bump-edge store: expected one, plain or encrypted.", details={"path": str(path)}
            )
        encrypted = found.kind == "encrypted"
        used = keys.of_store(path, found.salt, key) if encrypted else None
        raw = None if used is None else used.raw(found.salt)
        sql = cipher.connect(path, "rw", raw=raw, salt=found.salt, timeout=0.2)
        try:
            try:
                taken = _take(sql) and files.still(path, before)
            except cipher.errors(path) as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                moved = files.changed(path) != changed
                if used is not None and code == sqlite3.SQLITE_NOTADB and not moved:
                    raise keys.wrong(path, used) from error
                if code not in _BUSY and not moved:
                    raise explain(error, path) from error
                taken = False
            if taken:
                yield sql, found.salt
                return
        finally:
            sql.close()
        if time.monotonic() > deadline:
            raise StoreLockedError(
                f"{path} is open in another process: expected that nobody uses it while it is converted. Close the "
                "other program (such as `bump-edge ingest --follow`), and try again.",
                details={"path": str(path)},
            )
        time.sleep(0.05)


def _take(sql: sqlite3.Connection) -> bool:
    """Lock a store against everybody, until its connection closes; False while somebody else has it open."""
    if sql.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
        return False
    sql.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    sql.execute("BEGIN EXCLUSIVE")
    sql.execute("COMMIT")  # the lock stays
    # somebody may have been in between, and have switched it to WAL again
    return bool(sql.execute("PRAGMA journal_mode").fetchone() == ("delete",))


def _copy(sql: sqlite3.Connection, target: Path, path: Path, raw: bytes | None, salt: bytes, *, timeout: float) -> int:
    """Write everything to `target`, and compare; returns the number of rows."""
    files.private(target, path)
    sql.execute("ATTACH ? AS target KEY ?", (str(target), cipher.literal(raw, salt)))
    # it is synced as a whole below, and thrown away if it is not whole
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "auto_vacuum = NONE"):
        sql.execute(f"PRAGMA target.{pragma}").fetchall()
    sql.execute("BEGIN")
    sql.execute("SELECT sqlcipher_export('target')").fetchall()
    sql.execute("PRAGMA target.user_version = 0").fetchall()  # an empty store gets its first page by this
    sql.execute("COMMIT")
    sql.execute("DETACH target")
    files.sync(target)
    copy = cipher.connect(target, "ro", raw=raw, salt=salt, timeout=timeout)
    try:
        problem = _compare(sql, copy, encrypted=raw is not None)
    finally:
        copy.close()
    if isinstance(problem, str):
        raise StoreCorruptError(
            f"{path} was not converted, because the copy is not what was copied: {problem}. The store is as it was; "
            "`bump-edge doctor` says whether it is sound.",
            details={"path": str(path)},
        )
    return problem


def _compare(one: sqlite3.Connection, other: sqlite3.Connection, *, encrypted: bool) -> str | int:
    """What differs between two stores or is wrong with the second, else how many rows they have."""
    if encrypted and (broken := other.execute("PRAGMA cipher_integrity_check").fetchall()):
        return str(broken[0][0])
    if (found := other.execute("PRAGMA integrity_check(1)").fetchall()) != [("ok",)]:
        return str(found[0][0])
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    objects = one.execute(query).fetchall()
    if objects != other.execute(query).fetchall():
        return "its tables are others"
    rows = 0
    for kind, name, _, made in objects:
        if kind != "table" or str(made).upper().startswith("CREATE VIRTUAL"):
            continue
        query = f'SELECT * FROM "{name}"'  # noqa: S608  # its own name; both have the same indexes, so the same order
        here, there = one.execute(query), other.execute(query)
        while True:
            mine, theirs = here.fetchmany(_CHUNK), there.fetchmany(_CHUNK)
            for left, right in zip_longest(mine, theirs):
                if left != right:
                    return f"a row of {name} differs"
            rows += len(mine)
            if not mine:
                break
    return rows


def _clear(path: Path, salt: bytes) -> tuple[int, bool, bool | None]:
    """Remove what a conversion that was killed left; how many files, whether all were overwritten, keys destroyed."""
    cleared, wiped = 0, True
    destroyed: bool | None = None
    with _explained(path):
        target, previous = path.with_name(path.name + NEW), path.with_name(path.name + OLD)
        if target.exists():
            _drop_new(target, keep=salt)
            cleared += 1
        if previous.exists():
            if files.identity(previous) == files.identity(path):
                previous.unlink()  # it was killed before the new file took the place
            else:
                found = files.header(previous)
                if found.kind == "encrypted":
                    destroyed = _destroy(found.salt, str(path))
                wiped = files.wipe(previous)
            cleared += 1
    return cleared, wiped, destroyed


def _drop_new(target: Path, *, keep: bytes) -> None:
    """Remove a copy that did not take the store's place, and its key."""
    if not target.exists():
        return
    found = files.header(target)
    if found.kind == "encrypted" and found.salt != keep:
        _destroy(found.salt, str(target))
    with contextlib.suppress(OSError):
        files.wipe(target)


def _destroy(salt: bytes, path: str) -> bool | None:
    """Take a key out of the keychain; False if that failed, None without a key or a keychain."""
    from bump_edge.store import keychain

    if not salt:
        return None
    try:
        if keychain.get(salt, path) is None:
            return None
    except KeyUnavailableError:
        return None
    try:
        keychain.delete(salt, path)
    except KeyUnavailableError:
        return False
    return True
