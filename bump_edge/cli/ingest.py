"""`bump-edge ingest`: take histories into the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import emit, emit_json, progress
from bump_edge.errors import UsageError

if TYPE_CHECKING:
    from bump_edge.pii import Detector
    from bump_edge.store import IngestReport, Store

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="JSON Lines or CSV, plain, .gz or .zst; - is stdin.")
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OURS=THEIRS", help="Their name of one of our fields (text=body); repeatable."),
]
Format = Annotated[str, typer.Option("--format", help="auto, jsonl, csv or lamp.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad line instead of skipping it.")]


def ingest(
    files: Files,
    mapping: Map = None,
    format_: Format = "auto",
    strict: Strict = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on reading what is appended, and update profiles, until Ctrl-C.")
    ] = False,
    update_after: Annotated[
        int, typer.Option("--update-after", help="With --follow: update a profile when so much is new.")
    ] = 10,
    idle: Annotated[
        float, typer.Option("--idle", help="With --follow: seconds without a new line before a model runs.")
    ] = 5.0,
    redact: options.Redact = False,
    presidio: options.Presidio = False,
    model: options.Model = None,
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Take one or more histories into the store; what is there already is not added again."""
    session = options.Session.start(db=db, model=model, json=json, quiet=quiet)
    fields = options.parse_mapping(mapping)
    if presidio and not redact:
        raise UsageError("--presidio got no --redact: expected both, or neither")
    hide = options.detector(presidio) or redact
    if follow:
        _follow(session, files, mapping=fields, user=user, update_after=update_after, idle=idle, redact=hide)
        return
    with session.open_store(create=True) as store:
        for file in files:
            report = ingest_one(
                session, store, file, mapping=fields, format_=format_, strict=strict, user=user, redact=hide
            )
            if session.json:
                emit_json({"source": str(file), **report.as_dict()})
            else:
                emit(f"{file}: {describe(report)}")


def _follow(
    session: options.Session,
    files: list[Path],
    *,
    mapping: dict[str, str] | None,
    user: str | None,
    update_after: int,
    idle: float,
    redact: bool | Detector,
) -> None:
    from bump_edge.profiler.watch import follow
    from bump_edge.types import Profile

    if len(files) != 1 or str(files[0]) == "-":
        raise UsageError(f"--follow got {len(files)} files: expected one, by its path")
    with session.open_store(create=True) as store, session.profiler(store) as profiler:
        session.note(f"following {files[0]}; Ctrl-C ends it")
        for event in follow(
            profiler,
            files[0],
            update_after=update_after,
            idle_s=idle,
            user_id=user,
            mapping=mapping,
            redact=redact,
            on_error=lambda error: session.note(error.message),
        ):
            if session.json:
                emit_json(event.as_dict())
                sys.stdout.flush()
            elif isinstance(event, Profile):
                emit(f"{event.user_id}: version {event.version} ({event.origin}): {event.text}")
            else:
                emit(f"{files[0]}: {describe(event)}")


def ingest_one(
    session: options.Session,
    store: Store,
    file: Path,
    *,
    mapping: dict[str, str] | None,
    format_: str,
    strict: bool,
    user: str | None,
    redact: bool | Detector = False,
) -> IngestReport:
    """Ingest one file with a progress bar, and quote its bad lines on stderr."""
    source = sys.stdin.buffer if str(file) == "-" else file
    total = file.stat().st_size if file.is_file() else None
    with progress(f"reading {file.name}", total=total, quiet=session.quiet, unit="bytes") as advance:
        report = store.ingest_file(
            source,
            format=format_,
            mapping=mapping,
            user_id=user,
            strict=strict,
            redact=redact,
            progress=lambda done, _total: advance(done),
        )
    for bad in report.quotes[:5]:
        session.note(f"{file}: line {bad.line} skipped, {bad.reason}{bad.quote and ': '}{bad.quote}")
    if (more := sum(report.skipped.values()) - min(5, len(report.quotes))) > 0:
        session.note(f"{file}: {more} more lines skipped")
    return report


def describe(report: IngestReport) -> str:
    """A report in one line for a person."""
    skipped = ", ".join(f"{n} {reason}" for reason, n in report.skipped.items())
    users = f"{len(report.users)} user{'s' if len(report.users) != 1 else ''}"
    forgotten = f"{report.forgotten} forgotten earlier, " if report.forgotten else ""
    hidden = ", ".join(f"{n} {kind}" for kind, n in report.redacted.items())
    return (
        f"{report.read} read, {report.added} added, {report.duplicates} known already, {forgotten}"
        f"{sum(report.skipped.values())} skipped{f' ({skipped})' if skipped else ''}; {users}"
        f"{f'; redacted: {hidden}' if hidden else ''}"
    )
