"""A person's word: what they edit, pin, block and bring back holds through updates and rewrites."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge import (
    Interaction,
    NotFoundError,
    Profiler,
    ProfilerOptions,
    ScriptedBackend,
    Store,
    UsageError,
    build_messages,
)
from bump_edge.profiler.corrections import block, edit, pin, rollback, unblock, unpin
from bump_edge.profiler.diff import diff
from bump_edge.profiler.word import Topic, Word
from bump_edge.store import Correction

ITEMS = [
    "Green Tea, loose", "Tea Pot, cast iron", "Acoustic Guitar Strings", "Guitar Strap, leather",
    "Green Tea, first flush", "Diet scale for weight loss",
]  # fmt: skip
TEA, GUITAR, DIET = "Buys green tea.", "Plays acoustic guitar.", "Buys a diet scale."
FLUTE = "Has a daughter who plays the flute."
ALL = f"{TEA} {GUITAR} {DIET}"


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "s.db") as opened:
        opened.ingest([Interaction(item=item, type="purchase") for item in ITEMS])
        opened.ingest([Interaction(text="plays guitar, watches his weight", type="note")])
        yield opened


def always(store: Store, text: str = ALL, **options: object) -> Profiler:
    """A profiler whose model writes the same whatever it is asked."""
    return Profiler(store, ScriptedBackend([text] * 40), options=ProfilerOptions(**options))  # type: ignore[arg-type]


def test_a_pinned_sentence_survives_rewrites_and_updates_word_for_word(store: Store) -> None:
    always(store).profile()
    assert pin(store, "local", "2").evidence[1].confirmed
    added = pin(store, "local", FLUTE)
    assert added.evidence[0].sentence == FLUTE
    assert added.evidence[0].interactions == ()
    for text in (TEA, DIET):
        for force in (True, False):
            store.ingest([Interaction(item=f"Green Tea {text} {force}")])
            profile = always(store, text).profile(force=force)
            assert [e.sentence for e in profile.evidence if e.confirmed] == [
                GUITAR,
                "Has a daughter who plays the flute.",
            ]
            assert profile.evidence[0].interactions  # a pin keeps its evidence


def test_a_correction_leaves_a_fresh_profile_fresh_and_a_stale_one_stale(store: Store) -> None:
    profiler = always(store)
    profiler.profile()
    pinned = pin(store, "local", "1")
    assert profiler.profile() == pinned
    store.ingest([Interaction(item="Green Tea, new")])
    pin(store, "local", "2")
    assert profiler.profile().origin == "update"


def test_unpin(store: Store) -> None:
    always(store).profile()
    pin(store, "local", "Speaks Dutch.")
    pin(store, "local", GUITAR)
    assert [e.sentence for e in unpin(store, "local", "Speaks Dutch.").evidence] == [TEA, GUITAR, DIET]
    assert not any(e.confirmed for e in unpin(store, "local", GUITAR).evidence)
    with pytest.raises(NotFoundError, match="no confirmed sentence"):
        unpin(store, "local", GUITAR)
    with pytest.raises(NotFoundError, match="expected 1 to 3"):
        pin(store, "local", "4")


def test_what_a_person_takes_out_does_not_come_back_and_what_they_write_stays(store: Store) -> None:
    always(store).profile()
    edited = edit(store, "local", f"{TEA} Lives in Ghent. {DIET}")
    assert edited.text == f"{TEA} Lives in Ghent. {DIET}"
    assert edited.origin == "edit"
    assert [e.confirmed for e in edited.evidence] == [False, True, False]
    again = always(store).profile(force=True)
    assert again.text == f"Lives in Ghent. {TEA} {DIET}"
    assert again.manifest["checks"]["dropped"] == {"rejected": 1}
    # a person may change their mind
    assert GUITAR in edit(store, "local", f"{again.text} {GUITAR}").text
    assert GUITAR in always(store).profile(force=True).text
    with pytest.raises(UsageError, match="empty"):
        edit(store, "local", "  ")


def test_a_block_works_on_the_prompt_the_profile_and_what_is_handed_over(store: Store) -> None:
    always(store).profile()
    done = block(store, "local", "guitars")
    assert done.dropped == (GUITAR,)
    assert done.profile is not None
    assert done.profile.text == f"{TEA} {DIET}"
    profiler = always(store)
    assert not [i for i in profiler.prompt().interactions if "uitar" in i.as_record()]
    rewritten = profiler.profile(force=True)
    assert rewritten.text == f"{TEA} {DIET}"
    assert rewritten.manifest["checks"]["dropped"] == {"blocked": 1}
    for mode in ("history", "profile+retrieved"):
        (system, _) = build_messages(store, "guitar strap", mode=mode)
        assert "uitar" not in system["content"]
    assert unblock(store, "local", "Guitars")
    assert always(store).profile().text == ALL
    assert not unblock(store, "local", "guitars")


def test_a_sentence_that_only_blocked_records_support_goes_too(store: Store) -> None:
    store.ingest([Interaction(item="Telecaster, butterscotch guitar")])
    always(store, f"{TEA} Owns a telecaster.").profile()
    assert block(store, "local", "guitar").dropped == ("Owns a telecaster.",)
    assert always(store, f"{TEA} Owns a telecaster.").profile(force=True).text == TEA


def test_a_pattern(store: Store) -> None:
    always(store).profile()
    assert block(store, "local", r"weight\s+loss|diet", is_pattern=True).dropped == (DIET,)
    assert always(store).profile(force=True).text == f"{TEA} {GUITAR}"
    with pytest.raises(UsageError, match="no regular expression"):
        block(store, "local", "(", is_pattern=True)
    with pytest.raises(UsageError, match="at least one word"):
        block(store, "local", "!!!")


def test_a_block_unpins_and_a_blocked_sentence_cannot_be_pinned(store: Store) -> None:
    always(store).profile()
    pin(store, "local", GUITAR)
    done = block(store, "local", "guitar")
    assert done.unpinned == (GUITAR,)
    assert GUITAR not in always(store).profile(force=True).text
    with pytest.raises(UsageError, match="unblock"):
        pin(store, "local", GUITAR)
    with pytest.raises(UsageError, match="blocked"):
        edit(store, "local", f"{TEA} {GUITAR}")


def test_a_block_that_leaves_nothing_says_so(store: Store) -> None:
    always(store, GUITAR).profile()
    done = block(store, "local", "guitar")
    assert (done.empty, done.profile, done.dropped) == (True, None, (GUITAR,))
    (system, _) = build_messages(store, "hello", mode="profile")
    assert "guitar" not in system["content"]


def test_an_embedder_sees_paraphrases(store: Store) -> None:
    def embed(texts):  # type: ignore[no-untyped-def]
        return [[1.0, 0.0] if "weight" in t or "diet" in t or t == "slimming" else [0.0, 1.0] for t in texts]

    always(store).profile()
    assert block(store, "local", "slimming").dropped == ()
    seeing = Profiler(store, ScriptedBackend([ALL]), embedder=embed)
    assert not [i for i in seeing.prompt().interactions if "weight" in i.as_record()]
    assert seeing.profile(force=True).text == f"{TEA} {GUITAR}"


def test_rollback_brings_a_version_back_without_what_was_blocked_since(store: Store) -> None:
    always(store).profile()
    edit(store, "local", TEA)
    with pytest.raises(UsageError, match="latest already"):
        rollback(store, "local", 2)
    block(store, "local", "diet")
    back = rollback(store, "local", 1)
    # the person took the other two out by editing: that still holds
    assert back.text == TEA
    edit(store, "local", f"{GUITAR} {TEA}")
    assert rollback(store, "local", 1).text == f"{TEA} {GUITAR}"
    with pytest.raises(NotFoundError, match="no version 99"):
        rollback(store, "local", 99)


def test_diff_says_what_changed_and_why(store: Store) -> None:
    profiler = Profiler(store, ScriptedBackend([ALL, f"{TEA} {GUITAR} Collects lute strings."]))
    profiler.profile()
    store.ingest([Interaction(item="Lute strings, gut: collects")])
    profiler.profile()
    found = {d.new or d.old: d for d in diff(store, "local")}
    assert found[TEA].change == "kept"
    assert found["Collects lute strings."].change == "added"
    assert [i.item for i in found["Collects lute strings."].causes] == ["Lute strings, gut: collects"]
    assert (found[DIET].change, found[DIET].reason) == ("removed", "overtaken by what is new")
    edit(store, "local", f"{TEA} Speaks Dutch.")
    found = {d.new or d.old: d for d in diff(store, "local", 2, 3)}
    assert found["Speaks Dutch."].reason == "a person wrote it"
    assert found[GUITAR].reason == "a person took it out"
    assert {d.as_dict()["change"] for d in found.values()} == {"kept", "added", "removed"}
    with pytest.raises(UsageError, match="earlier one first"):
        diff(store, "local", 3, 2)
    with pytest.raises(UsageError, match="first of user"):
        diff(store, "local", None, 1)


@pytest.mark.parametrize(
    ("topic", "text", "about"),
    [
        ("guitar", "A guitarist's strings", True),
        ("guitars", "Plays the GUITAR.", True),
        ("weight loss", "Losses of weight", True),
        ("weight loss", "Lifts weights", False),
        ("car", "Cartoons and carpets", False),
        ("tea", "Steam and team", False),
        ("café", "Sits in cafes", True),
        ("health", "A healthy diet", True),
        ("茶", "喝绿茶", False),
        ("politics", "Follows elections and parliaments", False),  # a paraphrase: an embedder's business
    ],
)
def test_what_a_topic_matches(topic: str, text: str, about: bool) -> None:
    assert Topic(topic).matches(text) == about


@given(st.text(min_size=1, max_size=30), st.text(max_size=60))
def test_a_topic_is_found_in_a_text_that_holds_it(topic: str, around: str) -> None:
    try:
        wanted = Topic(topic)
    except UsageError:
        return
    assert wanted.matches(topic)
    assert wanted.matches(f"{around} {topic} {around}") or wanted.matches(f"{topic}")


def test_corrections_the_later_word_wins(store: Store) -> None:
    from datetime import UTC, datetime

    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert store.correct("local", "topic", "diet", at=late)
    assert not store.correct("local", "topic", "diet", active=False, at=early)
    assert store.corrections("local") == [Correction(kind="topic", text="diet", at=late)]
    assert store.correct("local", "topic", "diet", active=False)
    assert store.corrections("local") == []
    assert [c.active for c in store.corrections("local", taken_back=True)] == [False]
    assert not Word.of(store.corrections("local", taken_back=True)).blocks
    for kind, text in (("pin", ""), ("pin", "x" * 1001), ("nonsense", "x")):
        with pytest.raises(UsageError):
            store.correct("local", kind, text)  # type: ignore[arg-type]
