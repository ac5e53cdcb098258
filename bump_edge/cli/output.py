"""How commands print: data on stdout, everything else on stderr; colour and progress on a terminal only."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import typer

from bump_edge.types import Profile

_SHOW_AFTER_S = 0.7  # a bar that lives shorter than this only flickers


def emit_json(value: Any) -> None:
    """Print one JSON line on stdout, UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))


def emit(text: str = "") -> None:
    """Print one line of text on stdout."""
    typer.echo(text)


def wrap(text: str, *, indent: str = "", hanging: str | None = None) -> str:
    """`text` wrapped to the terminal, at most 100 columns."""
    width = max(40, min(100, shutil.get_terminal_size((100, 24)).columns))
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent if hanging is None else hanging)


def counted(number: int, thing: str) -> str:
    """``1 interaction``, ``2 interactions``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def dim(text: str) -> str:
    """`text` in a faint colour on a terminal, unless NO_COLOR is set."""
    return typer.style(text, dim=True) if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def emit_profile(profile: Profile, *, evidence: int = 3) -> None:
    """Print a profile for a person: its text, then each sentence with up to `evidence` interactions; 0 for none."""
    emit(wrap(profile.text))
    if not evidence:
        return
    emit()
    for number, entry in enumerate(profile.evidence, 1):
        emit(wrap(entry.sentence, indent=f"{number}. ", hanging="   "))
        if entry.confirmed:
            emit(dim("   - confirmed by a person"))
        for interaction in entry.interactions[:evidence]:
            emit(dim(wrap(interaction.as_record(max_chars=160), indent="   - ", hanging="     ")))
        if (more := len(entry.interactions) - evidence) > 0:
            emit(dim(f"   - and {more} more"))


@contextmanager
def progress(label: str, *, total: float | None, quiet: bool, unit: str = "") -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr, for work that takes longer than a moment, on a terminal only.

    Args:
        label: what is done.
        total: the end value; None when nobody knows.
        quiet: show nothing.
        unit: what is counted; ``bytes`` are shown as such.

    Yields:
        A function to call with the value reached so far.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _value: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counter = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        counter,
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color="NO_COLOR" in os.environ),
        transient=True,
    )
    task = bar.add_task(label, total=total)
    begun = time.monotonic()
    shown = False

    def advance(value: float) -> None:
        nonlocal shown
        if not shown and time.monotonic() - begun > _SHOW_AFTER_S:
            bar.start()
            shown = True
        bar.update(task, completed=value)

    try:
        yield advance
    finally:
        if shown:
            bar.stop()
