"""Looks for plain text as a thief would: in every file of a folder, and in what this process has open and deleted."""

from __future__ import annotations

import os
from pathlib import Path

from bump_edge.store import Store, files
from bump_edge.types import Interaction

PLANTED = ("quinacridone-magenta", "pelargonium cuttings", "zwitschermaschine")


def planted(count: int = 300) -> list[Interaction]:
    """A history in which every interaction has one of the planted words, one a few times over several pages."""
    return [
        Interaction(
            item=f"{PLANTED[k % 3]} {k}",
            type="purchase",
            text=f"bought {PLANTED[k % 3]} " * (900 if k % 100 == 7 else 2),
        )
        for k in range(count)
    ]


def traces(*folders: Path) -> set[str]:
    """Names of files that hold a planted word, in any case."""
    found = set()
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file() and _holds(b"".join(files.blocks(file))):
                found.add(file.name)
    for link in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            target = str(link.readlink())
            if target.endswith(" (deleted)") and not target.startswith(("/memfd:", "/dev/")):
                size = os.fstat(int(link.name)).st_size
                if _holds(os.pread(int(link.name), size, 0)):
                    found.add(target)
        except OSError:  # it is closed already, or is no file
            continue
    return found


def _holds(data: bytes) -> bool:
    lower = data.lower()
    return any(word.encode()[:10] in lower for word in PLANTED)


def contents(path: Path, key: str | None = None) -> set[tuple[str | None, str | None]]:
    """What the store's user has; the store must be sound."""
    with Store(path, key=key) as store:
        assert store.check() is None
        return {(i.item, i.text) for i in store.iter_history("local")}
