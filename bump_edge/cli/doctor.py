"""`bump-edge doctor`: what runs here, and what does not and why."""

from __future__ import annotations

import platform
import sqlite3
import stat
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from bump_edge.cli import options
from bump_edge.cli.output import counted, emit, emit_json, wrap
from bump_edge.errors import BumpEdgeError
from bump_edge.settings import Settings
from bump_edge.version import __version__

if TYPE_CHECKING:
    from bump_edge.backends.probe import BackendStatus


def doctor(
    db: options.Db = None, model: options.Model = None, json: options.Json = False, quiet: options.Quiet = False
) -> None:
    """Say which backends run here and why the others do not, and whether the store and the default model are sound."""
    from bump_edge.backends.probe import probe

    session = options.Session.start(db=db, model=model, json=json, quiet=quiet)
    statuses = probe()
    backends = [asdict(status) for status in statuses]
    model_report, store_report = _model(session.settings, statuses), _store(session)
    embedder_report = _embedder(session)
    report = {
        "bump_edge": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "backends": backends,
        "model": model_report,
        "embedder": embedder_report,
        "store": store_report,
    }
    if session.json:
        emit_json(report)
    else:
        emit(f"bump-edge {report['bump_edge']}, Python {report['python']}, SQLite {report['sqlite']}")
        emit(str(report["platform"]))
        for status in backends:
            says = status["version"] if status["available"] else f"{status['reason']}; {status['remedy']}"
            _line(f"backend {status['name']}", status["available"], says or "")
        _line(f"model {model_report['name']}", model_report["ok"], model_report["says"])
        if embedder_report is not None:
            _line(f"embedder {embedder_report['name']}", embedder_report["ok"], embedder_report["says"])
        _line(f"store {store_report['path']}", store_report["ok"], store_report["says"])
    if not (model_report["ok"] and store_report["ok"] and (embedder_report is None or embedder_report["ok"])):
        raise typer.Exit(1)


def _line(what: str, ok: bool, says: str) -> None:
    emit(wrap(f"{'ok ' if ok else 'no '} {what}{': ' if says else ''}{says}", hanging="    "))


def _model(settings: Settings, backends: list[BackendStatus]) -> dict[str, Any]:
    from bump_edge import models
    from bump_edge.models.manifest import check_hashes
    from bump_edge.models.opening import check_writes

    name = settings.model or "bundled"
    # what `open_writer` does with a default that does not open
    instead = "" if settings.model else "; until then the extractive backend writes"
    try:
        spec = models.resolve(settings.model, settings)
        name = spec.name
        check_writes(spec)
        if spec.manifest is not None and spec.folder is not None:
            check_hashes(spec.folder, spec.manifest, remedy=spec.remedy)
    except BumpEdgeError as error:
        return {"name": name, "ok": False, "says": error.message + instead}
    if not next(b.available for b in backends if b.name == spec.backend):
        return {"name": name, "ok": False, "says": f"its backend {spec.backend} does not run here{instead}"}
    ours = ", bundled" if spec.bundled else ""
    return {"name": name, "ok": True, "says": f"written by the backend {spec.backend}{ours}"}


def _embedder(session: options.Session) -> dict[str, Any] | None:
    name = session.settings.embedder
    try:
        embedder = session.embedder()
        if embedder is None:
            return None
        with embedder:
            (vector,) = embedder(["green tea"])  # hashes its files, loads it, runs it
    except BumpEdgeError as error:
        return {"name": name, "ok": False, "says": error.message}
    return {
        "name": embedder.name,
        "ok": True,
        "says": f"{len(vector)} numbers a text, {embedder.max_tokens} tokens read",
    }


def _store(session: options.Session) -> dict[str, Any]:
    from bump_edge.store.files import NEW, OLD

    path = session.settings.db
    if not path.exists():
        return {"path": str(path), "ok": True, "says": "not there yet; the first ingest makes it"}
    try:
        with session.open_store() as store:
            problem = store.check()
            users, kept = len(store.users()), "encrypted" if store.encrypted else "not encrypted"
    except BumpEdgeError as error:
        return {"path": str(path), "ok": False, "says": error.message}
    mode = stat.S_IMODE(path.stat().st_mode)
    left = [p.name for p in (path.with_name(path.name + end) for end in (NEW, OLD)) if p.exists()]
    if left:
        what = "encrypt" if kept == "encrypted" else "decrypt"
        says = f"{', '.join(left)}: left by a conversion that was interrupted; `bump-edge {what}` clears it away"
        return {"path": str(path), "ok": False, "says": says}
    if problem:
        return {"path": str(path), "ok": False, "says": problem}
    if mode & 0o077:
        return {"path": str(path), "ok": False, "says": f"mode is {mode:04o}: others can read it; chmod 600 it"}
    return {"path": str(path), "ok": True, "says": f"{counted(users, 'user')}, sound, {kept}, mode {mode:04o}"}
