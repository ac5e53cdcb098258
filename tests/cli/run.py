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


def environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a run: the caller's, without its bump-edge settings and colours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BUMP_EDGE_") and k != "NO_COLOR"}
    return kept | {"BUMP_EDGE_HOME": str(home), "COLUMNS": "100"} | extra


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
