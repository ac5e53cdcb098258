"""``python -m tests.bench [NAME…] [--KEY VALUE …]``: run the benchmarks, one JSON line each.

Every ``bench_NAME.py`` beside this file has a ``run() -> dict``, which runs in a process of its own; options after one
name are its arguments (``reward --users 3``). `rss_mib` is that process's peak memory; a benchmark that has something
else in its process says so in a figure of its own.
"""

from __future__ import annotations

import inspect
import json
import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all; 2 for an unknown name or option, 1 when one fails."""
    if arguments[:1] == ["--child"]:
        return child(arguments[1], arguments[2:])
    count = next((at for at, word in enumerate(arguments) if word.startswith("--")), len(arguments))
    wanted, options = arguments[:count], arguments[count:]
    if unknown := set(wanted) - set(names()):
        print(f"no benchmark {', '.join(sorted(unknown))}: expected some of {', '.join(names())}", file=sys.stderr)
        return 2
    if options:
        known = inspect.signature(import_module(f"tests.bench.bench_{wanted[0]}").run).parameters if wanted else {}
        if len(wanted) != 1 or len(options) % 2 or any(key[2:] not in known for key in options[::2]):
            print(f"options {' '.join(options)}: expected one benchmark, and --KEY VALUE of {', '.join(known) or 'it'}",
                  file=sys.stderr)  # fmt: skip
            return 2
    failed = 0
    for name in wanted or names():
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "tests.bench", "--child", name, *options], check=False)
        failed += done.returncode != 0
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


def child(name: str, options: list[str]) -> int:
    """Run one benchmark in this process and print its line."""
    given = {key[2:]: _value(text) for key, text in zip(options[::2], options[1::2], strict=True)}
    figures = import_module(f"tests.bench.bench_{name}").run(**given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps({"name": name, **figures, "rss_mib": round(peak)}), flush=True)
    return 0


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
