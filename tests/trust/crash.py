"""The crash harness: every operation that writes, killed at a write or at any moment, or failed, and run again.

Run by `preloaded`, so that the shim of `faults.c` stands below SQLite. A trial is a forked process on a copy of what
the operation starts from; after it, a fresh process opens the store: nothing accepted may be lost, nothing be there by
half, nothing erased be back; then the operation is run again and must end as it does undisturbed.

    LD_PRELOAD=… python -m tests.trust.crash --kills 500 --faults 200 --seed 0
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.errors import BumpEdgeError
from tests.trust.faults import Fault, Shim
from tests.trust.operations import OPERATIONS, Operation, db, state
from tests.trust.planted import PLANTED

KILLS = (Fault.KILL, Fault.TEAR)
CUTS = (Fault.KILL,)
"""With the write-ahead log cut afterwards."""
FAULTS = (Fault.FULL, Fault.BROKEN, Fault.FULL_FOR_GOOD)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its signal (0 for none), what it told, and what it raised that is no error of ours.

    `injected` says whether the shim answered a write of its with an error.
    """

    signal: int
    told: list[str]
    raised: str
    refused: str
    injected: bool


def in_child(
    work: Callable[[Callable[[str], None]], Any], *, shim: Shim | None = None, kill_after: float | None = None
) -> Ended:
    """Do `work` in a forked process; it is given a way to tell.

    Args:
        work: it.
        shim: asked afterwards whether it failed a write.
        kill_after: seconds after which the process is killed, if it still runs.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        code = 0

        def tell(kind: str, what: str) -> None:
            os.write(write, (json.dumps([kind, what]) + "\n").encode())

        try:
            work(lambda what: tell("told", what))
        except BumpEdgeError as error:
            tell("refused", f"{type(error).__name__}: {error}")
        except BaseException as error:  # noqa: BLE001  (whatever it was, the parent must know)
            tell("raised", "".join(traceback.format_exception(error, limit=-3)))
        if shim is not None and shim.failed:
            tell("injected", "")
        os._exit(code)
    os.close(write)
    killer = threading.Timer(kill_after or 0, os.kill, (child, signal.SIGKILL))
    if kill_after is not None:
        killer.start()
    with os.fdopen(read, encoding="utf-8") as stream:
        lines = [json.loads(line) for line in stream]
    killer.cancel()
    if kill_after is not None:
        killer.join()  # before the child's number may be another's, and before the next fork
    _, status = os.waitpid(child, 0)

    def of(kind: str) -> list[str]:
        return [what for each, what in lines if each == kind]

    return Ended(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, of("told"), "".join(of("raised")),
                 "".join(of("refused")), bool(of("injected")))  # fmt: skip


class Harness:
    """Trials of one operation.

    Args:
        operation: it.
        shim: loaded in this process.
        home: a folder for its copies.
    """

    def __init__(self, operation: Operation, shim: Shim, home: Path) -> None:
        self.operation, self.shim = operation, shim
        self.template, self.home = home / "template", home
        self.cut = 0  # trials in which a write-ahead log was cut
        self.template.mkdir()
        ended = in_child(lambda _: operation.prepare(self.template))
        if ended.signal or ended.raised or ended.refused:
            raise RuntimeError(f"{operation.name} cannot be prepared: {ended}")
        folder = self._copy()

        def undisturbed(tell: Callable[[str], None]) -> None:
            shim.arm(folder, Fault.COUNT)
            begun = time.monotonic()
            operation.run(folder, lambda _: None)
            tell(str(shim.seen))
            tell(str(time.monotonic() - begun))

        ended = in_child(undisturbed)
        if ended.signal or ended.raised or ended.refused:
            raise RuntimeError(f"{operation.name} fails undisturbed: {ended}")
        self.writes, self.seconds = int(ended.told[0]), float(ended.told[1])
        self.end = self._looked(lambda tell: tell(json.dumps(state(db(folder)))), folder)

    def _copy(self) -> Path:
        folder = self.home / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.template, folder)
        return folder

    def _looked(self, look: Callable[[Callable[[str], None]], Any], folder: Path) -> list[str]:
        ended = in_child(look)
        if ended.signal or ended.raised or ended.refused:
            raise AssertionError(f"{folder.name} cannot be looked at: {ended.refused}{ended.raised}")
        return ended.told

    def trial(
        self, fault: Fault, at: int, *, wal_kept: float | None = None, kill_after: float | None = None
    ) -> tuple[Ended, list[str]]:
        """Interrupt at the `at`-th write, or after a time; how it ended, and what is wrong.

        Args:
            fault: what happens there.
            at: the write, from 1.
            wal_kept: cut the write-ahead log to this share of it afterwards, as a lost page cache does; what was told
                may then be undone, but nothing be there by half. Only where none of it is in the database yet: before
                SQLite writes it there it has it synced, and what was synced no crash takes away.
            kill_after: seconds after which it is killed wherever it is.
        """
        operation, folder = self.operation, self._copy()

        def disturbed(tell: Callable[[str], None]) -> None:
            self.shim.arm(folder, fault, at)
            try:
                operation.run(folder, tell)
            finally:
                self.shim.disarm()

        ended = in_child(disturbed, shim=self.shim, kill_after=kill_after)
        wal = db(folder).with_name("store.db-wal")
        untouched = db(folder).read_bytes() == db(self.template).read_bytes() if db(self.template).exists() else False
        if wal_kept is not None and wal.exists() and untouched:
            self.cut += 1
            os.truncate(wal, int(wal.stat().st_size * wal_kept))
        problems = []
        if ended.raised:
            problems.append(f"no error of ours: {ended.raised}")
        if ended.signal not in (0, signal.SIGKILL):
            problems.append(f"died of signal {ended.signal}")

        def look(tell: Callable[[str], None]) -> None:
            state(db(folder))
            for problem in operation.broken(folder, [] if wal_kept is not None else ended.told):
                tell(problem)

        def again(tell: Callable[[str], None]) -> None:
            operation.run(folder, lambda _: None)
            end = json.dumps(state(db(folder)))
            if operation.compared and [end] != self.end:
                tell("run again, it ends otherwise than undisturbed")
            for problem in operation.wrong(folder):
                tell(f"after it was run again: {problem}")

        for step in (look, again):
            after = in_child(step)
            problems += [*after.told, *filter(None, [after.raised, after.refused])]
            if after.signal:
                problems.append(f"looking at it died of signal {after.signal}")
        return ended, problems


def points(writes: int, count: int, rng: random.Random) -> list[int]:
    """`count` of the write points 1 to `writes`: all of them as often as they go, then some at random."""
    whole, rest = divmod(count, writes)
    return list(range(1, writes + 1)) * whole + sorted(rng.sample(range(1, writes + 1), rest))


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """How often operations are tried, all together.

    Args:
        kills: at write points.
        every: kill each operation at each of its write points at least, however many `kills` says.
        moments: kills at any moment.
        faults: writes answered with an error.
        cuts: kills after which the write-ahead log is cut, where nothing of it is in the database yet.
    """

    kills: int
    every: bool = False
    moments: int = 0
    faults: int = 0
    cuts: int = 0


def run(operations: Sequence[Operation], amount: Amount, seed: int) -> dict[str, Any]:
    """Try all operations; counts, and what was found wrong (the first 20)."""
    rng, shim = random.Random(seed), Shim()
    done: Counter[str] = Counter()
    writes: dict[str, int] = {}
    found: list[str] = []
    for number, operation in enumerate(operations):

        def share(total: int, number: int = number) -> int:
            return total // len(operations) + (number < total % len(operations))

        with tempfile.TemporaryDirectory(prefix="bump-edge-crash-") as home:
            harness = Harness(operation, shim, Path(home).resolve())
            writes[operation.name] = harness.writes

            def look(what: str, ended: Ended, problems: list[str], name: str = operation.name) -> None:
                done["trials"] += 1
                done["killed" if ended.signal else "refused" if ended.refused else "survived"] += 1
                done["injected"] += ended.injected
                found.extend(f"{name}, {what}: {p}" for p in problems)

            kills = max(share(amount.kills), harness.writes if amount.every else 0)
            for kinds, count in ((KILLS, kills), (FAULTS, share(amount.faults)), (CUTS, share(amount.cuts))):
                for n, at in enumerate(points(harness.writes, count, rng)):
                    fault = kinds[n % len(kinds)]
                    kept = rng.random() if kinds is CUTS else None
                    look(f"{fault.name} at {at}/{harness.writes}", *harness.trial(fault, at, wal_kept=kept))
            for _ in range(share(amount.moments)):
                after = rng.random() * harness.seconds
                ended, problems = harness.trial(Fault.COUNT, 0, kill_after=after)
                done["killed_at_a_moment"] += ended.signal == signal.SIGKILL
                look(f"killed after {after:.3f} of {harness.seconds:.3f} s", ended, problems)
            done["wal_cut"] += harness.cut
        print(f"{operation.name}: {harness.writes} write points, {len(found)} problems so far", file=sys.stderr)
    return {**done, "write_points": writes, "failures": len(found), "first": found[:20]}


def main(arguments: list[str]) -> int:
    """The command; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--every", action="store_true", help="kill at every write point at least")
    parser.add_argument("--moments", type=int, default=0, help="kills at any moment")
    parser.add_argument("--faults", type=int, default=24)
    parser.add_argument("--cuts", type=int, default=16, help="kills after which the write-ahead log is cut")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of operations")
    parser.add_argument("--planted", action="store_true", help="only what breaks a promise on purpose: was it seen?")
    given = parser.parse_args(arguments)
    if given.planted:
        amount = Amount(kills=given.kills, faults=given.faults)
        caught = {o.name: run([o], amount, given.seed)["failures"] > 0 for o in PLANTED}
        print(json.dumps(caught))
        return 0 if all(caught.values()) else 1
    chosen = [o for o in OPERATIONS if not given.only or o.name in given.only]
    amount = Amount(
        kills=given.kills, every=given.every, moments=given.moments, faults=given.faults, cuts=given.cuts
    )  # fmt: skip
    said = run(chosen, amount, given.seed)
    print(json.dumps(said))
    return 1 if said["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
