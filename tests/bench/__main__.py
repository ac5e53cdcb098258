"""``python -m tests.bench [NAME…]``: run the benchmarks, one JSON line each.

Every ``bench_NAME.py`` beside this file has a ``run() -> dict``, which runs in a process of its own. `rss_mib` is that
process's peak memory; a benchmark that has something else in its process says so in a figure of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all; 2 for an unknown name, 1 when one fails."""
    if arguments[:1] == ["--child"]:
        return child(arguments[1])
    if unknown := set(arguments) - set(names()):
        print(f"no benchmark {', '.join(sorted(unknown))}: expected some of {', '.join(names())}", file=sys.stderr)
        return 2
    failed = 0
    for name in arguments or names():
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "tests.bench", "--child", name], check=False)
        failed += done.returncode != 0
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


def child(name: str) -> int:
    """Run one benchmark in this process and print its line."""
    figures = import_module(f"tests.bench.bench_{name}").run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps({"name": name, **figures, "rss_mib": round(peak)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
