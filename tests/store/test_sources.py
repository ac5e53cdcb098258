"""A file that was taken in whole is not read again; anything that may have changed is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bump_edge import InputError, Interaction, Store
from bump_edge.readers import Reader

LINES = b'{"user_id": "b", "item": "tea"}\nnot json\n{"user_id": "a", "item": "pot"}\n{"user_id": "b", "item": "cup"}\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "log.jsonl"
    file.write_bytes(LINES)
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that were really read."""
    seen: list[str] = []
    batches = Reader.batches

    def counted(self: Reader):  # type: ignore[no-untyped-def]
        seen.append(self.name)
        return batches(self)

    monkeypatch.setattr(Reader, "batches", counted)
    return seen


def test_the_same_bytes_are_read_once_and_reported_alike(tmp_path: Path, log: Path, reads: list[str]) -> None:
    with Store(tmp_path / "s.db") as store:
        first = store.ingest_file(log)
        again = store.ingest_file(str(log))
        copy = tmp_path / "copy.jsonl"
        copy.write_bytes(LINES)
        third = store.ingest_file(copy)
    assert len(reads) == 1
    assert (first.read, first.added, first.duplicates) == (3, 3, 0)
    assert (again.read, again.added, again.duplicates) == (3, 0, 3)
    assert again == third
    assert (again.users, again.skipped, again.quotes) == (("b", "a"), first.skipped, first.quotes)


def test_a_file_that_grew_or_changed_is_read(tmp_path: Path, log: Path, reads: list[str]) -> None:
    with Store(tmp_path / "s.db") as store:
        store.ingest_file(log)
        with log.open("ab") as out:
            out.write(b'{"item": "new"}\n')
        assert store.ingest_file(log).added == 1
        stamp = log.stat()
        log.write_bytes(log.read_bytes().replace(b"new", b"old"))
        os.utime(log, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # same size, same time: only the bytes tell
        assert store.ingest_file(log).added == 1
    assert len(reads) == 3


def test_another_way_of_reading_is_another_source(tmp_path: Path, log: Path, reads: list[str]) -> None:
    with Store(tmp_path / "s.db") as store:
        store.ingest_file(log)
        with pytest.raises(InputError, match="line 2"):
            store.ingest_file(log, strict=True)
        store.ingest_file(log, mapping={"text": "user_id"})
        store.ingest_file(log, user_id="c")
    assert len(reads) == 4


def test_a_deletion_forgets_every_source(tmp_path: Path, log: Path, reads: list[str]) -> None:
    with Store(tmp_path / "s.db") as store:
        store.ingest_file(log)
        with store._connection.writing() as sql:
            sql.execute("DELETE FROM interactions WHERE item = 'pot'")
        assert store.ingest_file(log).added == 1
        store.ingest_file(log)
        with store._connection.writing() as sql:
            sql.execute("DELETE FROM users WHERE user_id = 'b'")
        assert store.ingest_file(log).added == 2
    assert len(reads) == 3


def test_what_came_in_otherwise_does_not_matter(tmp_path: Path, log: Path, reads: list[str]) -> None:
    with Store(tmp_path / "s.db") as store:
        store.ingest_file(log)
        store.ingest([Interaction(item="else", user_id="z")])
        assert store.ingest_file(log).users == ("b", "a")
    assert len(reads) == 1
