"""A year of one user, updated weekly: what the profile says at each month's end, for updates and for full rewrites.

`current`: share of that month's topics that the profile names; `past`: share of those that have been over for two
months that it still names; `corrections`: share of what the person said so far that holds; `words_kept`: share of the
sentences of one week that are there in the next, word for word; `tokens`: words read in prompts over the whole year,
by the backend's count. The plot goes to ``.cache/bench/year.svg``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bump_edge import Profile, Profiler, ProfilerOptions, Store
from bump_edge.profiler.corrections import block, edit, pin
from tests.bench.year import BLOCKED, TOPICS, Topic, weeks

SEEDS = (0, 1, 2)
PINNED, WRITTEN = "Plays in a band on Fridays.", "Has a twin sister."
MODES = {"update": ProfilerOptions(), "rewrite": ProfilerOptions(update=False)}


class Person:
    """Corrects the profile on four days of the year, and knows what should hold since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._checks: list[Callable[[Profile], bool]] = []
        self._steps = [(2, self._pin), (4, self._take_out), (6, self._write), (8, self._block)]

    def look(self, month: int, profile: Profile) -> None:
        while self._steps and month >= self._steps[0][0]:
            self._steps.pop(0)[1](profile)

    def kept(self, profile: Profile) -> float | None:
        return sum(check(profile) for check in self._checks) / len(self._checks) if self._checks else None

    def _pin(self, _: Profile) -> None:
        pin(self._store, "local", PINNED)
        self._checks.append(lambda p: PINNED in p.text)

    def _take_out(self, profile: Profile) -> None:
        gone = next(e.sentence for e in reversed(profile.evidence) if not e.confirmed)
        edit(self._store, "local", " ".join(e.sentence for e in profile.evidence if e.sentence != gone))
        self._checks.append(lambda p: gone not in p.text)

    def _write(self, profile: Profile) -> None:
        edit(self._store, "local", f"{profile.text} {WRITTEN}")
        self._checks.append(lambda p: WRITTEN in p.text)

    def _block(self, _: Profile) -> None:
        block(self._store, "local", BLOCKED.name)
        self._checks.append(lambda p: not names(p, BLOCKED))


def names(profile: Profile, topic: Topic) -> bool:
    """Whether the profile speaks of the topic, in what the model wrote."""
    text = " ".join(e.sentence for e in profile.evidence if not e.confirmed).casefold()
    return any(word in text for word in topic.words)


def live(options: ProfilerOptions, seed: int) -> dict[str, Any]:
    """One year in one mode: a row a month, and what it cost."""
    months: dict[int, dict[str, float | None]] = {}
    tokens, kept, sentences, updates, calls = 0, 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.db") as store:
        person = Person(store)
        profiler = Profiler(store, "extractive", options=options)
        before: set[str] = set()
        for day, acts in weeks(seed):
            store.ingest(acts)
            profile = profiler.profile()
            calls += 1
            updates += profile.origin == "update"
            tokens += profile.manifest["tokens"]["prompt"]
            now = {e.sentence for e in profile.evidence}
            kept, sentences, before = kept + len(now & before), sentences + len(before), now
            person.look(day.month, profile)
            profile = store.profile("local")
            current = [t for t in TOPICS if t.current(day.month)]
            past = [t for t in TOPICS if t.past(day.month) and not t.current(day.month - 1)]
            months[day.month] = {
                "current": share(profile, current),
                "past": share(profile, past),
                "corrections": person.kept(profile),
            }
    return {
        "months": [months[m] for m in sorted(months)],
        "tokens": tokens,
        "words_kept": round(kept / max(1, sentences), 3),
        "updates": updates,
        "profiles": calls,
    }


def share(profile: Profile, topics: list[Topic]) -> float | None:
    """Share of `topics` that the profile names; None of none."""
    return sum(names(profile, t) for t in topics) / len(topics) if topics else None


def run() -> dict[str, Any]:
    """Monthly means over three made-up years, for both modes, and a plot."""
    modes = {}
    for mode, options in MODES.items():
        years = [live(options, seed) for seed in SEEDS]
        months = [
            {key: mean([year["months"][m][key] for year in years]) for key in ("current", "past", "corrections")}
            for m in range(12)
        ]
        modes[mode] = {
            "months": months,
            "year": {key: mean([m[key] for m in months]) for key in ("current", "past", "corrections")},
            **{key: mean([year[key] for year in years]) for key in ("tokens", "words_kept", "updates", "profiles")},
        }
    plot(modes, Path(__file__).parents[2] / ".cache" / "bench" / "year.svg")
    ratio = modes["update"]["tokens"] / modes["rewrite"]["tokens"]
    return {"years": len(SEEDS), "modes": modes, "tokens_update_to_rewrite": round(ratio, 3)}


def mean(values: list[float | None]) -> float | None:
    """The mean of those that are there, to three digits."""
    there = [v for v in values if v is not None]
    return round(sum(there) / len(there), 3) if there else None


def plot(modes: dict[str, Any], path: Path) -> None:
    """Both modes over the months, one panel a figure."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    titles = {"current": "current interests named", "past": "past ones still named", "corrections": "corrections kept"}
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3), sharey=True)
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        for mode, figures in modes.items():
            axis.plot(range(1, 13), [m[key] for m in figures["months"]], marker="o", label=mode)
        axis.set(title=title, xlabel="month", ylim=(-0.05, 1.05))
    axes[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


if __name__ == "__main__":
    print(run())
