"""`bump-edge models`: which models there are, and where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import emit, emit_json, progress
from bump_edge.errors import ModelCorruptError, UsageError

if TYPE_CHECKING:
    from bump_edge.models import ModelSpec

app = typer.Typer(help="List, add, verify and remove models.", no_args_is_help=True)


@app.command("list")
def list_models(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the models that can write, and the sentence encoders that were added."""
    from bump_edge import models

    session = options.Session.start(json=json, quiet=quiet)
    _print(session, models.resolve("extractive", session.settings))
    try:
        carried = models.bundled()
    except ModelCorruptError as error:
        session.note(error.message)
    else:
        if carried is not None:
            _print(session, carried)
    for spec in models.list_models(session.settings):
        _print(session, spec)


@app.command()
def add(
    source: Annotated[
        str, typer.Argument(help="A GGUF file, an onnxruntime-genai or encoder's folder, or an https address.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="Its name; by default that of the file or folder.")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="Its hash; required for a download.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Its licence, for the manifest.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model of the same name.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Copy a model into bump-edge's own folder. The only command that may open a connection, and only for https."""
    from bump_edge import models

    session = options.Session.start(json=json, quiet=quiet)
    said: list[str] = []

    with progress("adding", total=None, quiet=session.quiet, unit="bytes") as advance:

        def notify(what: str, done: int, _total: int | None) -> None:
            if what not in said:
                said.append(what)
                session.note(what)
            advance(done)

        spec = models.add(
            source, session.settings, name=name, force=force, sha256=sha256, licence=licence, notify=notify
        )
    _print(session, spec)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="A model's name; by default every model.")] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Hash a model's files anew and compare them with its manifest."""
    from bump_edge import models

    session = options.Session.start(json=json, quiet=quiet)
    if name is not None:
        names = [name]
    else:
        ours = [] if models.bundled() is None else ["bundled"]
        names = ours + [spec.name for spec in models.list_models(session.settings)]
    for each in names:
        models.verify(each, session.settings)
        _print(session, models.resolve(each, session.settings), note="verified")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A model's name.")],
    yes: options.Yes = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove a model that was added."""
    from bump_edge import models

    session = options.Session.start(quiet=quiet)
    if not yes and not typer.confirm(f"remove the model {name} and its files?", err=True):
        raise UsageError("nothing was removed: confirm with --yes")
    models.remove(name, session.settings)
    session.note(f"removed {name}")


def _print(session: options.Session, spec: ModelSpec, *, note: str = "") -> None:
    if session.json:
        manifest = None if spec.manifest is None else spec.manifest.as_dict()
        path = None if spec.path is None else str(spec.path)
        emit_json(
            {
                "name": spec.name,
                "kind": spec.kind,
                "backend": spec.backend,
                "bundled": spec.bundled,
                "path": path,
                "manifest": manifest,
            }
        )
        return
    size = "built in" if spec.manifest is None else f"{spec.manifest.size / 1e6:.0f} MB"
    figures = "" if spec.manifest is None else ", ".join(f"{k} {v}" for k, v in spec.manifest.figures.items())
    kind = "" if spec.kind == "profiler" else spec.kind
    ours = "bundled" if spec.bundled else ""
    emit("\t".join(part for part in (spec.name, spec.backend, kind, size, ours, figures, note) if part))
