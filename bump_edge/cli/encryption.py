"""`bump-edge encrypt`, `decrypt` and `key`: encryption at rest.

A key is never an argument: other users of the machine can see those, and shells keep them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json, wrap
from bump_edge.errors import StoreWriteError, UsageError

if TYPE_CHECKING:
    from bump_edge.store.encryption import EncryptionReport

app = typer.Typer(
    help="Rotate the key of an encrypted store; export and import its recovery key.", no_args_is_help=True
)

Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for other programs to close the store.")
]


def encrypt(wait: Wait = 10.0, db: options.Db = None, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Encrypt the store, with the key in BUMP_EDGE_KEY, or else a new one that the keychain keeps."""
    from bump_edge.store.encryption import encrypt_store

    session = options.Session.start(db=db, json=json, quiet=quiet)
    report = encrypt_store(session.settings.db, timeout=wait)
    _print(session, report, "is encrypted now" if report.changed else "was encrypted already")
    if report.changed and report.key == "keychain":
        session.note(_EXPORT)


def decrypt(
    yes: options.Yes = False,
    wait: Wait = 10.0,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an encrypted store a plain one again."""
    from bump_edge.store.encryption import decrypt_store

    session = options.Session.start(db=db, json=json, quiet=quiet)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("this would write the store as plain text: confirm with --yes")
        if not typer.confirm("write the store as plain text?", err=True):
            raise UsageError("nothing was changed")
    report = decrypt_store(session.settings.db, timeout=wait)
    _print(session, report, "is a plain store now" if report.changed else "was a plain store already")
    if os.environ.get("BUMP_EDGE_KEY"):
        session.note("BUMP_EDGE_KEY is set, and a plain store is not opened with a key: unset it.")


@app.command()
def rotate(wait: Wait = 10.0, db: options.Db = None, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Encrypt the store anew, with the key in BUMP_EDGE_NEW_KEY, or else a new one that the keychain keeps."""
    from bump_edge.store.encryption import rotate_key

    session = options.Session.start(db=db, json=json, quiet=quiet)
    report = rotate_key(session.settings.db, timeout=wait)
    _print(session, report, "has a new key now")
    if report.key == "keychain":
        session.note(_EXPORT)
    if os.environ.get("BUMP_EDGE_KEY"):
        session.note("BUMP_EDGE_KEY no longer opens it: unset it, or set it to the new key.")


@app.command("export")
def export_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; - is stdout.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Overwrite an existing file.")] = False,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the recovery key, which opens the store when the keychain is lost. Whoever has it can read the store."""
    from bump_edge.store.encryption import recovery_key

    session = options.Session.start(db=db, json=json, quiet=quiet)
    text = recovery_key(session.settings.db)
    if str(file) == "-":
        if session.json:
            emit_json({"recovery_key": text})
        else:
            emit(text)
        return
    if file.exists() and not yes:
        raise UsageError(f"{file} exists: name another file, or overwrite it with --yes")
    try:
        file.unlink(missing_ok=True)  # an existing file may be one that others can read
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except OSError as error:
        raise StoreWriteError(f"{file} cannot be written ({error.strerror or error}): name another file") from error
    if session.json:
        emit_json({"file": str(file)})
    else:
        emit(f"{file}: the recovery key of {session.settings.db}; keep it where the store is not")


@app.command("import")
def import_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What export wrote; - is stdin.")],
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Put the key of a recovery key into the keychain."""
    from bump_edge.store.encryption import restore_key

    session = options.Session.start(db=db, json=json, quiet=quiet)
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}): expected what `bump-edge key export` wrote") from error
    restore_key(session.settings.db, text)
    if session.json:
        emit_json({"path": str(session.settings.db), "key": "keychain"})
    else:
        emit(f"{session.settings.db}: its key is in the keychain again")


_EXPORT = "Without its key the store is lost: `bump-edge key export FILE` writes a recovery key for a safe place."


def _print(session: options.Session, report: EncryptionReport, what: str) -> None:
    if session.json:
        emit_json(report.as_dict())
    else:
        emit(f"{report.path} {what}{f'; its key: {report.key}' if report.key else ''}")
        if report.changed:
            emit(f"{report.rows} rows copied and compared; the old file is {_gone(report)}")
    if report.cleared and not report.changed:
        session.note(f"cleared away {counted(report.cleared, 'file')} of a conversion that was interrupted")
    if not report.wiped:
        session.note(wrap("The old file has another name, such as that of a backup made of links: it was not touched."))
    if report.key_destroyed is False:
        session.note(
            wrap("The keychain did not delete the old key: delete it there, or copies of the store stay readable.")
        )


def _gone(report: EncryptionReport) -> str:
    return "overwritten and deleted" if report.wiped else "deleted under this name"
