"""Stages in real processes: run to the end, without a network where the machine lets us, or killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


KILLED_AT_RENAME = """
import os, runpy, signal, sys
folder, left = sys.argv[1], int(sys.argv[2])
def seen(event, args):
    global left
    if event == "os.rename" and os.fsdecode(args[1]).startswith(folder):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(seen)
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def killed_at_rename(module: str, arguments: list[str], folder: Path, number: int) -> bool:
    """Run a module that dies when it is about to rename something into `folder` for the `number`-th time, from 1.

    No race: the process kills itself at that very point. False where it ends well before it gets there.
    """
    command = [sys.executable, "-c", KILLED_AT_RENAME, str(folder), str(number), module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, timeout=120, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode != 0
