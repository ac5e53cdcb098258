"""`bump-edge profile`: ingest a history, write the profiles of its users, store and print them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.ingest import Format, Map, Strict, describe, ingest_one
from bump_edge.cli.output import emit, emit_json, emit_profile, progress
from bump_edge.errors import BumpEdgeError, NotFoundError, PolicyError

if TYPE_CHECKING:
    from bump_edge.profiler import Profiler


def profile(
    history: Annotated[
        list[Path] | None,
        typer.Option("--history", metavar="FILE", help="Ingest this first; - is stdin; repeatable."),
    ] = None,
    mapping: Map = None,
    format_: Format = "auto",
    strict: Strict = False,
    user: options.User = None,
    model: options.Model = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="CODE", help="Language of the profile; else the history's.")
    ] = None,
    max_words: Annotated[int, typer.Option("--max-words", help="Length limit of a profile.")] = 80,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="Stop the model after this many tokens.")] = 200,
    temperature: Annotated[
        float, typer.Option("--temperature", help="0 takes the likeliest words; above samples.")
    ] = 0.0,
    repetition_penalty: Annotated[
        float, typer.Option("--repetition-penalty", help="Above 1 keeps untrained small models from looping.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the sampler.")] = 0,
    fallback: Annotated[
        bool,
        typer.Option(
            help="Let the extractive backend write where nothing of the model's passes the checks, or where the "
            "bundled model does not open."
        ),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Write anew even if nothing changed.")] = False,
    redact: options.Redact = False,
    max_verbatim: options.MaxVerbatim = None,
    no_pii: options.NoPii = False,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ingest a history, write its users' profiles, store and print them."""
    from bump_edge.backends.base import GenerationOptions
    from bump_edge.models import open_writer
    from bump_edge.profiler import Profiler, ProfilerOptions

    session = options.Session.start(
        db=db, model=model, json=json, quiet=quiet, max_verbatim=max_verbatim, no_pii=no_pii
    )
    fields = options.parse_mapping(mapping)
    settings = ProfilerOptions(
        max_words=max_words,
        language=language,
        similarity=session.similarity,
        fallback=fallback,
        generation=GenerationOptions(
            max_tokens=max_tokens, temperature=temperature, repetition_penalty=repetition_penalty, seed=seed
        ),
    )
    # The model first: without one, nothing is worth reading. Ctrl-C ends a stream between two tokens (see `Backend`).
    with (
        closing(open_writer(session.settings, fallback=fallback)) as backend,
        session.open_store(create=bool(history)) as store,
        Profiler(store, backend, options=settings, embedder=session.embedder()) as profiler,
    ):
        session.note_stand_in(backend)
        users: dict[str, None] = {}
        for file in history or []:
            report = ingest_one(
                session, store, file, mapping=fields, format_=format_, strict=strict, user=user, redact=redact
            )
            session.note(f"{file}: {describe(report)}")
            users.update(dict.fromkeys(report.users))
        if user is not None:
            users = {options.pick_user(store, user): None}
        elif not history:
            users = {u.user_id: None for u in store.users()}
            if not users:
                raise NotFoundError(f"the store {store.path} is empty: name a history with --history FILE")
        _write(session, profiler, list(users), force=force)


def _write(session: options.Session, profiler: Profiler, users: list[str], *, force: bool) -> None:
    from bump_edge.audit import release

    failed: list[tuple[str, BumpEdgeError]] = []
    refused: list[PolicyError] = []
    done = 0
    with progress(f"profiling with {profiler.backend.model}", total=len(users), quiet=session.quiet) as advance:
        for written in profiler.profile_many(
            users, force=force, on_error=lambda user_id, error: failed.append((user_id, error))
        ):
            done += 1
            advance(done)
            try:
                release(profiler.store, written, session.policy)
            except PolicyError as refusal:
                refused.append(refusal)
                continue
            if session.json:
                emit_json(written.as_dict(records=not session.policy))
                continue
            if len(users) > 1:
                emit(f"{written.user_id} (version {written.version}, {written.model})")
            emit_profile(written, evidence=3 if len(users) == 1 and not session.policy else 0)
            if len(users) > 1:
                emit()
    for user_id, error in failed[:5]:
        session.note(f"user {user_id}: {error.message}")
    if failed and not done:
        raise failed[0][1]
    if failed:
        session.note(f"{len(failed)} of {len(users)} users have no profile")
    for other in refused[1:6]:
        session.note(other.message)
    if refused:  # every other profile was printed
        raise refused[0]
