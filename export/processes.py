"""Tools and stages that run as processes of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `export` and `training` are run from it."""
_TAIL = 3  # lines of a failed process that are shown


OFFLINE = (
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS",
    "DO_NOT_TRACK", "ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "ORT_GENAI_TELEMETRY_DISABLED",
)  # fmt: skip
"""Switches, each on at 1: nothing may reach for a hub, or tell one of an export."""


def environment() -> dict[str, str]:
    """The environment of a tool that must not reach the network."""
    return {**os.environ, **dict.fromkeys([*OFFLINE, "PYTHONSAFEPATH"], "1"), "PYTHONIOENCODING": "utf-8"}


def summary_of(what: str, module: Sequence[str], *, given: object = None, progress: bool = False) -> dict[str, Any]:
    """Run a module of the checkout; the JSON object in the last line of its stdout.

    Args:
        what: it, for the error.
        module: its name and its arguments.
        given: JSON for its stdin.
        progress: let its stderr through.

    Raises:
        ModelError: it failed: with the message that it gave as JSON, or else its last words.
    """
    done = subprocess.run(
        [sys.executable, "-m", *module], input=orjson.dumps(given), stdout=subprocess.PIPE,
        stderr=None if progress else subprocess.PIPE, cwd=ROOT, env={**environment(), "PYTHONPATH": str(ROOT)},
        check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    found: dict[str, Any] = {}
    with contextlib.suppress(IndexError, orjson.JSONDecodeError):
        found = orjson.loads(lines[-1])
    if done.returncode or not found:
        said = (done.stderr or b"").decode(errors="replace").strip().splitlines()[-_TAIL:]
        why = found.get("error", {}).get("message") or " / ".join(said) or "it said nothing"
        raise ModelError(f"{what} failed (exit code {done.returncode}): {why}", details={"exit_code": done.returncode})
    return found
