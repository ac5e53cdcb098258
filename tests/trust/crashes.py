"""Gate: a crash, a full disk or a broken one costs nothing that was accepted, and brings nothing back."""

from __future__ import annotations

import json

from tests.trust.faults import preloaded
from tests.trust.gate import Outcome

SHORT = "--kills 64 --moments 16 --faults 33 --cuts 16"
LONG = "--kills 500 --every --moments 260 --faults 220 --cuts 480"
"""More than half of the cuts come to nothing, as something of the log is in the database by then."""
FIGURES = (
    "killed", "killed_at_a_moment", "injected", "refused", "survived", "wal_cut", "write_points", "failures",
)  # fmt: skip
AIMS = {"killed": 500, "injected": 200, "wal_cut": 200, "killed_at_a_moment": 200}
"""What the long mode must have reached: a write that is never asked for, or a process that was too fast, counts not."""


def run(*, long: bool) -> Outcome:
    """Kills and faults below every operation that writes; and operations that are broken on purpose."""
    amount = LONG if long else SHORT
    done = preloaded("tests.trust.crash", *amount.split())
    if not done.stdout.strip():
        raise RuntimeError(f"the crash harness ended with {done.returncode} and said nothing")
    said = json.loads(done.stdout.splitlines()[-1])
    planted = preloaded("tests.trust.crash", "--planted")
    caught = json.loads(planted.stdout.splitlines()[-1])
    short_of = [f"only {said.get(k, 0)} {k}: {aim} are the aim" for k, aim in AIMS.items() if said.get(k, 0) < aim]
    return Outcome(
        promise="No accepted interaction is lost, no profile is there by half, nothing forgotten comes back",
        test="kill -9 at write points and any moment, I/O errors, a cut write-ahead log, in every operation",
        tried=said["trials"],
        failures=[*said["first"], *(short_of if long else [])],
        planted=caught,
        figures={key: said.get(key, 0) for key in FIGURES},
    )
