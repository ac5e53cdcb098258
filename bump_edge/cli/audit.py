"""`bump-edge audit`: what stored profiles give away of the logs that they were written from."""

from __future__ import annotations

from typing import Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json, wrap


def audit(
    user: options.User = None,
    version: Annotated[int | None, typer.Option("--version", help="A version; by default the latest.")] = None,
    every: Annotated[bool, typer.Option("--all", help="The latest profile of every user.")] = False,
    presidio: options.Presidio = False,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print a profile's leak report: the longest run of words from a raw record, and the personal data in it."""
    from bump_edge.audit import audit_profile

    session = options.Session.start(db=db, json=json, quiet=quiet)
    detector = options.detector(presidio)
    with session.open_store() as store:
        found = store.profiles() if every else iter([store.profile(options.pick_user(store, user), version)])
        for profile in found:
            report = audit_profile(profile, store.iter_history(profile.user_id), detector=detector)
            if session.json:
                emit_json(report.as_dict())
                continue
            run = report.verbatim
            emit(f"{report.user_id} (version {report.version}, against {counted(report.interactions, 'interaction')})")
            said = f": {run.run!r}, in {run.interaction}" if run.interaction else ""
            emit(wrap(f"longest run of a raw record: {counted(run.words, 'word')}{said}", indent="  ", hanging="    "))
            emit(f"  longest run of an item's name: {counted(run.item_words, 'word')}")
            emit(f"  personal data: {', '.join(f'{n} {kind}' for kind, n in report.kinds.items()) or 'none'}")
            for piece in report.pii:
                emit(wrap(f"{piece.kind}: {profile.text[piece.start : piece.end]}", indent="    - ", hanging="      "))
