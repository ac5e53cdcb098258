"""Texts from files: histories, read as the device reads them, or plain text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from bump_edge.errors import InputError, NotFoundError
from bump_edge.prompts import LANGUAGES, SYSTEM, UPDATE_SYSTEM, Prompt, render_interaction
from bump_edge.readers import read
from bump_edge.types import HistoryStats, Interaction

TEMPLATE_TEXTS = (
    *(
        system.format(max_words=words, language=language)
        for system in (SYSTEM, UPDATE_SYSTEM)
        for words in (20, 50, 80, 120)
        for language in LANGUAGES.values()
    ),
    "Log (12 interactions from 2023-01 to 2024-12; 345 review, 67 rated, mean 8.9):\n- x\n\nProfile of this person:",
    "Profile:\nx\n\nNew (12 interactions in all; 345 rated, mean 6.7):\n- x\n\nUpdated profile:",
    "".join(f" {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    " yes no Yes No 0 1 2 3 4 5 6 7 8 9",
)
"""What every prompt says around a history, and what judges answer with: no pruning may make these longer."""


def texts(files: Sequence[Path], *, limit: int | None = None) -> Iterator[str]:
    """The lines of `files`: of ``.txt`` as they are, of histories as the prompt shows them.

    Args:
        files: read in order.
        limit: lines a file, at most; all without.

    Raises:
        NotFoundError, InputError: a file is not there, cannot be read, or holds no text.
    """
    for path in files:
        if not path.is_file():
            raise NotFoundError(f"there is no file {path}: expected a history or a text", details={"path": str(path)})
        any_text = False
        for text in itertools.islice(_lines(path), limit):
            any_text = True
            yield text
        if not any_text:
            raise InputError(f"{path} holds no text: expected a history or lines of text", details={"path": str(path)})


def _lines(path: Path) -> Iterator[str]:
    if path.suffix == ".txt":
        try:
            with path.open(encoding="utf-8") as file:
                yield from (line.rstrip("\n") for line in file if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as text: {error}", details={"path": str(path)}) from None
    else:
        for interaction in read(path):
            yield f"- {render_interaction(interaction)}\n"


def histories_of(path: Path, *, users: int) -> list[list[Interaction]]:
    """The histories of the first `users` (≥ 1) users of a history file, in its order.

    Raises:
        NotFoundError, InputError: the file is not there, cannot be read, or holds no interaction.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}: expected a history", details={"path": str(path)})
    found: dict[str, list[Interaction]] = {}
    for interaction in read(path):
        if interaction.user_id in found or len(found) < users:
            found.setdefault(interaction.user_id, []).append(interaction)
    if not found:
        raise InputError(f"{path} holds no interaction: expected a history", details={"path": str(path)})
    return list(found.values())


def prompts_of(path: Path, *, visible: int, max_words: int) -> list[Prompt]:
    """What the device would ask of each user of a history file: their last `visible` interactions, and their facts."""
    return [
        Prompt(interactions=tuple(history[-visible:]), stats=HistoryStats.of(history), max_words=max_words)
        for history in histories_of(path, users=10**9)
    ]
