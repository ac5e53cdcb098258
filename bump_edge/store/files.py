"""The store's files as files: what kind a store is, reading one without losing its locks, removing one for good.

POSIX drops every lock that a process holds on a file as soon as the process closes any handle of it. SQLite knows that
of its own handles; a plain ``open`` and ``close`` beside it would take the locks away under its feet, and another
process would believe the store unused. So whatever reads a store here borrows a handle that is open in this process
already, where there is one.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PAGE = 4096
"""Bytes of a page of a store."""

SALT = 16
"""Bytes at the beginning of an encrypted store that are not encrypted: random, and another for every key."""

BLOCK = 1 << 22

_MAGIC = b"SQLite format 3\x00"
_NOISE = 200  # different byte values in a page: noise has about 256, texts and small pictures far fewer

NEW, OLD = "-new", "-old"
"""Ends of the names of the two files that a conversion makes beside the store; see `bump_edge.store.conversion`."""

_DESCRIPTORS = Path("/dev/fd")
_LOCKS: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What the beginning of a file says.

    Args:
        kind: ``empty``, ``plain`` (SQLite), ``encrypted`` (looks like noise), or ``other``.
        salt: of an encrypted one.
    """

    kind: Literal["empty", "plain", "encrypted", "other"]
    salt: bytes = b""


def header(path: Path) -> Header:
    """What kind of store a file is; a missing one is empty."""
    try:
        with closing(blocks(path, PAGE)) as found:
            first = next(found, b"")
    except FileNotFoundError:
        first = b""
    except OSError:
        return Header(kind="other")  # SQLite will say what is wrong with it
    if not first:
        return Header(kind="empty")
    if first.startswith(_MAGIC):
        return Header(kind="plain")
    if len(first) == PAGE and len(set(first)) > _NOISE:
        return Header(kind="encrypted", salt=first[:SALT])
    return Header(kind="other")


def blocks(path: Path, size: int = BLOCK) -> Generator[bytes, None, None]:
    """The bytes of a file, in blocks, through a handle that this process has already if it has one."""
    borrowed = _handle(path)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)) if borrowed is None else borrowed
    try:
        if sys.platform == "win32":
            while block := os.read(descriptor, size):
                yield block
        else:
            at = 0
            while block := os.pread(descriptor, size, at):
                yield block
                at += len(block)
    finally:
        if borrowed is None:
            os.close(descriptor)


def open_here(path: Path) -> bool:
    """Whether this process has the file open."""
    return _handle(path) is not None


def _handle(path: Path) -> int | None:
    if sys.platform == "win32" or not _DESCRIPTORS.is_dir():  # on Windows, locks are a handle's own
        return None
    wanted = identity(path)
    if wanted is None:
        return None
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208  # names, not paths: they are numbers
        with suppress(OSError, ValueError):
            found = os.fstat(int(name))
            if (found.st_dev, found.st_ino) == wanted:
                return int(name)
    return None


def identity(path: Path) -> tuple[int, int] | None:
    """Device and number of the file that a path leads to; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def changed(path: Path) -> tuple[int, int, int] | None:
    """What is another after every change of a file, and when another takes its place; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def still(path: Path, before: tuple[int, int] | None) -> bool:
    """Whether a path leads to the file that it led to `before`, and that is the one that this process opened since.

    The number of a file is given to another one as soon as nobody has it open: equal numbers alone say nothing.
    """
    if identity(path) != before:
        return False
    return sys.platform == "win32" or not _DESCRIPTORS.is_dir() or open_here(path)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Held while a store is opened or converted, by one thread of this process a store.

    Between processes SQLite's locks do that; inside one they do not reach from SQLite's library to SQLCipher's.
    """
    with _LOCKS[path.resolve()]:
        yield


def wipe(path: Path) -> bool:
    """Overwrite a file with zeros and delete it.

    Returns:
        Whether it was overwritten: a file that has another name too, as in a backup made of links, only loses this one.
    """
    alone = path.stat().st_nlink == 1
    if alone:
        with path.open("r+b", buffering=0) as stream:
            left = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            zeros = bytes(BLOCK)
            while left > 0:
                left -= stream.write(zeros[: min(left, BLOCK)])
            os.fsync(stream.fileno())
    path.unlink()
    return alone


def private(path: Path, like: Path) -> None:
    """Make an empty file that only the owner of `like` can read."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if sys.platform != "win32":
        wanted, made = like.stat(), path.stat()
        if (wanted.st_uid, wanted.st_gid) != (made.st_uid, made.st_gid):
            os.chown(path, wanted.st_uid, wanted.st_gid)
        path.chmod(stat.S_IMODE(wanted.st_mode) & 0o700 | 0o600)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
