"""`bump-edge prompt`: a ready system and user message for any language model."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from bump_edge.cli import options
from bump_edge.cli.output import emit, emit_json


def prompt(
    query: Annotated[str, typer.Argument(help="The user's message; - reads standard input.")],
    mode: Annotated[str, typer.Option("--mode", help="none, history, profile, or profile+retrieved.")] = "profile",
    system: Annotated[str | None, typer.Option("--system", help="The app's own system text.")] = None,
    retrieved: Annotated[int, typer.Option("--retrieved", help="Interactions to retrieve in profile+retrieved.")] = 5,
    user: options.User = None,
    max_verbatim: options.MaxVerbatim = None,
    no_pii: options.NoPii = False,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Print chat messages that hand what is known about the user to a language model."""
    from bump_edge.context import Mode, build_messages

    session = options.Session.start(db=db, json=json, quiet=quiet, max_verbatim=max_verbatim, no_pii=no_pii)
    if query == "-":
        query = typer.get_text_stream("stdin").read()
    with session.open_store() as store:
        user_id = options.pick_user(store, user)
        messages = build_messages(
            store, query, user_id=user_id, mode=cast("Mode", mode), retrieved=retrieved, system=system,
            policy=session.policy, embedder=session.embedder(), similarity=session.similarity,
        )  # fmt: skip
    if session.json:
        emit_json({"user_id": user_id, "mode": mode, "messages": messages})
        return
    for message in messages:
        emit(f"[{message['role']}]")
        emit(message["content"])
        emit()
