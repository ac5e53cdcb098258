"""Receipts in a chain, and the exports that a store has written: what was forgotten, and where copies of it lie.

A receipt is bound to the one before: its hash is sha256 of the previous hash and the receipt's JSON (keys sorted). Who
has kept one can tell that the store's list was not rewritten before it; who has the store alone can tell that it hangs
together. A list that was cut off at its end shows nothing by itself: keep the last receipt.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import StoreCorruptError
from bump_edge.store.connection import Connection
from bump_edge.store.forgetting import key_of

_FIRST = bytes(32)
"""What the first receipt is bound to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A receipt's place in the chain.

    Args:
        number: its number in this store, from 1.
        previous, hash: of the one before and its own, in hex.
    """

    number: int
    previous: str
    hash: str


def hash_of(previous: str, body: Mapping[str, Any]) -> str:
    """The hash of a receipt: sha256 in hex over the 32 bytes of `previous` and the JSON of `body`, keys sorted."""
    return hashlib.sha256(bytes.fromhex(previous) + _json(body)).hexdigest()


def append(connection: Connection, body: Mapping[str, Any]) -> Link:
    """Add a receipt to the chain; its place."""
    with connection.writing() as sql:
        last = sql.execute("SELECT no, hash FROM receipts ORDER BY no DESC LIMIT 1").fetchone()
        number, previous = (last[0] + 1, last[1].hex()) if last else (1, _FIRST.hex())
        found = hash_of(previous, body)
        sql.execute("INSERT INTO receipts VALUES (?, ?, ?)", (number, _json(body), bytes.fromhex(found)))
    return Link(number=number, previous=previous, hash=found)


def chain(connection: Connection) -> list[dict[str, Any]]:
    """Every receipt, oldest first, with its place in the chain.

    Raises:
        StoreCorruptError: a receipt is missing before another, or is not what it was.
    """
    out: list[dict[str, Any]] = []
    previous = _FIRST.hex()
    for expected, (number, body, found) in enumerate(
        connection.rows("SELECT no, body, hash FROM receipts ORDER BY no"), 1
    ):
        content = orjson.loads(body)
        if number != expected or hash_of(previous, content) != found.hex():
            raise StoreCorruptError(
                f"receipt {number} of {connection.path} does not follow from those before it: the list was changed. "
                "Compare it with receipts that you kept, or with a backup",
                details={"path": str(connection.path), "receipt": number},
            )
        out.append({**content, "number": number, "previous": previous, "hash": found.hex()})
        previous = found.hex()
    return out


def user_mark(connection: Connection, user_id: str) -> str:
    """What a receipt calls a user: a hash under the store's own key, which says nothing to who does not hold both."""
    with connection.reading() as sql:
        return hashlib.blake2b(user_id.encode(), key=key_of(sql), digest_size=8).hexdigest()


def note_export(connection: Connection, path: Path) -> None:
    """Keep in mind that an export was written to `path`."""
    if not connection.readonly:
        with connection.writing() as sql:
            sql.execute("INSERT OR REPLACE INTO exports VALUES (?, ?)", (str(path), int(time.time() * 1000)))


def exports(connection: Connection) -> list[Path]:
    """Where exports were written and a file still lies."""
    return [
        path for (name,) in connection.rows("SELECT path FROM exports ORDER BY path") if (path := Path(name)).is_file()
    ]


def drop_exports(connection: Connection, paths: Iterable[Path]) -> None:
    """Forget about exports."""
    with connection.writing() as sql:
        sql.executemany("DELETE FROM exports WHERE path = ?", [(str(path),) for path in paths])


def holding(paths: Iterable[Path], user_id: str, wanted: Sequence[bytes]) -> list[Path]:
    """Those of `paths` that name the user, and hold a piece of `wanted`, as it is or as JSON writes it."""
    owner = orjson.dumps(user_id)
    needles = [n for w in wanted for n in (w, orjson.dumps(w.decode("utf-8", "ignore"))[1:-1]) if n]
    return [path for path in paths if _has_any(path, [owner]) and _has_any(path, needles)]


def _has_any(path: Path, needles: Sequence[bytes]) -> bool:
    overlap = max(map(len, needles), default=1) - 1
    tail = b""
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            data = tail + block
            if any(needle in data for needle in needles):
                return True
            tail = data[-overlap:] if overlap else b""
    return False


def _json(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(dict(body), option=orjson.OPT_SORT_KEYS)
