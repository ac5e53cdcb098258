"""Which backends run on this machine, and why the others do not: what `bump-edge doctor` prints."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass

from bump_edge.backends import BACKENDS
from bump_edge.backends.child import command, environment
from bump_edge.errors import BackendUnavailableError

_TIMEOUT_S = 60.0
_REMEDIES = {
    "onnx": "pip install --force-reinstall onnxruntime onnxruntime-genai",
    "gguf": 'pip install "bump-edge[gguf]", with a C++ compiler',
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendStatus:
    """Whether a backend runs here.

    Args:
        name: one of `BACKENDS`.
        available: whether its runtime loads.
        version: of the runtime, if it loads; ``built in`` for those that need none.
        reason: why it does not.
        remedy: what to do about it.
    """

    name: str
    available: bool
    version: str | None = None
    reason: str | None = None
    remedy: str | None = None


def probe() -> list[BackendStatus]:
    """The status of every backend. Runtimes are loaded in processes of their own: one that crashes is a status."""
    return [
        _probe_runtime(name) if name in _REMEDIES else BackendStatus(name=name, available=True, version="built in")
        for name in BACKENDS
    ]


def _probe_runtime(name: str) -> BackendStatus:
    remedy = _REMEDIES[name]
    try:
        done = subprocess.run(
            command("--probe", name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(),
            timeout=_TIMEOUT_S,
            check=False,
        )
    except BackendUnavailableError as error:
        return BackendStatus(name=name, available=False, reason=error.message, remedy="run the library with Python")
    except subprocess.TimeoutExpired:
        return BackendStatus(
            name=name, available=False, reason=f"its runtime did not load within {_TIMEOUT_S:g} s", remedy=remedy
        )
    if done.returncode == 0:
        return BackendStatus(name=name, available=True, version=done.stdout.decode().strip())
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1] if said else "it said nothing"
    if done.returncode < 0:
        try:
            died = signal.Signals(-done.returncode).name
        except ValueError:
            died = f"signal {-done.returncode}"
        return BackendStatus(
            name=name, available=False, reason=f"loading its runtime died of {died} ({last})", remedy=remedy
        )
    # the error names the extra as well; the remedy says it better
    reason = last.split(": pip install")[0]
    return BackendStatus(name=name, available=False, reason=reason, remedy=remedy)
