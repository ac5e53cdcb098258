"""The `bump-edge` program: puts the commands together, and turns every error into a message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from bump_edge.cli import (
    audit,
    corrections,
    doctor,
    encryption,
    explain,
    export,
    forget,
    import_,
    ingest,
    list_,
    models,
    path,
    profile,
    prompt,
    show,
    versions,
)
from bump_edge.cli.output import wrap
from bump_edge.errors import BumpEdgeError, CancelledError, UsageError
from bump_edge.settings import load
from bump_edge.version import __version__

app = typer.Typer(
    name="bump-edge",
    help="Interaction logs go in, a short readable profile of their user comes out; the logs stay on this device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for command in (
    profile.profile,
    ingest.ingest,
    show.show,
    list_.list_,
    prompt.prompt,
    explain.explain,
    audit.audit,
    versions.history,
    versions.diff,
    versions.rollback,
    corrections.edit,
    corrections.pin,
    corrections.block,
    forget.forget,
    forget.receipts,
    export.export,
    import_.import_,
    encryption.encrypt,
    encryption.decrypt,
):
    app.command(name=command.__name__.rstrip("_"))(command)
app.add_typer(encryption.app, name="key")
app.add_typer(models.app, name="models")
app.command()(doctor.doctor)
app.command()(path.path)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"bump-edge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# Typer carries its own Click and does not export its base error: this is the parent of every usage error there.
_TyperUsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main(argv: list[str] | None = None) -> int:
    """Run the program and exit; see `bump_edge.errors` for the exit codes."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        code = app(args=arguments, prog_name="bump-edge", standalone_mode=False)
        if code == CancelledError.exit_code:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()
    except _TyperUsageError as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        code = _report(UsageError(f"{said} (`bump-edge --help` shows what there is)"), arguments)
    except BumpEdgeError as error:
        code = _report(error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = _report(_interrupted(), arguments)
    except (BrokenPipeError, SystemExit) as stop:
        # The reader of a pipe has gone (`| head`): not an error of ours. Typer makes it an exit of 1.
        if isinstance(stop, SystemExit) and not isinstance(stop.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted() -> CancelledError:
    return CancelledError("interrupted: what was already stored is safe; run the command again to go on")


def _report(error: BumpEdgeError, arguments: list[str]) -> int:
    if _wants_json(arguments):
        import orjson

        sys.stderr.write(orjson.dumps(error.as_dict()).decode() + "\n")
    else:
        typer.echo(wrap(f"error: {error.message}"), err=True)
    return error.exit_code


def _wants_json(arguments: list[str]) -> bool:
    if "--json" in arguments:
        return True
    try:
        return load().json
    except UsageError:
        return False
