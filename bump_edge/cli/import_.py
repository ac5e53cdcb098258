"""`bump-edge import`: an export into the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json

File = Annotated[Path, typer.Argument(metavar="FILE", help="What export wrote; - is stdin.")]


def import_(
    file: File,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Merge an export into the store: all of it or nothing; what was forgotten on either side stays forgotten."""
    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store(create=True) as store:
        report = store.import_file(sys.stdin.buffer if str(file) == "-" else file)
    if session.json:
        emit_json({"source": str(file), **report.as_dict()})
        return
    parts = [
        f"{counted(report.users, 'user')} ({report.new_users} new)",
        f"{counted(report.interactions, 'interaction')} ({report.added} added)",
        f"{counted(report.corrections, 'correction')} changed",
        f"{report.versions} profile versions added",
    ]
    for count, what in (
        (report.forgotten, "interactions forgotten here and left out"),
        (report.removed, "interactions forgotten there and deleted here"),
        (report.corrections_removed, "corrections forgotten there and deleted here"),
        (report.versions_changed, "profile versions shortened"),
        (report.versions_removed, "profile versions deleted"),
        (report.withheld, "profile versions left out, because they may rest on what was forgotten here"),
    ):
        if count:
            parts.append(f"{count} {what}")
    emit(f"{file}: {', '.join(parts)}")
