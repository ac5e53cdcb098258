"""`bump-edge export`: users into one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; - is stdout.")]
Users = Annotated[
    list[str] | None, typer.Option("--user", metavar="ID", help="A user; repeatable. By default everyone.")
]
NoHistories = Annotated[
    bool, typer.Option("--no-histories", help="Only profiles and corrections, without the interactions.")
]


def export(
    file: File,
    user: Users = None,
    no_histories: NoHistories = False,
    max_verbatim: options.MaxVerbatim = None,
    no_pii: options.NoPii = False,
    db: options.Db = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Overwrite an existing file.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write users, with histories, profiles and corrections, to one checksummed file that import takes."""
    from bump_edge.audit import permit_export

    session = options.Session.start(db=db, json=json, quiet=quiet, max_verbatim=max_verbatim, no_pii=no_pii)
    to_stdout = str(file) == "-"
    with session.open_store() as store:
        report = store.export_file(
            sys.stdout.buffer if to_stdout else file,
            user_ids=user,
            histories=not no_histories,
            overwrite=yes,
            permitted=permit_export(store, user, session.policy, histories=not no_histories),
        )
    what = [
        counted(report.users, "user"),
        counted(report.interactions, "interaction"),
        counted(report.corrections, "correction"),
        counted(report.versions, "profile version"),
    ]
    said = f"{file}: {', '.join(what)}; {report.bytes} bytes"
    if to_stdout:  # the data is there already
        session.note(orjson.dumps(report.as_dict()).decode() if session.json else said)
    elif session.json:
        emit_json({"file": str(file), **report.as_dict()})
    else:
        emit(said)
