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
    max_verbatim: options.MaxVerbatim = None,
    no_pii: options.NoPii = False,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print a stored profile."""
    from bump_edge.audit import release

    session = options.Session.start(db=db, json=json, quiet=quiet, max_verbatim=max_verbatim, no_pii=no_pii)
    with session.open_store() as store:
        found = store.profiles() if every else iter([store.profile(options.pick_user(store, user), version)])
        for profile in found:
            release(store, profile, session.policy)
            if session.json:
                emit_json(profile.as_dict(records=not session.policy))
                continue
            if every:
                emit(f"{profile.user_id} (version {profile.version}, {profile.model})")
            emit(wrap(profile.text))
            if every:
                emit()
