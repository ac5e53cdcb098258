"""What a program pays before anything happens: the import, and ``bump-edge --help``, against a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

COMMANDS = {
    "pass": ["-c", "pass"],
    "import": ["-c", "import bump_edge"],
    "store": ["-c", "import bump_edge; bump_edge.Store"],
    "help": ["-m", "bump_edge", "--help"],
}


def run(repeats: int = 15) -> dict[str, Any]:
    """Median wall time of each command over interleaved repeats, in milliseconds, and what it costs over ``pass``."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, arguments in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times[name].append(1000 * (time.perf_counter() - begun))
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "pass_ms": round(median["pass"], 1),
        "import_over_pass_ms": round(median["import"] - median["pass"], 1),
        "import_store_over_pass_ms": round(median["store"] - median["pass"], 1),
        "help_over_pass_ms": round(median["help"] - median["pass"], 1),
        "aim": {"import_over_pass_ms": 50, "help_over_pass_ms": 250},
        "repeats": repeats,
    }
