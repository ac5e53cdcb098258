import bz2
import gzip
import io
import os
import tracemalloc
from pathlib import Path

import orjson
import pytest
import zstandard

from bump_edge.errors import InputError, UsageError
from bump_edge.readers import Reader
from bump_edge.readers.fields import Fields

LINES = b"".join(b'{"text": "line %d"}\n' % k for k in range(3000))


def everything(reader: Reader, **options: int) -> list[Fields]:
    return [fields for batch in reader.batches(**options) for fields in batch]


def texts(source: object, **options: object) -> list[str | None]:
    return [fields[4] for fields in everything(Reader(source, **options))]  # type: ignore[arg-type]


EXPECTED = [f"line {k}" for k in range(3000)]


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        b"\xef\xbb\xbf" + LINES,
        LINES.replace(b"\n", b"\r\n"),
        LINES.rstrip(),
        b"\n\n" + LINES,
        gzip.compress(LINES),
        gzip.compress(LINES[:1000]) + gzip.compress(LINES[1000:]) + b"\0" * 512,
        zstandard.compress(LINES),
        zstandard.compress(LINES[:1000]) + zstandard.compress(LINES[1000:]),
    ],
    ids=["plain", "mark", "crlf", "no newline", "blank", "gzip", "gzip members", "zstd", "zstd frames"],
)
def test_the_bytes_say_how_they_are_packed(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"  # whatever the name says
    path.write_bytes(data)
    assert texts(path) == EXPECTED
    assert texts(io.BytesIO(data)) == EXPECTED


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_truncated_data_give_what_they_hold(pack: object, tmp_path: Path) -> None:
    lines = b"".join(b'{"text": "%s"}\n' % os.urandom(30).hex().encode() for _ in range(3000))
    packed = pack(lines)  # type: ignore[operator]
    path = tmp_path / "cut"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    reader = Reader(path)
    got = [f[4] for f in everything(reader)]
    assert got == [orjson.loads(line)["text"] for line in lines.splitlines()[: len(got)]]
    assert 1000 < len(got) < 3000
    assert reader.problems.counts == {"truncated": 1}
    assert reader.problems.quotes[0].line == len(got) + 1
    strict = Reader(path, strict=True).batches()
    assert len(next(strict)) == len(got)
    with pytest.raises(InputError, match="too early"):
        next(strict)


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(50_000).hex().encode() + b"\n" + LINES))
    packed[len(packed) // 2] ^= 0xFF
    reader = Reader(io.BytesIO(bytes(packed)))
    everything(reader)
    assert set(reader.problems.counts) & {"damaged", "truncated"}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_decompression_bomb_stays_small(pack: object) -> None:
    packed = pack(b"x" * 100_000_000 + b"\n" + b'{"text": "after"}\n')  # type: ignore[operator]
    tracemalloc.start()
    reader = Reader(io.BytesIO(packed))
    got = everything(reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [f[4] for f in got] == ["after"]
    assert reader.problems.counts == {"too_long": 1}
    assert peak < 60e6


def test_a_very_long_line_is_skipped_in_flat_memory() -> None:
    class Long(io.RawIOBase):
        left = 60_000_000
        parts = (b'{"text": "before"}\n', b'\n{"text": "after"}\n')

        def read(self, size: int = -1) -> bytes:
            if self.left == 60_000_000:
                self.left -= 1
                return self.parts[0]
            if self.left > 0:
                size = min(size, self.left)
                self.left -= size
                return b"x" * size
            self.left -= 1
            return self.parts[1] if self.left == -1 else b""

    tracemalloc.start()
    reader = Reader(Long(), format="jsonl")  # type: ignore[arg-type]
    got = everything(reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [f[4] for f in got] == ["before", "after"]
    assert [(q.line, q.reason) for q in reader.problems.quotes] == [(2, "too_long")]
    assert len(reader.problems.quotes[0].quote) <= 80
    assert peak < 40e6


def test_the_limit_holds_for_lines_inside_a_piece() -> None:
    reader = Reader(io.BytesIO(b'{"text": "a"}\n{"text": "%s"}\n{"text": "b"}' % (b"x" * 100)), max_line_bytes=50)
    assert [f[4] for f in everything(reader)] == ["a", "b"]
    assert [(q.line, q.reason) for q in reader.problems.quotes] == [(2, "too_long")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(encoding: str) -> None:
    with pytest.raises(InputError, match=encoding[:6].upper()):
        texts(io.BytesIO(LINES.decode().encode(encoding)))


@pytest.mark.parametrize(("data", "name"), [(bz2.compress(LINES), "bzip2"), (b"PK\x03\x04rest", "zip")])
def test_other_archives_are_named(data: bytes, name: str) -> None:
    with pytest.raises(InputError, match=name):
        texts(io.BytesIO(data))


def test_missing_directory_and_text_stream(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.jsonl does not exist.*Check the path"):
        Reader(tmp_path / "nothing.jsonl")
    with pytest.raises(InputError, match="is a directory"):
        Reader(tmp_path)
    with pytest.raises(UsageError, match=r"sys\.stdin\.buffer"):
        Reader(io.StringIO("{}"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="auto, jsonl, csv, lamp"):
        Reader(io.BytesIO(b"{}"), format="xml")


def test_progress_counts_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl.gz"
    path.write_bytes(gzip.compress(LINES))
    calls: list[tuple[int, int | None]] = []
    everything(Reader(path, progress=lambda done, total: calls.append((done, total))))
    assert calls[-1] == (path.stat().st_size, path.stat().st_size)
    calls.clear()
    everything(Reader(io.BytesIO(LINES), progress=lambda done, total: calls.append((done, total))))
    assert calls[-1] == (len(LINES), None)


def test_batches_keep_the_order_and_the_size() -> None:
    lines = b"".join(b'{"text": "line %d"}\n' % k for k in range(200_000))
    sizes = [len(batch) for batch in Reader(io.BytesIO(lines)).batches(rows=30_000)]
    assert len(sizes) > 2
    assert sum(sizes) == 200_000
    assert everything(Reader(io.BytesIO(lines)), rows=30_000) == everything(Reader(io.BytesIO(lines)))
