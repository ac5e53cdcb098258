"""``python -m tests.trust [--long] [NAME…]``: every promise, how it was tried, how often, and what broke it.

A table on stderr, one JSON line on stdout; exit code 1 when a promise broke, or a planted violation went unseen.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import time
import traceback
from dataclasses import asdict
from typing import cast

from tests.trust.gate import Outcome

GATES = ("sealed", "erasure", "crashes", "contention", "fuzz", "injection", "strangers")
"""The gates, each a module beside this one."""


def main(arguments: list[str]) -> int:
    """Run the gates that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GATES)}; all without")
    parser.add_argument(
        "--long",
        action="store_true",
        help="500 kills, 200 I/O faults, 200 cut logs, 1,000,000 records, 120 s of contention, 1,000 times forgotten",
    )
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(GATES):
        parser.error(f"no gate {', '.join(sorted(unknown))}: expected some of {', '.join(GATES)}")
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # a shell's background jobs would hand it down to tests
    told: dict[str, Outcome] = {}
    seconds: dict[str, float] = {}
    for name in given.names or GATES:
        begun = time.monotonic()
        told[name] = outcome(name, long=given.long)
        seconds[name] = round(time.monotonic() - begun, 1)
        print(line(name, told[name], seconds[name]), file=sys.stderr, flush=True)
        for failure in told[name].failures[:5]:
            print(f"    {failure}", file=sys.stderr)
    print(
        json.dumps(
            {"long": given.long, "kept": all(o.kept for o in told.values())}
            | {name: {**asdict(o), "kept": o.kept, "seconds": seconds[name]} for name, o in told.items()}
        )
    )
    return 0 if all(o.kept for o in told.values()) else 1


def outcome(name: str, *, long: bool) -> Outcome:
    """Run a gate; one that fails itself has kept nothing, and the others are run all the same."""
    try:
        return cast("Outcome", importlib.import_module(f"tests.trust.{name}").run(long=long))
    except Exception as error:  # noqa: BLE001  (whatever it is, it must not cost what the other gates found)
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"
        return Outcome(promise="?", test="the gate itself failed", tried=0, failures=[failure], planted={})


def line(name: str, outcome: Outcome, seconds: float) -> str:
    """One row of the table."""
    seen = sum(outcome.planted.values())
    return (
        f"{name:<12}{'kept' if outcome.kept else 'BROKEN':<8}{outcome.tried:>9} tried  {len(outcome.failures):>3} fail"
        f"  {seen}/{len(outcome.planted)} planted caught  {seconds:>6.0f} s  {outcome.promise} ({outcome.test})"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
