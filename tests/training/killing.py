"""Stages in real processes: run to the end, without a network where the machine lets us, or killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def sealed() -> list[str]:
    """What takes a command's network away; nothing where the machine does not let us."""
    probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    return ["unshare", "-rn"] if probe.returncode == 0 else []


def finished(command: list[str]) -> dict[str, Any]:
    """The summary of a stage that must succeed, and print nothing else."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, done.stdout
    summary: dict[str, Any] = orjson.loads(done.stdout)
    return summary


def killed(command: list[str], out: Path, step: int) -> None:
    """Start a training stage that writes to `out`, and kill it as soon as its checkpoint of `step` is whole."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not (out / f"checkpoint-{step}" / "complete.json").exists():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "summary.json").exists()
