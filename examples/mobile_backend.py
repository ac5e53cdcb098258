"""A mobile backend's nightly job: many users, one store, profiles out as JSON Lines.

Run it with ``python examples/mobile_backend.py [HISTORY.jsonl]``. Without a file it makes a small one. The job can be
stopped at any time and started again: what was stored is safe, and users whose history did not change cost nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from bump_edge import AsyncProfiler, AsyncStore, Profile

CATALOGUE = {
    "trails": ["Ridge trail at sunrise", "Lakeside loop trail", "Steep forest trail", "Ridge trail with snow"],
    "recipes": ["Lentil curry", "Chickpea curry", "Quick tomato soup", "Lentil soup with lemon"],
    "chess": ["Sicilian opening puzzle", "Rook endgame puzzle", "Queen endgame study", "Sicilian opening trap"],
}


def make_history(path: Path, users: int) -> None:
    """Write a history of app events, a few for each of `users` users."""
    topics = list(CATALOGUE)
    with path.open("w", encoding="utf-8") as out:
        for number in range(users):
            topic = topics[number % len(topics)]
            for day, item in enumerate(CATALOGUE[topic] * 2, 1):
                event = {
                    "user_id": f"user-{number:04}",
                    "timestamp": f"2026-05-{day:02}T07:{number % 60:02}:00Z",
                    "type": "open",
                    "item": item,
                    "section": topic,
                }
                out.write(json.dumps(event) + "\n")


async def nightly(store: AsyncStore, history: Path) -> AsyncIterator[Profile]:
    """Take in the day's events and bring the profiles of the users that they touch up to date."""
    report = await store.ingest_file(history)
    print(f"{report.added} new events of {len(report.users)} users, {report.duplicates} known", file=sys.stderr)
    async with AsyncProfiler(store) as profiler:
        async for profile in profiler.profile_many(report.users):
            yield profile


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            history = Path(sys.argv[1])
        else:
            history = Path(folder) / "events.jsonl"
            make_history(history, users=12)
        async with AsyncStore(Path(folder) / "backend.db") as store:
            for night in ("first", "second"):
                written = [profile async for profile in nightly(store, history)]
                versions = {profile.version for profile in written}
                print(f"{night} night: {len(written)} profiles, versions {sorted(versions)}", file=sys.stderr)
            for profile in written:
                print(json.dumps({"user_id": profile.user_id, "text": profile.text}))


if __name__ == "__main__":
    asyncio.run(main())
