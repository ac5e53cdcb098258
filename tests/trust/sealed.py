"""Gate: the runtime never asks for the internet.

``python -m tests.trust.sealed`` runs the runtime's whole suite so, and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.trust.gate import Outcome
from tests.trust.seccomp import reached_out, sealed

ROOT = Path(__file__).resolve().parents[2]
OTHERS = frozenset({"bench", "export", "optimum", "training", "trust"})
"""Folders whose tests are not the runtime's."""
SUITE = tuple(
    sorted(
        f"tests/{path.name}"
        for path in (ROOT / "tests").iterdir()
        if (path.is_dir() and (path / "__init__.py").exists() and path.name not in OTHERS) or path.match("test_*.py")
    )
)
"""What tests the runtime, and the examples: every folder that is not named above. `.ci/test` runs all of it sealed."""
QUICK = ("tests/test_examples.py", "tests/cli/test_life.py")

PLANTED = {
    "a Python socket": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), timeout=1)\nexcept OSError:\n    pass"
    ),
    "a native connect": (
        "import ctypes\nlibc = ctypes.CDLL(None)\nfd = libc.socket(2, 1, 0)\n"
        "libc.connect(fd, b'\\x02\\0\\0\\x09\\x7f\\0\\0\\x01' + bytes(8), 16)"
    ),
    "a name looked up": "import socket\ntry:\n    socket.getaddrinfo('example.com', 443)\nexcept OSError:\n    pass",
    "a subprocess": (
        "import subprocess, sys\ndone = subprocess.run([sys.executable, '-c', "
        "'import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)'])\nsys.exit(128 - done.returncode)"
    ),
    "a thread whose errors nobody sees": (
        "import threading, socket\ndef leak():\n    try:\n        socket.socket()\n"
        "    except BaseException:\n        pass\n"
        "thread = threading.Thread(target=leak)\nthread.start()\nthread.join()"
    ),
    "the runtime's own download": (
        "from pathlib import Path\nfrom bump_edge.models.download import fetch\ntry:\n"
        "    fetch('https://example.com/m.gguf', Path('/tmp/never.gguf'), sha256='0' * 64)\nexcept Exception:\n    pass"
    ),
}
"""Leaks that hide their errors, as code."""


def suite(*arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run pytest, sealed, without the tests that plant something that asks for the internet."""
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not network", *arguments]
    return subprocess.run(sealed(pytest), cwd=ROOT, capture_output=quiet, text=True, check=False)


def run(*, long: bool) -> Outcome:
    """Run the suite, or its quick part, sealed; and every planted leak."""
    with TemporaryDirectory() as folder:
        told = Path(folder) / "told.xml"
        done = suite("-q", f"--junitxml={told}", *(SUITE if long else QUICK), quiet=True)
        failures = []
        tried = skipped = 0
        if told.exists():
            cases = list(Xml.parse(told).iter("testcase"))  # noqa: S314  (pytest wrote it)
            skipped = sum(case.find("skipped") is not None for case in cases)
            tried = len(cases) - skipped
            failures = [
                f"{case.get('classname')}.{case.get('name')}"
                for case in cases
                if case.find("failure") is not None or case.find("error") is not None
            ]
        if done.returncode and not failures:
            why = "asked for the internet" if reached_out(done.returncode) else f"exit code {done.returncode}"
            failures = [f"the suite {why}: {done.stdout[-300:]}{done.stderr[-300:]}"]
    planted = {}
    for name, code in PLANTED.items():
        leak = subprocess.run(sealed([sys.executable, "-c", code]), cwd=ROOT, capture_output=True, check=False)
        planted[name] = reached_out(leak.returncode)
    harmless = subprocess.run(
        sealed([sys.executable, "-c", "import bump_edge, sqlite3, asyncio"]), cwd=ROOT, check=False
    )
    if harmless.returncode:
        failures.append("the seal kills what asks for nothing")
    return Outcome(
        promise="Nothing leaves the device: the runtime never asks for the internet",
        test="runtime suite and examples under seccomp, without a network",
        tried=tried,
        failures=failures,
        planted=planted,
        figures={"skipped": skipped},
    )


if __name__ == "__main__":
    sys.exit(suite(*SUITE, *sys.argv[1:]).returncode)
