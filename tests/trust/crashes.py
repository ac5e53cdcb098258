"""Gate: a crash, a full disk or a broken one costs nothing that was accepted, and brings nothing back."""

from __future__ import annotations

import json

from tests.trust.faults import preloaded
from tests.trust.gate import Outcome


def run(*, long: bool) -> Outcome:
    """Kills and faults below every operation that writes; and operations that are broken on purpose."""
    kills, faults, cuts = ("500", "200", "200") if long else ("64", "32", "16")
    done = preloaded("tests.trust.crash", "--kills", kills, "--faults", faults, "--cuts", cuts)
    if not done.stdout.strip():
        raise RuntimeError(f"the crash harness ended with {done.returncode} and said nothing")
    said = json.loads(done.stdout.splitlines()[-1])
    planted = preloaded("tests.trust.crash", "--planted")
    caught = json.loads(planted.stdout.splitlines()[-1])
    return Outcome(
        promise="No accepted interaction is lost, no profile is there by half, nothing forgotten comes back",
        test="kill -9, I/O errors and a cut write-ahead log at the write points of every operation",
        tried=said["trials"],
        failures=said["first"],
        planted=caught,
        figures={key: said.get(key, 0) for key in ("killed", "refused", "survived", "wal_cut", "write_points")},
    )
