"""A desktop app that embeds bump-edge: a note-taking program that learns what its user works on.

Run it with ``python examples/desktop_app.py``. It keeps its store in a temporary directory, so that running it leaves
nothing behind; a real app leaves out the path and gets the platform's own.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bump_edge import (
    Interaction,
    NotFoundError,
    Profile,
    Profiler,
    Receipt,
    Store,
    block,
    build_messages,
    forget,
    pin,
    plan_forget,
)


class NotesApp:
    """The part of the app that knows its user; its methods are what the rest of the app calls."""

    def __init__(self, store: Store, profiler: Profiler) -> None:
        self.store = store
        self.profiler = profiler

    def saved(self, title: str, text: str, when: datetime) -> None:
        """The user saved a note: one more interaction."""
        self.store.ingest([Interaction(type="note", item=title, text=text, timestamp=when)])

    def question(self, text: str) -> list[dict[str, str]]:
        """What the app sends to its language model, local or not: the profile, but no note."""
        try:
            return build_messages(self.store, text, system="You help with notes.", mode="profile")
        except NotFoundError:
            return build_messages(self.store, text, system="You help with notes.", mode="none")

    def about_me(self) -> Profile:
        """The page "What this app knows about me": every sentence with the notes behind it."""
        return self.profiler.profile()

    def that_is_right(self, sentence: str) -> None:
        """The user confirmed a sentence, or wrote one: it stays."""
        pin(self.store, "local", sentence)

    def not_that(self, topic: str) -> Receipt:
        """The user wants a topic gone: bump-edge's copies of its notes, what was said about it, and what would be."""
        block(self.store, "local", topic)
        return forget(self.store, plan_forget(self.store, "local", topic=topic))


NOTES = [
    ("Sourdough, third try", "Hydration at 75 percent, bulk ferment five hours. Crumb is open at last."),
    ("Rye starter", "Feed the rye starter twice a day; it smells of apples when it is ripe."),
    ("Allotment plan", "Broad beans along the fence, garlic in the raised bed, compost by March."),
    ("Garlic", "Planted 40 cloves of garlic. Mulch with straw before the first frost."),
    ("Baguettes", "Shaping still too loose. Steam with ice cubes on a tray, score at a flat angle."),
    ("Compost heap", "Turn the compost every two weeks; more brown matter, it is too wet."),
    ("Sourdough with spelt", "A third of spelt flour makes the dough slack; shorten the bulk ferment."),
]


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "notes.db") as store,
        Profiler(store) as profiler,
    ):
        app = NotesApp(store, profiler)
        print(app.question("What should I bake on Sunday?")[0]["content"])
        for day, (title, text) in enumerate(NOTES, 1):
            app.saved(title, text, datetime(2026, 2, day, 20, tzinfo=UTC))
        profile = app.about_me()
        print(f"\nVersion {profile.version}: {profile.text}")
        for entry in profile.evidence:
            print(f"- {entry.sentence}")
            for interaction in entry.interactions:
                print(f"    {interaction.as_record(max_chars=100)}")
        print()
        print(app.question("What should I bake on Sunday?")[0]["content"])

        app.that_is_right("Bakes for a family of five.")
        receipt = app.not_that("compost")
        profile = app.about_me()
        print(f"\nVersion {profile.version}: {profile.text}")
        print(f"forgot {receipt.interactions} notes; traces found: {receipt.scan.found}")


if __name__ == "__main__":
    main()
