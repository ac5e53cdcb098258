"""The keychain of the operating system, through `keyring`: the only module that imports it.

An entry is the service `SERVICE`, the name ``store SALT`` and the key, both as hexadecimal digits.
"""

from __future__ import annotations

from typing import Any

from bump_edge.errors import KeyUnavailableError

SERVICE = "bump-edge"


def get(salt: bytes, path: str) -> bytes | None:
    """The key of the store with this salt; None without an entry.

    Raises:
        KeyUnavailableError: there is no keychain that can be used, or the entry is none of ours.
    """
    keyring = _keyring(path)
    try:
        found = keyring.get_password(SERVICE, _entry(salt))
    except Exception as error:  # backends raise what their systems raise
        raise _unusable(keyring, error, path) from error
    if found is None:
        return None
    try:
        key = bytes.fromhex(found)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise KeyUnavailableError(
            f"the keychain's entry {_entry(salt)!r} of {SERVICE!r} is no key of a store: expected 64 hexadecimal "
            "digits. Bring the key back with `bump-edge key import` and the recovery key.",
            details={"reason": "damaged"},
        )
    return key


def put(salt: bytes, key: bytes, path: str) -> None:
    """Keep a key, and make sure that it can be read again.

    Raises:
        KeyUnavailableError: there is no keychain that can be used, or it does not keep what it is given.
    """
    keyring = _keyring(path)
    try:
        keyring.set_password(SERVICE, _entry(salt), key.hex())
        kept = keyring.get_password(SERVICE, _entry(salt))
    except Exception as error:  # backends raise what their systems raise
        raise _unusable(keyring, error, path) from error
    if kept != key.hex():
        raise _unusable(keyring, "it does not give back what it was given", path)


def delete(salt: bytes, path: str) -> None:
    """Destroy the key of the store with this salt; none is fine.

    Raises:
        KeyUnavailableError: there is no keychain that can be used, or it keeps the key.
    """
    keyring = _keyring(path)
    try:
        if keyring.get_password(SERVICE, _entry(salt)) is not None:
            keyring.delete_password(SERVICE, _entry(salt))
    except Exception as error:  # backends raise what their systems raise
        raise _unusable(keyring, error, path) from error


def name() -> str:
    """What keychain this is, for messages."""
    found = _keyring("").get_keyring()
    return str(getattr(found, "name", type(found).__name__))


def need(path: str) -> None:
    """Make sure that there is a keychain, before anything rests on it.

    Raises:
        KeyUnavailableError: there is none that can be used.
    """
    keyring = _keyring(path)
    found = keyring.get_keyring()
    if found.priority <= 0:  # what keyring takes when it finds nothing
        raise _unusable(keyring, "keyring found none on this machine", path)


def _keyring(path: str) -> Any:
    try:
        import keyring
    except ImportError as error:
        raise KeyUnavailableError(
            f"the key of {path or 'a store'} would be in the keychain, and keyring, which reads it, is not installed: "
            'pip install "bump-edge[encrypt]", or set BUMP_EDGE_KEY.',
            details={"reason": "no_extra"},
        ) from error
    return keyring


def _unusable(keyring: Any, why: object, path: str) -> KeyUnavailableError:
    found = keyring.get_keyring()
    reason = str(why).partition("\n")[0].partition(". ")[0]
    return KeyUnavailableError(
        f"{path} needs a key, none is given, and there is no keychain that can be used ({type(found).__module__}: "
        f"{reason}): expected that of the operating system, unlocked. Set BUMP_EDGE_KEY to a passphrase or to 64 "
        "hexadecimal digits instead.",
        details={"reason": "no_keychain", "backend": type(found).__module__},
    )


def _entry(salt: bytes) -> str:
    return f"store {salt.hex()}"
