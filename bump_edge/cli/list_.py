"""`bump-edge list`: who is in the store."""

from __future__ import annotations

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json


def list_(db: options.Db = None, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the users of the store: how many interactions, which profile version."""
    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        users = store.users()
    for user in users:
        if session.json:
            emit_json(user.as_dict())
        else:
            version = f"profile version {user.profile_version}" if user.profile_version else "no profile"
            emit(f"{user.user_id}\t{counted(user.interactions, 'interaction')}\t{version}")
    if not users:
        session.note(f"the store {session.settings.db} holds nobody yet")
