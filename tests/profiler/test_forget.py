"""Forgetting: what goes, what stays, and the proof by bytes."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bump_edge import Interaction, NotFoundError, Profiler, ScriptedBackend, Store, UsageError
from bump_edge.profiler.corrections import pin
from bump_edge.profiler.forget import forget, plan_forget

START = datetime(2025, 1, 1, tzinfo=UTC)
TEA, LUTE, BOTH = "Buys green tea.", "Collects lute strings.", "Buys green tea and lute strings."
PRIVATE = "xylophonic-therapy-appointment"


def act(item: str, day: int, text: str | None = None, user_id: str = "local") -> Interaction:
    return Interaction(
        item=item, text=text, type="purchase", timestamp=START + timedelta(days=day), user_id=user_id
    )  # fmt: skip


HISTORY = [
    act("Green Tea, loose", 0),
    act("Green Tea, first flush", 1),
    act("Lute strings, gut: collects", 2),
    act("Lute strings, nylon: collects", 3, text=f"booked with {PRIVATE} " + "for the long term " * 400),
    act("Tea Pot", 4),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def store(path: Path):
    with Store(path) as opened:
        opened.ingest(HISTORY)
        opened.ingest([act("Lute strings of another", 2, user_id="other")])
        yield opened


def write(store: Store, text: str, user_id: str = "local") -> None:
    Profiler(store, ScriptedBackend([text])).profile(user_id, force=True)


def everything(path: Path) -> bytes:
    return b"".join(p.read_bytes() for p in path.parent.iterdir())


def test_a_topic_goes_with_every_sentence_about_it_in_every_version(store: Store, path: Path) -> None:
    write(store, f"{TEA} {LUTE}")
    write(store, LUTE)
    write(store, f"{BOTH} {LUTE}")
    write(store, TEA)
    plan = plan_forget(store, "local", topic="lutes")
    assert {i.item for i in plan.interactions} == {i.item for i in HISTORY if "Lute" in (i.item or "")}
    assert plan.sentences == {1: (LUTE,), 2: (LUTE,), 3: (BOTH, LUTE)}
    assert store.count("local") == 5  # a plan changes nothing
    receipt = forget(store, plan)
    assert receipt.clean
    assert (receipt.interactions, receipt.sentences) == (2, 4)
    assert (receipt.versions_changed, receipt.versions_deleted) == ((1,), (2, 3))
    assert receipt.scan.needles > 5
    assert receipt.scan.bytes > 10_000
    assert [store.profile("local", v).text for v in store.versions("local")] == [TEA, TEA]
    assert store.profile("local", 1).manifest["forgotten"] is True
    assert "selection_sha256" not in store.profile("local", 1).manifest["history"]
    # the other user's is untouched, and so are the words of what remains
    assert store.count("other") == 1
    assert store.search("other", "lute")
    assert not store.search("local", "lute")
    assert PRIVATE.encode() not in everything(path)
    assert b"nylon" not in everything(path)
    assert store.check() is None


def test_the_text_was_there_before_and_a_plain_delete_would_leave_it(store: Store, path: Path) -> None:
    """The scan can fail: it finds what an ordinary DELETE without secure_delete leaves behind."""
    assert PRIVATE.encode() in everything(path)
    (secret,) = [i for i in HISTORY if i.text]
    store._connection.rows("PRAGMA secure_delete = OFF")
    store.truncate_wal()
    with store._connection.writing() as sql:
        sql.execute("DELETE FROM interactions WHERE digest = ?", (secret.digest,))
    store.truncate_wal()
    from bump_edge.store.scanning import needles

    assert store.scan(needles([secret])).found > 0


def test_the_scan_does_not_count_what_remaining_rows_hold(store: Store) -> None:
    from bump_edge.store.scanning import needles

    assert store.scan(needles(HISTORY)).found == 0
    assert store.scan([b"not there at all"]).found == 0


def test_one_interaction_and_a_sentence_that_others_support_stays(store: Store) -> None:
    write(store, f"{TEA} {LUTE}")
    first = HISTORY[0]
    receipt = forget(store, plan_forget(store, "local", interactions=[first.id[:10]]))
    assert receipt.clean
    profile = store.profile("local")
    assert profile.text == f"{TEA} {LUTE}"
    assert first.id not in {i.id for e in profile.evidence for i in e.interactions}
    assert profile.evidence[0].interactions
    with pytest.raises(NotFoundError):
        plan_forget(store, "local", interactions=[first.id])


def test_a_word_that_only_the_forgotten_had_takes_its_sentence_along(store: Store) -> None:
    write(store, f"{TEA} {BOTH}")
    lutes = [i.id for i in HISTORY if "Lute" in (i.item or "")]
    forget(store, plan_forget(store, "local", interactions=lutes))
    assert store.profile("local").text == TEA


def test_a_span_of_time(store: Store) -> None:
    plan = plan_forget(store, "local", since=START + timedelta(days=1), until=START + timedelta(days=3))
    assert [i.item for i in plan.interactions] == ["Green Tea, first flush", "Lute strings, gut: collects"]
    forget(store, plan)
    assert [i.item for i in store.history("local")] == [
        "Green Tea, loose",
        "Lute strings, nylon: collects",
        "Tea Pot",
    ]
    store.ingest([Interaction(item="no time")])
    assert not plan_forget(store, "local", until=START).interactions


def test_a_whole_user(store: Store, path: Path) -> None:
    write(store, TEA)
    pin(store, "local", "Has an unmistakable quokka.")
    receipt = forget(store, plan_forget(store, "local", everything=True))
    assert receipt.clean
    assert receipt.versions_deleted == (1, 2)
    assert receipt.user_id.startswith("sha256:")
    assert not store.has_user("local")
    assert store.has_user("other")
    for gone in (PRIVATE.encode(), b"first flush", b"quokka"):
        assert gone not in everything(path)


def test_what_was_forgotten_does_not_come_back_with_its_log(store: Store) -> None:
    forget(store, plan_forget(store, "local", topic="lute"))
    report = store.ingest(HISTORY)
    assert (report.added, report.duplicates, report.forgotten) == (0, 3, 2)
    # what is new is taken in, also in the same batch; another user may have the very same
    report = store.ingest([*HISTORY, act("Green Tea, new", 9), act("Lute strings, gut: collects", 2, user_id="other")])
    assert (report.added, report.forgotten) == (2, 2)
    assert store.check() is None


def test_a_pin_about_a_forgotten_topic_goes_too(store: Store, path: Path) -> None:
    write(store, TEA)
    pin(store, "local", "Plays the lute on Saturnalia.")
    pin(store, "local", TEA)
    receipt = forget(store, plan_forget(store, "local", topic="lute"))
    assert receipt.clean
    assert [c.text for c in store.corrections("local", taken_back=True)] == [TEA]
    assert b"Saturnalia" not in everything(path)


def test_a_person_confirmed_sentence_stays_without_its_evidence(store: Store) -> None:
    write(store, f"{TEA} {LUTE}")
    pin(store, "local", LUTE)
    forget(store, plan_forget(store, "local", interactions=[i.id for i in HISTORY if "Lute" in (i.item or "")]))
    assert [(e.sentence, e.interactions) for e in store.profile("local").evidence if e.confirmed] == [(LUTE, ())]


@pytest.mark.parametrize("named", [{}, {"topic": "a", "everything": True}, {"interactions": ["aa"], "since": START}])
def test_exactly_one_thing_is_named(store: Store, named: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="one of"):
        plan_forget(store, "local", **named)  # type: ignore[arg-type]


def test_the_receipt_says_how_much_and_never_what(store: Store) -> None:
    write(store, f"{TEA} {LUTE}")
    said = str(forget(store, plan_forget(store, "local", topic="lute")).as_dict())
    assert "lute" not in said.lower()
    assert "'clean': True" in said


def test_a_reader_of_an_older_state_is_reported(store: Store, path: Path) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM interactions").fetchone()
    store._connection.rows("PRAGMA busy_timeout = 50")
    receipt = forget(store, plan_forget(store, "local", topic="lute"))
    assert not receipt.wal_truncated
    assert not receipt.clean
    reader.close()
    assert store.truncate_wal()


def test_nothing_is_deleted_when_the_store_cannot_be_written(store: Store, path: Path) -> None:
    write(store, f"{TEA} {LUTE}")
    plan = plan_forget(store, "local", topic="lute")
    with store._connection.use() as sql:
        sql.execute(
            "CREATE TEMP TRIGGER broken BEFORE DELETE ON main.interactions BEGIN SELECT RAISE(ABORT, 'disk'); END"
        )
    with pytest.raises(Exception, match="disk"):
        forget(store, plan)
    assert store.count("local") == 5
    assert store.profile("local").text == f"{TEA} {LUTE}"


# words that no schema and no other word holds
word = st.sampled_from(["teaq", "lutez", "inkvo", "bikejo", "potzu", "stringox", "penqui", "lampyx"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(word, min_size=1, max_size=3), min_size=2, max_size=12), word, st.randoms())
def test_after_a_topic_is_forgotten_no_row_holds_it(tmp_path: Path, items: list[list[str]], topic: str, rng) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"{rng.random()}.db"
    with Store(path) as store:
        store.ingest([act(" ".join(words), day) for day, words in enumerate(items)])
        write_all = [f"Buys {' and '.join(words)}." for words in items]
        Profiler(store, ScriptedBackend([" ".join(write_all)])).profile()
        forget(store, plan_forget(store, "local", topic=topic))
        assert not any(topic in (i.item or "") for i in store.history("local"))
        for version in store.versions("local"):
            assert topic not in store.profile("local", version).text
        assert not store.search("local", topic)
        assert store.check() is None
        assert store.truncate_wal()
    assert topic.encode() not in path.read_bytes()
