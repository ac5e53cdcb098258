"""Bytes of a file or stream, decompressed, a piece at a time."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from bump_edge.errors import InputError, UsageError

PIECE = 1 << 16
"""Bytes of text handed out at a time (about). Reading a piece lets a thread that writes go on: see store.ingest."""

# A zstd block of four bytes can stand for 128 KiB: small steps keep a decompression bomb small. (A stream reader would
# bound its output, but does not tell a truncated frame from a whole one.)
_ZSTD_STEP = 256

Progress = Callable[[int, int | None], None]
"""Called with the bytes read so far (compressed ones, where they are) and their total, None for a stream."""

_REFUSED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"SQLite format 3\x00": "an SQLite file",
}
_UTF_32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class Source:
    """A history's bytes.

    Args:
        source: a path, or a binary stream such as ``sys.stdin.buffer``.
        progress: called after every piece.

    Raises:
        InputError: the path is missing, a directory or unreadable, or a format that is not read.
        UsageError: a text stream.
    """

    def __init__(self, source: Path | str | BinaryIO, *, progress: Progress | None = None) -> None:
        self._progress = progress
        self._own = isinstance(source, (str, os.PathLike))
        self.total: int | None = None
        self.bytes_read = 0
        self._first = b""
        self._pieces = self._text()
        self.damage: tuple[str, str] | None = None
        """Set when the compressed data ended early or are damaged: the reason and a message."""
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            self.name = str(path)
            self._stream = _open(path)
            self.total = os.fstat(self._stream.fileno()).st_size
        else:
            self._stream = source
            named = getattr(source, "name", None)
            self.name = named if isinstance(named, str) and named not in ("<stdin>", "-") else "standard input"
        try:
            self.head = self._read(1 << 16)
            for magic, name in _REFUSED.items():
                if self.head.startswith(magic):
                    raise InputError(
                        f"{self.name} is {name}: expected JSON Lines, CSV or LaMP, plain, gzip (.gz) or zstd (.zst). "
                        "Unpack or convert it first.",
                        details={"source": self.name, "format": name},
                    )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close a file that this opened; a stream stays with its owner."""
        if self._own:
            self._stream.close()

    def _read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror or error}.") from error
        if not isinstance(data, bytes):
            raise UsageError(f"{self.name} is a text stream: expected a binary one, such as sys.stdin.buffer.")
        self.bytes_read += len(data)
        if self._progress is not None and data:
            self._progress(self.bytes_read, self.total)
        return data

    def _raw(self) -> Iterator[bytes]:
        if self.head:
            yield self.head
        while data := self._read(PIECE):
            yield data

    def pieces(self) -> Iterator[bytes]:
        """The text, without a byte order mark, in pieces of about `PIECE` bytes; once.

        Raises:
            InputError: UTF-16 or UTF-32 text; the disk fails.
        """
        if self._first:
            yield self._first
        yield from self._pieces

    def _text(self) -> Iterator[bytes]:
        if self.head.startswith(b"\x1f\x8b"):
            pieces = self._gzip()
        elif self.head.startswith(b"\x28\xb5\x2f\xfd") or self.head[1:4] == b"\x2a\x4d\x18":
            pieces = self._zstd()
        else:
            pieces = self._raw()
        first = True
        for piece in pieces:
            if piece:
                yield self._without_mark(piece) if first else piece
                first = False

    def peek(self) -> bytes:
        """The beginning of the text; it will come again in `pieces`."""
        self._first = self._first or next(self._pieces, b"")
        return self._first

    def _without_mark(self, piece: bytes) -> bytes:
        for marks, encoding in ((_UTF_32, "UTF-32"), (_UTF_16, "UTF-16")):
            if piece.startswith(marks) or (encoding == "UTF-16" and _half_nul(piece[:64])):
                raise InputError(
                    f"{self.name} is {encoding}: expected UTF-8. Convert it, for example with "
                    f"`iconv -f {encoding} -t UTF-8`.",
                    details={"source": self.name, "encoding": encoding},
                )
        return piece.removeprefix(b"\xef\xbb\xbf")

    def _gzip(self) -> Iterator[bytes]:
        def start() -> zlib._Decompress:
            return zlib.decompressobj(wbits=31)

        unpack = start()
        try:
            for data in self._raw():
                rest = data
                while rest:
                    if unpack.eof:
                        if not rest.startswith(b"\x1f"):  # zero padding after the last member is usual; gzip skips it
                            rest = rest.lstrip(b"\0")
                            if rest:
                                raise zlib.error("no gzip member where one should begin")
                            break
                        unpack = start()
                    yield unpack.decompress(rest, PIECE)
                    rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
                    if not rest and not unpack.eof:
                        while more := unpack.decompress(b"", PIECE):
                            yield more
        except zlib.error as error:
            self.damage = ("damaged", f"the gzip data are damaged: {error}")
            return
        self._end(unpack, "gzip")

    def _zstd(self) -> Iterator[bytes]:
        import zstandard

        start = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj
        unpack = start()
        held: list[bytes] = []
        size = 0
        try:
            for data in self._raw():
                for at in range(0, len(data), _ZSTD_STEP):
                    rest = data[at : at + _ZSTD_STEP]
                    while rest:
                        if unpack.eof:
                            unpack = start()
                        held.append(unpack.decompress(rest))
                        size += len(held[-1])
                        rest = unpack.unused_data if unpack.eof else b""
                    if size >= PIECE:
                        yield b"".join(held)
                        held, size = [], 0
        except zstandard.ZstdError as error:
            self.damage = ("damaged", f"the zstd data are damaged: {error}")
        else:
            self._end(unpack, "zstd")
        if size:
            yield b"".join(held)

    def _end(self, unpack: _Decompressor, kind: str) -> None:
        if not unpack.eof:
            self.damage = ("truncated", f"the {kind} data end too early")


def _half_nul(head: bytes) -> bool:
    """Whether every other byte is NUL, as in ASCII text that is written as UTF-16."""
    return (
        len(head) >= 8
        and (head[::2].count(0) == 0) != (head[1::2].count(0) == 0)
        and head.count(0) * 2 >= len(head) - 1
    )


def _open(path: Path) -> BinaryIO:
    what = "expected a history: JSON Lines, CSV or LaMP, plain, .gz or .zst"
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: {what}. Check the path.", details={"source": str(path)}) from error
    except IsADirectoryError as error:
        raise InputError(
            f"{path} is a directory: {what}. Name one file in it.", details={"source": str(path)}
        ) from error
    except PermissionError as error:
        raise InputError(
            f"{path} cannot be read: permission denied. Check who owns it (ls -l) and its mode.",
            details={"source": str(path)},
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be opened: {error}; {what}.", details={"source": str(path)}) from error
