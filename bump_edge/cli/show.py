"""`bump-edge show`: a stored profile."""

from __future__ import annotations

from typing import Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import emit, emit_json, wrap


def show(
    user: options.User = None,
    version: Annotated[int | None, typer.Option("--version", help="A version; by default the latest.")] = None,
    every: Annotated[bool, typer.Option("--all", help="The latest profile of every user.")] = False,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print a stored profile."""
    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        found = store.profiles() if every else iter([store.profile(options.pick_user(store, user), version)])
        for profile in found:
            if session.json:
                emit_json(profile.as_dict())
                continue
            if every:
                emit(f"{profile.user_id} (version {profile.version}, {profile.model})")
            emit(wrap(profile.text))
            if every:
                emit()
