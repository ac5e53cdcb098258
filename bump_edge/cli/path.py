"""`bump-edge path`: where things lie."""

from __future__ import annotations

from bump_edge.cli import options
from bump_edge.cli.output import emit, emit_json
from bump_edge.settings import config_file


def path(db: options.Db = None, json: options.Json = False) -> None:
    """Print the path of the store; with --json, of everything else too."""
    session = options.Session.start(db=db, json=json)
    settings = session.settings
    if session.json:
        emit_json(
            {
                "db": str(settings.db),
                "home": str(settings.home),
                "models": str(settings.models),
                "config": str(config_file()),
            }
        )
    else:
        emit(str(settings.db))
