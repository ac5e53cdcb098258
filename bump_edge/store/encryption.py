"""Encryption at rest: a store becomes an SQLCipher database and back, gets another key, survives a lost keychain.

AES-256 with an HMAC over every page (SQLCipher 4). It protects the file, its log and its copies from whoever has the
disk and not the key; it does not protect from whoever can run programs as the user while the keychain is unlocked, or
reads the memory of a process.

Every function takes the store for itself: it waits until nobody else has it open. What happens when it is killed is
described in `bump_edge.store.conversion`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bump_edge import settings
from bump_edge.errors import KeyUnavailableError, NotFoundError
from bump_edge.store import conversion, files, keys
from bump_edge.store.conversion import Conversion
from bump_edge.store.keys import Key, Source

TIMEOUT_S = 10.0
"""How long to wait for others to close the store, unless told otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptionReport:
    """What became of a store's encryption.

    Args:
        path: the store.
        encrypted: whether it is encrypted now.
        changed: False when it was as it was to be already.
        key: where its key is now: ``keychain``, ``environment`` or ``argument``; None for a plain store.
        rows: that were copied and compared, in all tables.
        cleared: files of an earlier conversion that was killed, which were removed.
        wiped: whether every old file was overwritten; False for one to which another name leads, such as a backup's.
        key_destroyed: whether the old key is gone from the keychain; None when it was not in one.
    """

    path: Path
    encrypted: bool
    changed: bool
    key: Source | None
    rows: int
    cleared: int
    wiped: bool
    key_destroyed: bool | None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values; no key is in it."""
        return asdict(self) | {"path": str(self.path)}


def encrypt_store(path: Path | str, *, key: str | bytes | None = None, timeout: float = TIMEOUT_S) -> EncryptionReport:
    """Encrypt a plain store; a missing one is made, empty and encrypted. On an encrypted one it only clears away.

    Args:
        key: 32 random bytes, 64 hexadecimal digits, or a passphrase. None means ``BUMP_EDGE_KEY``, and where that is
            not set, a new random key, which is put into the keychain.
        timeout: seconds to wait for other processes to close the store.

    Raises:
        KeyUnavailableError: the store is encrypted and this is not its key; there is no keychain; the extra is missing.
        StoreLockedError: the store is open elsewhere.
        StoreError: it is damaged, or cannot be written. The store is as it was.
    """
    from bump_edge.store.connection import prepare

    path = Path(path)
    prepare(path)
    found = files.header(path)
    wanted = keys.given(key)
    if found.kind == "encrypted":
        done = conversion.convert(path, wanted, keys.of_store(path, found.salt, wanted), timeout=timeout)
        return _report(path, done, keys.of_store(path, found.salt, wanted))
    if wanted is None:
        wanted = _fresh(path)
    return _report(path, conversion.convert(path, None, wanted, timeout=timeout), wanted)


def decrypt_store(path: Path | str, *, key: str | bytes | None = None, timeout: float = TIMEOUT_S) -> EncryptionReport:
    """Make an encrypted store a plain one again, and destroy its key in the keychain.

    Args:
        key: of the store; None means ``BUMP_EDGE_KEY``, and where that is not set, the keychain's.

    Raises:
        NotFoundError: there is no store.
        KeyUnavailableError, StoreLockedError, StoreError: see `encrypt_store`.
    """
    path = _existing(path)
    return _report(path, conversion.convert(path, keys.given(key), None, timeout=timeout), None)


def rotate_key(
    path: Path | str,
    *,
    key: str | bytes | None = None,
    new_key: str | bytes | None = None,
    timeout: float = TIMEOUT_S,
) -> EncryptionReport:
    """Encrypt the store anew under another key: copies from before, and recovery keys, no longer go with it.

    The old key is destroyed where it was in the keychain; elsewhere that is the caller's to do. See also `Store.rekey`.

    Args:
        key: of the store; None means ``BUMP_EDGE_KEY``, and where that is not set, the keychain's.
        new_key: None means ``BUMP_EDGE_NEW_KEY``, and where that is not set, a random key in the keychain.

    Raises:
        NotFoundError: there is no store.
        KeyUnavailableError: the store is not encrypted; see also `encrypt_store`.
        StoreLockedError, StoreError: see `encrypt_store`.
    """
    path = _existing(path)
    _encrypted(path)
    chosen = settings.load_key(name="BUMP_EDGE_NEW_KEY")
    new = Key(new_key) if new_key is not None else Key(chosen, "environment") if chosen is not None else _fresh(path)
    return _report(path, conversion.convert(path, keys.given(key), new, timeout=timeout, again=True), new)


def recovery_key(path: Path | str, *, key: str | bytes | None = None) -> str:
    """A line for paper or a safe that opens the store when the keychain is lost, until the key is rotated.

    Whoever has it can read the store. `restore_key` takes it, as do ``BUMP_EDGE_KEY`` and the argument `key`.

    Args:
        key: of the store; None means ``BUMP_EDGE_KEY``, and where that is not set, the keychain's.

    Raises:
        NotFoundError: there is no store.
        KeyUnavailableError: the store is not encrypted; no key, or the wrong one.
    """
    path = _existing(path)
    salt = _encrypted(path)
    used = keys.of_store(path, salt, keys.given(key))
    _try(path, used)
    return keys.recovery_text(salt, used.raw(salt))


def restore_key(path: Path | str, recovery: str) -> None:
    """Put the key of a recovery key into the keychain.

    Raises:
        NotFoundError: there is no store.
        UsageError: it is no recovery key, or was mistyped.
        KeyUnavailableError: it is that of another store, or of this one before its key was rotated; the store is not
            encrypted; there is no keychain.
    """
    path = _existing(path)
    salt = _encrypted(path)
    of, raw = keys.recovered(recovery)
    if of != salt:
        raise KeyUnavailableError(
            f"the recovery key is not that of {path}: it is of another store, or from before the last rotation. Give "
            "the one that was exported since.",
            details={"path": str(path), "reason": "wrong", "source": "argument"},
        )
    _try(path, Key(raw))
    from bump_edge.store import keychain

    keychain.put(salt, raw, str(path))


def _try(path: Path, key: Key) -> None:
    from bump_edge.store.connection import Connection

    Connection(path, timeout=TIMEOUT_S, key=key).close()


def _fresh(path: Path) -> Key:
    from bump_edge.store import keychain

    keychain.need(str(path))
    return Key.random()


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.exists():
        raise NotFoundError(
            f"there is no store at {path}: `bump-edge encrypt` makes an encrypted one, or name another with --db",
            details={"path": str(path)},
        )
    return path


def _encrypted(path: Path) -> bytes:
    found = files.header(path)
    if found.kind != "encrypted":
        raise KeyUnavailableError(
            f"{path} is not encrypted: expected an encrypted store. `bump-edge encrypt` makes it one.",
            details={"path": str(path), "reason": "not_encrypted"},
        )
    return found.salt


def _report(path: Path, done: Conversion, key: Key | None) -> EncryptionReport:
    return EncryptionReport(
        path=path,
        encrypted=key is not None,
        changed=done.changed,
        key=None if key is None else key.source,
        rows=done.rows,
        cleared=done.cleared,
        wiped=done.wiped,
        key_destroyed=done.key_destroyed,
    )
