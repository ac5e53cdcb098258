"""SQLCipher: the only module that imports `sqlcipher3`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from bump_edge.errors import KeyUnavailableError


def connect(path: Path, mode: str, *, raw: bytes | None, salt: bytes, timeout: float) -> sqlite3.Connection:
    """A connection as `sqlite3.connect` gives it, whose errors are `errors()`; the key is not tried yet.

    Args:
        mode: of the URI, such as ``rw``.
        raw: the key, 32 bytes; None for a plain file.
        salt: of the file, 16 bytes.
        timeout: seconds that a statement waits for other processes.

    Raises:
        KeyUnavailableError: sqlcipher3 is not installed.
    """
    sqlcipher = _sqlcipher(path)
    connection = sqlcipher.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA cipher_log_level = NONE").fetchall()  # it would write to stderr
        if raw is not None:
            connection.execute(f'PRAGMA key = "{literal(raw, salt)}"').fetchall()
        connection.execute("PRAGMA temp_store = MEMORY").fetchall()
        # as in other builds of SQLite: here it is on
        connection.execute("PRAGMA recursive_triggers = OFF").fetchall()
    except BaseException:
        connection.close()
        raise
    return cast("sqlite3.Connection", connection)


def literal(raw: bytes | None, salt: bytes) -> str:
    """How SQLCipher wants a key in a statement; empty for a plain file."""
    return "" if raw is None else f"x'{raw.hex()}{salt.hex()}'"


def errors(path: Path) -> type[Exception]:
    """The base of what SQLCipher's connections raise, which has the attributes of `sqlite3.Error`.

    Raises:
        KeyUnavailableError: sqlcipher3 is not installed.
    """
    return cast("type[Exception]", _sqlcipher(path).Error)


def _sqlcipher(path: Path) -> Any:
    try:
        from sqlcipher3 import dbapi2
    except ImportError as error:
        raise KeyUnavailableError(
            f"{path} is encrypted, or is to be, and SQLCipher is not installed: expected the package sqlcipher3. "
            'Install it with pip install "bump-edge[encrypt]".',
            details={"path": str(path), "reason": "no_extra"},
        ) from error
    return dbapi2
