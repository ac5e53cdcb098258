"""Keys of encrypted stores: how they are written, where they come from, how one is kept on paper.

A key is 32 random bytes (64 hexadecimal digits as text), a passphrase (any other text), or what `recovery_text` wrote.
SQLCipher is always given 32 bytes: a passphrase is stretched here as SQLCipher 4 does it, so that either opens a file
in other SQLCipher tools, too.

It comes from the first of: the argument, ``BUMP_EDGE_KEY``, the keychain of the operating system. In the keychain it
lies under the salt of the file, 16 random bytes that the file begins with, which change with the key: moving a store
takes nothing along, several stores do not meet, and of a key that was replaced nothing is left.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from bump_edge import settings
from bump_edge.errors import KeyUnavailableError, UsageError
from bump_edge.store.files import SALT

SIZE = 32
"""Bytes of a key."""

Source = Literal["argument", "environment", "keychain"]

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_ROUNDS = 256_000  # of PBKDF2-HMAC-SHA512: what SQLCipher 4 does with a passphrase
_PREFIX = "BUMP-EDGE-1-"
_GROUP = 6
_CHECK = 4
_LOOKALIKES = str.maketrans("018", "OIB")  # these digits are not in base32


class Key:
    """A key with where it came from; its text never shows in a `repr` or a traceback.

    Args:
        secret: 32 bytes, 64 hexadecimal digits, a recovery key, or a passphrase.
        source: where it came from.

    Raises:
        UsageError: it is empty, bytes of another length, a mistyped recovery key, or no valid Unicode.
    """

    __slots__ = ("_derived", "_secret", "source")

    def __init__(self, secret: str | bytes, source: Source = "argument") -> None:
        self.source: Source = source
        self._derived: dict[bytes, bytes] = {}
        self._secret = _read(secret)

    @classmethod
    def random(cls) -> Key:
        """A new one, to be kept in the keychain."""
        return cls(secrets.token_bytes(SIZE), "keychain")

    def raw(self, salt: bytes) -> bytes:
        """The 32 bytes that open the file with this salt; a passphrase takes a tenth of a second, once."""
        if isinstance(self._secret, bytes):
            return self._secret
        if salt not in self._derived:
            self._derived[salt] = hashlib.pbkdf2_hmac("sha512", self._secret.encode(), salt, _ROUNDS, SIZE)
        return self._derived[salt]

    def __repr__(self) -> str:
        return f"Key(…, source={self.source!r})"


def _read(secret: str | bytes) -> bytes | str:
    if isinstance(secret, bytes):
        if len(secret) != SIZE:
            raise UsageError(f"the key has {len(secret)} bytes: expected {SIZE} random bytes, or a passphrase as text")
        return secret
    if _HEX.fullmatch(secret):
        return bytes.fromhex(secret)
    if secret.strip().upper().startswith(_PREFIX):
        return recovered(secret)[1]
    if not secret:
        raise UsageError(f"the key is empty: expected a passphrase, or {2 * SIZE} hexadecimal digits")
    try:
        secret.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the key is no valid Unicode: expected a passphrase that can be written as UTF-8") from error
    return secret


def given(key: str | bytes | Key | None, environment: Mapping[str, str] | None = None) -> Key | None:
    """The key of the argument or of ``BUMP_EDGE_KEY``; None where neither is given.

    Raises:
        UsageError: see `Key`.
    """
    if isinstance(key, Key):
        return key
    if key is not None:
        return Key(key)
    found = settings.load_key() if environment is None else settings.load_key(environment)
    return Key(found, "environment") if found else None


def of_store(path: Path, salt: bytes, key: Key | None) -> Key:
    """The key of an encrypted store: the one given, or the keychain's.

    Raises:
        KeyUnavailableError: none is given, and there is no keychain, or none in it.
    """
    if key is not None:
        return key
    from bump_edge.store import keychain

    found = keychain.get(salt, str(path))
    if found is None:
        raise KeyUnavailableError(
            f"{path} is encrypted (or no store at all), and there is no key for it: BUMP_EDGE_KEY is not set, and the "
            f"keychain ({keychain.name()}) has none. Set BUMP_EDGE_KEY, or bring the key back with `bump-edge key "
            "import` and the recovery key.",
            details={"path": str(path), "reason": "missing"},
        )
    return Key(found, "keychain")


def wrong(path: Path, key: Key) -> KeyUnavailableError:
    """The error of a key that does not open a store."""
    where = {
        "argument": "the key that was given",
        "environment": "the key in BUMP_EDGE_KEY",
        "keychain": "the key that the keychain has for it",
    }[key.source]
    return KeyUnavailableError(
        f"{path} is encrypted, and {where} does not open it: expected the key that it was encrypted or last rotated "
        "with. Give that one, or bring it back with `bump-edge key import` and the recovery key; if the key is right, "
        "the beginning of the file is damaged: restore it from a backup.",
        details={"path": str(path), "reason": "wrong", "source": key.source},
    )


def not_encrypted(path: Path, key: Key) -> KeyUnavailableError:
    """The error of a key for a plain store: whoever gives one believes that the store is encrypted."""
    where = "BUMP_EDGE_KEY is set" if key.source == "environment" else "a key was given"
    return KeyUnavailableError(
        f"{path} is not encrypted, but {where}: expected an encrypted store. Encrypt it with `bump-edge encrypt`, or "
        "open it without a key.",
        details={"path": str(path), "reason": "not_encrypted", "source": key.source},
    )


def recovery_text(salt: bytes, raw: bytes) -> str:
    """A key for paper: with the salt of its store, and a checksum against typing errors."""
    payload = salt + raw
    letters = base64.b32encode(payload + _sum(payload)).decode().rstrip("=")
    return _PREFIX + "-".join(letters[i : i + _GROUP] for i in range(0, len(letters), _GROUP))


def recovered(text: str) -> tuple[bytes, bytes]:
    """Salt and key out of a recovery key, however it is spaced.

    Raises:
        UsageError: it is none, or was mistyped.
    """
    letters = text.strip().upper()
    if letters.startswith(_PREFIX):
        body = re.sub(r"[\s-]", "", letters[len(_PREFIX) :]).translate(_LOOKALIKES)
        try:
            data = base64.b32decode(body + "=" * (-len(body) % 8))
        except binascii.Error:
            data = b""
        payload, check = data[:-_CHECK], data[-_CHECK:]
        if len(data) == SALT + SIZE + _CHECK and _sum(payload) == check:
            return payload[:SALT], payload[SALT:]
    raise UsageError(
        f"this is no recovery key, or was mistyped: expected a line that begins with {_PREFIX}, as `bump-edge key "
        "export` wrote it"
    )


def _sum(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=_CHECK, person=b"bump-edge key").digest()
