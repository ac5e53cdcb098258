"""Gate: several processes on one store."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.profiler import contention
from tests.trust.gate import Outcome


def run(*, long: bool) -> Outcome:
    """Eight processes that ingest, update, forget, correct and read; every row is traced to its owner afterwards."""
    seconds = 120.0 if long else 8.0
    failures = []
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = contention.contend(Path(folder) / "store.db", seconds)
        except AssertionError as error:
            failures.append(str(error)[:500])
    return Outcome(
        promise="Processes that share a store meet no lock error, lose nothing, and never see another user's text",
        test=f"{len(contention.ROLES)} processes for {seconds:g} s",
        tried=sum(counts.get(role, 0) for role in set(contention.ROLES)),
        failures=failures,
        planted=planted(),
        figures=counts,
    )


def planted() -> dict[str, bool]:
    """A ninth process that breaks the promise: is it seen?"""
    seen = {}
    for role in contention.PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            try:
                contention.contend(Path(folder) / "store.db", 3.0, (*contention.ROLES, role))
                seen[role] = False
            except AssertionError:
                seen[role] = True
    return seen
