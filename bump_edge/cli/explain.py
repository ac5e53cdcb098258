"""`bump-edge explain`: each sentence of a profile with its evidence."""

from __future__ import annotations

from typing import Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json, emit_profile


def explain(
    user: options.User = None,
    version: Annotated[int | None, typer.Option("--version", help="A version; by default the latest.")] = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print each sentence of a profile with the interactions that support it, and what the checks dropped."""
    from bump_edge.profiler.checks import REASONS

    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        profile = store.profile(options.pick_user(store, user), version)
    if session.json:
        emit_json(profile.as_dict())
        return
    emit_profile(profile, evidence=100)
    history, checks = profile.manifest["history"], profile.manifest["checks"]
    emit()
    emit(
        f"Version {profile.version}, written by {profile.model} from {history['selected']} of "
        f"{counted(history['interactions'], 'interaction')}."
    )
    if trimmed := checks.get("trimmed", 0):  # older profiles do not say
        emit(f"Not stored: {counted(trimmed, 'name')} in lists: borne out by no record, repeated, or cut off.")
    for reason, count in checks["dropped"].items():
        emit(f"Not stored: {count} {'sentence that' if count == 1 else 'sentences, each'} {REASONS[reason]}.")
