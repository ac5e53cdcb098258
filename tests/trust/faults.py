"""The shim of `faults.c`: built once a machine, loaded before everything else, armed in a forked child."""

from __future__ import annotations

import ctypes
import enum
import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = HERE / "faults.c"


class Fault(enum.IntEnum):
    """What happens at the chosen write; the numbers are those of `faults.c`."""

    COUNT = 0
    KILL = 1
    TEAR = 2
    FULL = 3
    BROKEN = 4
    FULL_FOR_GOOD = 5


def library() -> Path:
    """The shim, compiled where it is not yet, under ``.cache`` of the checkout.

    Raises:
        RuntimeError: the C compiler failed.
    """
    name = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    built = ROOT / ".cache" / "trust" / f"faults-{name}.so"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        new = built.with_suffix(f".{os.getpid()}")
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", str(new), str(SOURCE), "-ldl"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the shim could not be compiled: {done.stderr}")
        new.rename(built)
    return built


def preloaded(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the checkout with the shim loaded; its stderr is shown."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "LD_PRELOAD": str(library())}, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip


class Shim:
    """The loaded shim, in a process that was started by `preloaded`."""

    def __init__(self) -> None:
        if str(library()) not in os.environ.get("LD_PRELOAD", ""):
            raise RuntimeError("the shim is not loaded below this process: start it with tests.trust.faults.preloaded")
        self._library = ctypes.CDLL(str(library()))
        self._library.faults_seen.restype = self._library.faults_failed.restype = ctypes.c_long
        self._library.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int]

    def arm(self, folder: Path, fault: Fault, at: int = 0) -> None:
        """From now on, the `at`-th write below `folder`, from 1, meets `fault`; earlier counts are forgotten."""
        self._library.faults_arm(os.fsencode(folder), at, int(fault))

    def disarm(self) -> None:
        """Let everything through."""
        self._library.faults_disarm()

    @property
    def seen(self) -> int:
        """Writes since it was armed."""
        return int(self._library.faults_seen())

    @property
    def failed(self) -> int:
        """Writes that were answered with an error."""
        return int(self._library.faults_failed())
