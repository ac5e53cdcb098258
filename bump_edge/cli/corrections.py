"""`bump-edge edit`, `pin` and `block`: a person's word about their profile."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json, emit_profile
from bump_edge.errors import NotFoundError, UsageError
from bump_edge.types import Profile

Remove = Annotated[bool, typer.Option("--remove", help="Take it back.")]


def edit(
    text: Annotated[
        str | None, typer.Argument(help="The new text; - is stdin. Without it, $EDITOR opens on the present one.")
    ] = None,
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Replace a profile's text: new sentences are kept from now on, removed ones do not come back."""
    from bump_edge.profiler import corrections

    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        user_id = options.pick_user(store, user)
        present = store.profile(user_id)
        if text == "-":
            text = sys.stdin.read()
        elif text is None:
            if not sys.stdin.isatty():
                raise UsageError("there is no terminal for an editor: give the new text as an argument, or - for stdin")
            text = _in_editor("\n".join(e.sentence for e in present.evidence) + "\n")
        _print(session, corrections.edit(store, user_id, text))


def pin(
    sentence: Annotated[str, typer.Argument(help="A sentence's number in the profile, its text, or a new sentence.")],
    remove: Remove = False,
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Confirm a sentence: it survives every update and rewrite, word for word."""
    from bump_edge.profiler import corrections

    session = options.Session.start(db=db, json=json, quiet=quiet)
    with session.open_store() as store:
        change = corrections.unpin if remove else corrections.pin
        _print(session, change(store, options.pick_user(store, user), sentence))


def block(
    topic: Annotated[
        str | None, typer.Argument(help="The topic, in a word or a few. Without it, the blocked ones are listed.")
    ] = None,
    pattern: Annotated[bool, typer.Option("--pattern", help="TOPIC is a regular expression.")] = False,
    remove: Remove = False,
    model: options.Model = None,
    user: options.User = None,
    db: options.Db = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Keep a topic out of every prompt and profile from now on; `forget --topic` deletes what is there."""
    from bump_edge.profiler import corrections

    session = options.Session.start(db=db, model=model, json=json, quiet=quiet)
    with session.open_store() as store:
        user_id = options.pick_user(store, user)
        if topic is None:
            for entry in store.corrections(user_id):
                if entry.kind in ("topic", "pattern"):
                    if session.json:
                        emit_json({"kind": entry.kind, "text": entry.text, "at": entry.at})
                    else:
                        emit(f"{entry.kind}\t{entry.text}")
            return
        if remove:
            if not corrections.unblock(store, user_id, topic):
                raise NotFoundError(f"{topic!r} is not blocked: `bump-edge block` lists what is")
            if session.json:
                emit_json({"unblocked": topic})
            session.note(f"{topic} may be read and written again from the next profile on")
            return
        done = corrections.block(
            store, user_id, topic, is_pattern=pattern, embedder=session.embedder(), similarity=session.similarity
        )
        profile = done.profile
        if done.empty:
            with session.profiler(store) as profiler:
                profile = profiler.profile(user_id)
        if session.json:
            emit_json(
                {
                    "blocked": topic,
                    "dropped": list(done.dropped),
                    "unpinned": list(done.unpinned),
                    "profile": None if profile is None else profile.as_dict(),
                }
            )
            return
        session.note(f"blocked: {topic}; {counted(len(done.dropped), 'sentence')} of the profile went")
        if profile is not None:
            emit_profile(profile, evidence=0)


def _in_editor(text: str) -> str:
    """`text` as a person left it in their editor, one sentence a line."""
    import shlex
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    # a directory of its own, readable by its owner only: editors leave backups beside the file
    with tempfile.TemporaryDirectory(prefix="bump-edge-") as directory:
        file = Path(directory) / "profile.txt"
        file.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(file)], check=False)
        except OSError as error:
            raise UsageError(f"the editor {editor!r} does not start ({error}): set EDITOR, or give the text") from error
        if done.returncode:
            raise UsageError(f"the editor {editor!r} ended with exit code {done.returncode}: nothing was changed")
        return file.read_text(encoding="utf-8")


def _print(session: options.Session, profile: Profile) -> None:
    if session.json:
        emit_json(profile.as_dict())
    else:
        emit_profile(profile, evidence=0)
