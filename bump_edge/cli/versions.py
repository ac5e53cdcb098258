"""`bump-edge history`, `diff` and `rollback`: the versions of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import dim, emit, emit_json, emit_profile, wrap

if TYPE_CHECKING:
    from bump_edge.profiler.diff import SentenceDiff

_MARKS = {"kept": " ", "confirmed": "=", "added": "+", "changed": "~", "removed": "-"}


def history(
    user: options.User = None, db: options.Db = None, json: options.Json = False, quiet: options.Quiet = False
) -> None:
    """List the versions of a profile: when, how and by which model each came about."""
    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        user_id = options.pick_user(store, user)
        for version in store.versions(user_id):
            profile = store.profile(user_id, version)
            if session.json:
                emit_json(profile.as_dict())
                continue
            emit(f"{version}\t{profile.created_at:%Y-%m-%d %H:%M}\t{profile.origin}\t{profile.model}")
            emit(dim(wrap(profile.text, indent="   ")))


def diff(
    old: Annotated[int | None, typer.Argument(help="The earlier version; by default the one before NEW.")] = None,
    new: Annotated[int | None, typer.Argument(help="The later version; by default the latest.")] = None,
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show what changed between two versions, sentence by sentence, with the interactions that caused it."""
    from bump_edge.profiler.diff import diff as compare

    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        for entry in compare(store, options.pick_user(store, user), old, new):
            if session.json:
                emit_json(entry.as_dict())
            else:
                _print(entry)


def _print(entry: SentenceDiff) -> None:
    mark = _MARKS[entry.change]
    if entry.change == "changed":
        emit(wrap(entry.old or "", indent="- ", hanging="  "))
        mark = "+"
    reason = f"  ({entry.reason})" if entry.reason else ""
    emit(wrap(f"{entry.new or entry.old}{reason}", indent=f"{mark} ", hanging="  "))
    for interaction in entry.causes:
        emit(dim(wrap(interaction.as_record(max_chars=160), indent="    - ", hanging="      ")))


def rollback(
    version: Annotated[int, typer.Argument(help="The version to bring back.")],
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an earlier version the latest again; what is blocked or rejected since stays out."""
    from bump_edge.profiler.corrections import rollback as bring_back

    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        profile = bring_back(
            store, options.pick_user(store, user), version, embedder=session.embedder(), similarity=session.similarity
        )
    if session.json:
        emit_json(profile.as_dict())
    else:
        emit_profile(profile, evidence=0)
        session.note(f"version {profile.version} is version {version} again")
