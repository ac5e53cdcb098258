"""Files that were taken in whole: the same bytes, read the same way, need not be read again.

A file is known by the hash of its bytes and of how it was read. Only complete ingests of regular files are remembered,
and any deletion in the store forgets them all (by triggers): ingesting a file again after that reads it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from bump_edge.readers import BadLine
from bump_edge.store.connection import Connection
from bump_edge.store.report import IngestReport

_MOST_USERS = 100_000  # a source of more is read again: the list of its users would weigh more than that saves


class KnownSource:
    """What the store remembers of one file.

    Args:
        connection: of the store.
        path: the file.
        how: everything that decides what reading it gives; JSON-ready.
    """

    def __init__(self, connection: Connection, path: Path, how: Mapping[str, Any]) -> None:
        self._connection = connection
        self._path = path
        self._how = orjson.dumps(how, option=orjson.OPT_SORT_KEYS)
        self._seen = _state(path)

    def report(self) -> IngestReport | None:
        """The report of taking the file in again, if its bytes were taken in before; None if they have to be read."""
        if self._seen is None:
            return None
        same_size = self._connection.rows("SELECT 1 FROM sources WHERE bytes = ? LIMIT 1", (self._seen[0],))
        if not same_size:
            return None
        found = self._connection.rows("SELECT report, users FROM sources WHERE digest = ?", (self._digest(),))
        if not found:
            return None
        report, users = found[0]
        names = self._connection.rows(
            "SELECT user_id FROM json_each(?) AS j JOIN users ON no = j.value ORDER BY j.key", (users,)
        )
        known = orjson.loads(report)
        return IngestReport(
            read=known["read"],
            duplicates=known["read"] - known.get("forgotten", 0),
            forgotten=known.get("forgotten", 0),
            skipped=known["skipped"],
            quotes=tuple(BadLine(**quote) for quote in known["quotes"]),
            users=tuple(name for (name,) in names),
            redacted=known.get("redacted", {}),
        )

    def remember(self, report: IngestReport) -> None:
        """Remember that the file was taken in, unless it changed meanwhile."""
        if self._seen is None or len(report.users) > _MOST_USERS:
            return
        digest = self._digest()
        if _state(self._path) != self._seen:
            return
        said = orjson.dumps(replace(report, users=()).as_dict())
        names = orjson.dumps(list(report.users)).decode()
        with self._connection.writing() as sql:
            sql.execute(
                """
                INSERT OR REPLACE INTO sources(digest, bytes, report, users) VALUES (?, ?, ?, (
                    SELECT json_group_array(no) FROM (
                        SELECT no FROM json_each(?) AS j JOIN users ON user_id = j.value ORDER BY j.key)))
                """,
                (digest, self._seen[0], said.decode(), names),
            )

    def _digest(self) -> bytes:
        with self._path.open("rb") as stream:
            content = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32))
        content.update(self._how)
        return content.digest()


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a regular file; None for anything else."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if path.is_file() else None
