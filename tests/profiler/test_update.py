"""Profile so far + what is new → new profile: what stays, what goes, when all is written anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bump_edge import Interaction, Profiler, ProfilerOptions, ScriptedBackend, Store
from bump_edge.errors import ProfileChangedError
from bump_edge.prompts import Prompt

START = datetime(2025, 1, 1)
TEA = "Buys green tea and a tea pot."
BIKES = "Rides mountain bikes."


def act(item: str, day: int, **fields: object) -> Interaction:
    return Interaction(item=item, type="purchase", timestamp=START + timedelta(days=day), **fields)  # type: ignore[arg-type]


HISTORY = [
    act("Green Tea, loose", 0),
    act("Tea Pot, cast iron", 1),
    act("Mountain Bikes guide: rides", 2),
    act("Green Tea", 3),
]


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "s.db") as opened:
        opened.ingest(HISTORY)
        yield opened


class Recording(ScriptedBackend):
    """Answers by the script and keeps what it was asked."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__(answers)
        self.asked: list[Prompt] = []

    def stream(self, prompts, options):  # type: ignore[no-untyped-def]
        self.asked += prompts
        return super().stream(prompts, options)


def test_an_update_reads_the_profile_and_what_is_new_and_nothing_else(store: Store) -> None:
    backend = Recording([f"{TEA} {BIKES}", f"{TEA} {BIKES} Collects lute strings."])
    profiler = Profiler(store, backend)
    first = profiler.profile()
    store.ingest([act("Lute strings, gut: collects", 10)])
    second = profiler.profile()
    assert [p.profile for p in backend.asked] == [None, first.text]
    assert [i.item for i in backend.asked[1].interactions] == ["Lute strings, gut: collects"]
    assert (second.version, second.origin) == (2, "update")
    assert second.manifest["update"] == {"from": 1, "new": 1, "kept": 2, "faded": [], "refused": []}
    # what was kept word for word keeps its evidence; what is new has the new
    assert second.evidence[0].interactions == first.evidence[0].interactions
    assert [i.item for i in second.evidence[2].interactions] == ["Lute strings, gut: collects"]
    assert profiler.profile() == second


def test_a_kept_sentence_gains_the_new_evidence(store: Store) -> None:
    profiler = Profiler(store, ScriptedBackend([TEA, TEA]))
    profiler.profile()
    store.ingest([act("Green Tea pot with sieve", 20)])
    (entry,) = profiler.profile().evidence
    assert "Green Tea pot with sieve" in {i.item for i in entry.interactions}
    assert "Tea Pot, cast iron" in {i.item for i in entry.interactions}


def test_a_kept_sentence_that_says_what_is_recent_must_hold_anew(store: Store) -> None:
    profiler = Profiler(store, ScriptedBackend([f"{TEA} Lately buys green tea.", f"{TEA} Lately buys green tea."]))
    assert len(profiler.profile().evidence) == 2
    store.ingest([act(f"Screwdriver {n}", 30 + n) for n in range(4)])
    profile = profiler.profile()
    assert profile.text == TEA
    assert profile.manifest["checks"]["dropped"] == {"unsupported": 1}


def test_what_nothing_confirms_for_long_fades(store: Store) -> None:
    backend = Recording([f"{TEA} {BIKES}", TEA])
    options = ProfilerOptions(fade_interactions=5, fade_days=30, rewrite_share=1.0)
    profiler = Profiler(store, backend, options=options)
    profiler.profile()
    store.ingest([act(f"Green Tea of day {day}", day) for day in range(40, 46)])
    profile = profiler.profile()
    assert backend.asked[1].profile == TEA  # the model is not even shown what faded
    assert profile.manifest["update"]["faded"] == [1]
    assert profile.text == TEA


def test_days_and_interactions_must_both_have_passed(store: Store) -> None:
    backend = Recording([f"{TEA} {BIKES}", f"{TEA} {BIKES}"])
    options = ProfilerOptions(fade_interactions=5, fade_days=100, rewrite_share=1.0)
    profiler = Profiler(store, backend, options=options)
    profiler.profile()
    store.ingest([act(f"Green Tea of day {day}", day) for day in range(40, 46)])
    assert profiler.profile().text == f"{TEA} {BIKES}"


@pytest.mark.parametrize(
    "options",
    [
        ProfilerOptions(update=False),
        ProfilerOptions(rewrite_after=0),
        ProfilerOptions(rewrite_share=0.1),
    ],
    ids=["no updates", "after so many updates", "too much is new"],
)
def test_when_all_is_written_anew(store: Store, options: ProfilerOptions) -> None:
    backend = Recording([TEA, TEA])
    profiler = Profiler(store, backend, options=options)
    profiler.profile()
    store.ingest([act("Green Tea again", 9)])
    assert profiler.profile().origin == "write"
    assert [p.profile for p in backend.asked] == [None, None]


def test_the_updates_are_counted_and_a_rewrite_starts_again(store: Store) -> None:
    profiler = Profiler(store, ScriptedBackend([TEA] * 6), options=ProfilerOptions(rewrite_after=2))
    origins = []
    for day in range(5):
        origins.append(profiler.profile().origin)
        store.ingest([act(f"Green Tea number {day}", 10 + day)])
    assert origins == ["write", "update", "update", "write", "update"]


def test_an_update_that_keeps_too_little_becomes_a_rewrite(store: Store) -> None:
    backend = Recording([f"{TEA} {BIKES}", "Collects lute strings.", f"{TEA} Collects lute strings."])
    profiler = Profiler(store, backend)
    profiler.profile()
    store.ingest([act("Lute strings: collects", 9)])
    profile = profiler.profile()
    assert profile.origin == "write"
    assert profile.manifest["drifted"] is True
    assert profile.text == f"{TEA} Collects lute strings."
    assert [p.profile is None for p in backend.asked] == [True, False, True]


def test_another_model_or_setting_writes_anew(store: Store) -> None:
    Profiler(store, ScriptedBackend([TEA])).profile()
    store.ingest([act("Green Tea again", 9)])
    changed = Profiler(store, ScriptedBackend([TEA]), options=ProfilerOptions(max_words=40))
    assert changed.profile().origin == "write"


def test_a_version_that_somebody_else_wrote_meanwhile_is_not_lost(store: Store, tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as other:

        class Slow(ScriptedBackend):
            """While it writes, somebody else does."""

            def stream(self, prompts, options):  # type: ignore[no-untyped-def]
                if other.versions("local") == []:
                    Profiler(other, ScriptedBackend([BIKES])).profile(force=True)
                return super().stream(prompts, options)

        Profiler(store, Slow([TEA, TEA])).profile(force=True)
    assert [store.profile("local", v).text for v in store.versions("local")] == [BIKES, TEA]


def test_a_draft_of_a_superseded_version_is_refused(store: Store) -> None:
    profile = Profiler(store, ScriptedBackend([TEA])).profile()
    from bump_edge.store import ProfileDraft

    draft = ProfileDraft(
        user_id="local", text=TEA, model="m", language="en", evidence=[(TEA, [profile.evidence[0].interactions[0].id])],
        manifest={}, recipe="r", revision=1, after=0,
    )  # fmt: skip
    with pytest.raises(ProfileChangedError, match="at version 1 by now"):
        store.save_profiles([draft])
    assert store.versions("local") == [1]
