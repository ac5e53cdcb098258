"""Eight processes at one store: ``python -m tests.profiler.contention ROLE NUMBER STORE SECONDS``, and who starts them.

Two ingest, two bring profiles up to date, one forgets, one corrects, two read, all on the same four users. Every
interaction names its user, so that a text in the wrong place can be seen; every process prints what it did as JSON, so
that a lost write can be counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bump_edge import EmptyHistoryError, Interaction, NoProfileError, NotFoundError, Profiler, Store, build_messages
from bump_edge.profiler.corrections import pin, unpin
from bump_edge.profiler.forget import forget, plan_forget

USERS = ("anna", "bert", "carl", "dora")
ROLES = ("ingest", "ingest", "update", "update", "forget", "correct", "read", "read")
PLANTED = ("misplace", "undo", "impatient")
"""Processes that break a promise: text under another's name, a correction taken back, a write that does not wait."""
THINGS = ("lamps", "teapots", "bicycles", "lutes", "pens", "candles")


def item(user: str, number: int) -> Interaction:
    return Interaction(user_id=user, type="purchase", item=f"{THINGS[number % 6]} of {user} number {number}")


def work(role: str, number: int, path: Path, seconds: float) -> dict[str, Any]:
    done: Counter[str] = Counter()
    said: dict[str, list[str]] = {"pins": [], "forgotten": []}
    with Store(path, timeout=0 if role == "impatient" else 10) as store, Profiler(store, "extractive") as profiler:
        end = time.monotonic() + seconds
        turn = 0
        while time.monotonic() < end:
            user = USERS[(turn + number) % 4]
            turn += 1
            try:
                if role in ("ingest", "impatient"):
                    batch = [item(user, 1_000_000 * number + 5 * turn + k) for k in range(5)]
                    done["added"] += store.ingest(batch).added
                elif role == "update":
                    foreign(user, profiler.profile(user).text)
                elif role == "forget":
                    word = f"ephemeral{turn}x"
                    store.ingest([Interaction(user_id=user, item=f"{word} lamps of {user} {k}") for k in range(3)])
                    receipt = forget(store, plan_forget(store, user, topic=word))
                    assert receipt.interactions == 3, receipt
                    assert receipt.scan.found == 0, receipt
                    said["forgotten"].append(word)
                elif role == "correct":
                    sentence = f"Told {user} word{turn}x."
                    pin(store, user, sentence)
                    said["pins"].append(sentence)
                    time.sleep(0.2)
                elif role == "misplace":
                    store.ingest([Interaction(user_id=user, item=f"lamps of {USERS[(turn + number + 1) % 4]} {turn}")])
                elif role == "undo":
                    for correction in store.corrections(user)[:1]:
                        unpin(store, user, correction.text)
                else:
                    (system, _) = build_messages(store, "lamps", user_id=user, mode="profile+retrieved")
                    foreign(user, system["content"])
                    for found in store.search(user, "lamps teapots", limit=20):
                        foreign(user, found.as_record())
            except (NotFoundError, EmptyHistoryError, NoProfileError):
                done["not_there_yet"] += 1
                time.sleep(0.02)
            else:
                done[role] += 1
    return {"done": dict(done), **said}


def foreign(user: str, text: str) -> None:
    """Fail on a text of another user."""
    assert not any(other in text for other in USERS if other != user), (user, text)


def contend(path: Path, seconds: float, roles: Sequence[str] = ROLES) -> dict[str, Any]:
    """Run one process a role, then look at what they left; returns counts.

    Raises:
        AssertionError: a process failed, a write is lost, or a text is in the wrong place.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.profiler.contention", role, str(n), str(path), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n, role in enumerate(roles)
    ]
    counts: Counter[str] = Counter()
    pins: list[str] = []
    forgotten: list[str] = []
    for process in running:
        out, err = process.communicate(timeout=seconds + 240)
        assert process.returncode == 0, err[-3000:]
        report = json.loads(out)
        counts.update(report["done"])
        pins += report["pins"]
        forgotten += report["forgotten"]
    with Store(path) as store, Profiler(store, "extractive") as profiler:
        assert store.check() is None
        kept = [i for user in USERS if store.has_user(user) for i in store.iter_history(user)]
        assert len(kept) == counts["added"], (len(kept), counts)  # nothing lost, and nothing that was forgotten
        rows = 0
        for user in (u.user_id for u in store.users()):
            for interaction in store.iter_history(user):
                foreign(user, interaction.as_record())
                assert not any(word in interaction.as_record() for word in forgotten)
                rows += 1
            held = {c.text for c in store.corrections(user) if c.kind == "pin"}
            assert held == {p for p in pins if user in p}, "a correction was lost"
            profile = profiler.profile(user)
            assert {e.sentence for e in profile.evidence if e.confirmed} == held
            for version in store.versions(user):
                for entry in store.profile(user, version).evidence:
                    foreign(user, entry.sentence)
                    assert entry.interactions or entry.confirmed
                    for interaction in entry.interactions:
                        assert interaction.user_id == user
                        foreign(user, interaction.as_record())
        versions = sum(len(store.versions(u)) for u in USERS if store.has_user(u))
    return dict(counts) | {"rows": rows, "versions": versions, "pins": len(pins), "forgotten": len(forgotten)}


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))))
