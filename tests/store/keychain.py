"""A keychain for machines without a desktop: one file of JSON, chosen with PYTHON_KEYRING_BACKEND."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError, PasswordSetError

BACKEND = "tests.store.keychain.FileKeychain"
FILE, MOOD = "BUMP_TEST_KEYCHAIN", "BUMP_TEST_KEYCHAIN_MOOD"


class FileKeychain(KeyringBackend):
    """Keeps what it is given in the file named by the environment; in a bad mood it keeps nothing or refuses."""

    priority = 1  # type: ignore[assignment]

    def _entries(self) -> dict[str, str]:
        file = Path(os.environ[FILE])
        entries: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return entries

    def _write(self, entries: dict[str, str]) -> None:
        file = Path(os.environ[FILE])
        part = file.with_suffix(".part")
        part.write_text(json.dumps(entries))
        part.replace(file)

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        mood = os.environ.get(MOOD)
        if mood == "refuses":
            raise PasswordSetError("locked")
        if mood != "forgets":
            self._write(self._entries() | {f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if os.environ.get(MOOD) == "clings" or entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("no")
        self._write(entries)


def kept(file: Path) -> dict[str, str]:
    """What is in the keychain."""
    entries: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return entries
