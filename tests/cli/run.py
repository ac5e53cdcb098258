"""Runs the real program in a process of its own, with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "bump_edge"]


DEFAULT = {"BUMP_EDGE_MODEL": ""}
"""For a run that names no model: the one that the package carries writes, if it carries one."""


def environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a run: the caller's, without its bump-edge settings and colours.

    The extractive backend writes unless the run names a model or has `DEFAULT`, so that tests of everything else say
    the same in a checkout with weights as in one without.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BUMP_EDGE_") and k != "NO_COLOR"}
    return kept | {"BUMP_EDGE_MODEL": "extractive", "BUMP_EDGE_HOME": str(home), "COLUMNS": "100"} | extra


def run(
    home: Path,
    *arguments: str | Path,
    stdin: bytes = b"",
    prefix: tuple[str, ...] = (),
    timeout: float = 120,
    **extra: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``bump-edge ARGUMENTS`` and return what came out."""
    return subprocess.run(
        [*prefix, *PROGRAM, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment(home, **extra),
        cwd=ROOT,
        timeout=timeout,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[bytes]) -> list[Any]:
    """The JSON Lines on stdout."""
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def error(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The JSON error on stderr, its last line."""
    return orjson.loads(done.stderr.strip().splitlines()[-1])["error"]
