"""Export and import: the file, and what a merge keeps."""

import io
import stat
from pathlib import Path

import pytest

from bump_edge.errors import InputError, NotFoundError
from bump_edge.store import Derived, ImportReport, Store
from bump_edge.types import Interaction, from_timestamp_ms
from tests.store.transfer_help import act, dump, fill, load, open_new, save, state


def test_a_round_trip_into_an_empty_store_is_byte_exact(store: Store, tmp_path: Path) -> None:
    fill(store)
    fill(store, range(20, 27), user="bob \U0001f600")
    store.ingest([Interaction(text="b, no time"), Interaction(text="a, no time")])
    file = tmp_path / "out.jsonl"
    report = store.export_file(file)
    assert (report.users, report.interactions, report.versions, report.corrections, report.marks) == (3, 13, 4, 4, 2)
    assert file.stat().st_size == report.bytes
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == ["out.jsonl"]
    assert dump(store) == file.read_bytes()
    with open_new(tmp_path, "other") as other:
        done = other.import_file(file)
        assert (done.users, done.new_users, done.added, done.versions) == (3, 3, 13, 4)
        assert dump(other) == file.read_bytes()
        assert state(other) == state(store)
        assert [i.text for i in other.history("local")] == ["b, no time", "a, no time"]
        assert other.check() is None
        assert other.search("anna", "kettle")
        assert [u.interactions for u in other.users()] == [5, 6, 2]
        # what came is not up to date, whatever the recipe
        assert other.stale(["anna"], "r") == ["anna"]
        standing = other.standing("anna")
        assert standing is not None
        assert (standing.position, standing.revision) == (0, -1)
        # what was forgotten there stays forgotten here
        assert other.ingest([act(5)]).forgotten == 1


def test_a_number_that_sqlite_does_not_keep_can_be_moved(store: Store, tmp_path: Path) -> None:
    made = Interaction(text="minus nothing", rating=-0.0, user_id="anna")
    store.ingest([made])
    save(store, [("Rates nothing.", [made])])
    with open_new(tmp_path, "other") as other:
        load(other, dump(store))
        assert dump(other) == dump(store)


def test_importing_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    fill(store)
    data = dump(store)
    before = [*store._connection.rows("SELECT * FROM users"), *store._connection.rows("SELECT * FROM profiles")]
    assert load(store, data) == ImportReport(users=1, interactions=5, duplicates=5)
    after = [*store._connection.rows("SELECT * FROM users"), *store._connection.rows("SELECT * FROM profiles")]
    assert after == before
    with open_new(tmp_path, "other") as other:
        load(other, data)
        rows = other._connection.rows("SELECT * FROM users")
        assert load(other, data) == ImportReport(users=1, interactions=5, duplicates=5)
        assert other._connection.rows("SELECT * FROM users") == rows


def test_a_cut_at_every_byte_and_a_change_of_every_byte_is_refused(store: Store, tmp_path: Path) -> None:
    store.ingest([act(1), act(2)])
    save(store, [("Likes kettles.", [act(1)])])
    store.correct("anna", "pin", "Likes kettles.", at=from_timestamp_ms(5))
    store.forget("anna", [act(2)])
    data = dump(store)
    with open_new(tmp_path, "other") as other:
        broken = [data[:n] for n in range(len(data))]
        broken += [
            data[:n] + bytes([byte ^ bits]) + data[n + 1 :] for n, byte in enumerate(data) for bits in (1, 32, 255)
        ]
        broken += [data[:n] + data[n + 1 :] for n in range(len(data))]
        broken += [data[:n] + extra + data[n:] for n in range(len(data) + 1) for extra in (b"\n", b" ")]
        for wrong in broken:
            with pytest.raises(InputError, match=r"incomplete or was changed|is no export of|update bump-edge"):
                load(other, wrong)
        for extra in (b"\0", data, data.splitlines(keepends=True)[-1], b"{}\n"):
            with pytest.raises(InputError):
                load(other, data + extra)
        assert other.users() == []
        assert other._connection.rows("SELECT count(*) FROM profiles") == [(0,)]
        assert load(other, data).added == 1


def test_two_devices_edited_apart_end_the_same_both_ways(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        common = fill(a)
        load(b, dump(a))
        a.ingest([act(n) for n in range(10, 14)])
        b.ingest([act(n) for n in range(12, 18)])
        a.correct("anna", "pin", "Reads maps.", at=from_timestamp_ms(10_000))
        b.correct("anna", "pin", "Reads maps.", at=from_timestamp_ms(5))
        b.correct("anna", "pin", "Reads maps.", active=False, at=from_timestamp_ms(20_000))
        b.correct("anna", "topic", "tea", at=from_timestamp_ms(4000))
        a.correct("anna", "reject", "Is rude.", at=from_timestamp_ms(1))
        b.correct("anna", "pattern", "x+", at=from_timestamp_ms(6))
        b.correct("anna", "pattern", "x+", active=False, at=from_timestamp_ms(7))
        a.correct("anna", "pattern", "x+", at=from_timestamp_ms(7))
        save(a, [("Made on a.", [act(10)])])
        save(b, [("Made on b.", [act(17)]), ("Of both.", [act(12), common[0]])])
        from_a, from_b = dump(a), dump(b)
        first = load(a, from_b)
        assert (first.added, first.duplicates, first.versions, first.corrections) == (4, 7, 1, 2)
        second = load(b, from_a)
        assert (second.added, second.versions, second.corrections) == (2, 1, 2)
        assert dump(a) == dump(b)
        assert state(a) == state(b)
        assert [i.id for i in a.history("anna")] == [act(n).id for n in (0, 1, 2, 3, 4, *range(10, 18))]
        assert a.versions("anna") == [1, 2, 3, 4]
        assert [(c.kind, c.text) for c in a.corrections("anna")] == [
            ("reject", "Is rude."), ("pattern", "x+"), ("pin", "Is kind."), ("topic", "tea"),
        ]  # fmt: skip
        assert a.stale(["anna"], "r") == b.stale(["anna"], "r") == ["anna"]
        assert a.check() is None


def test_what_one_device_forgot_goes_on_the_other_and_does_not_come_back(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b, open_new(tmp_path, "c") as c:
        acts = [act(n) for n in range(6)]
        for store in (a, b):
            store.ingest(acts)
        save(a, [("Only of it.", [acts[3]])])
        save(a, [("Looked at.", acts[2:4]), ("Rests on it.", acts[3:5]), ("The rest.", acts[:2])])
        load(b, dump(a))
        old = dump(b)
        # as `Profiler.forget` does: it finds that the first sentence holds without
        a.forget("anna", [acts[3]], [Derived(version=2, keep={0: [acts[2].id], 2: [i.id for i in acts[:2]]})])
        assert a.versions("anna") == [2]
        from_a = dump(a)
        assert b"number 3 " not in from_a
        assert acts[3].id.encode() not in from_a
        assert b"Only of it" not in from_a
        assert load(a, old).added == 0
        done = load(b, from_a)
        assert (done.removed, done.versions_removed, done.versions_changed) == (1, 1, 1)
        assert b.scan([b"bought kettle number 3 ", b"Only of it.", b"Rests on it."]).found == 0
        assert b.check() is None
        for store in (a, b):
            assert [e.sentence for e in store.profile("anna").evidence] == ["Looked at.", "The rest."]
            assert store.profile("anna").evidence[0].interactions == (acts[2],)
            assert store.versions("anna") == [1]
            assert store.count("anna") == 5
            assert store.ingest([acts[3]]).forgotten == 1
        assert dump(a) == dump(b)
        # the mark goes on to a store that never saw the interaction, and to one that still has it
        c.ingest(acts[3:4])
        save(c, [("On c alone.", [acts[3]])])
        assert load(c, dump(b)).removed == 1
        assert (c.count("anna"), c.versions("anna")) == (5, [1])
        load(b, old)
        load(b, dump(c))
        assert dump(b) == dump(c)


def test_no_word_of_what_another_device_forgot_is_left_in_the_search_index(path: Path, tmp_path: Path) -> None:
    secret = Interaction(text="saw the oncologistxq today", timestamp=from_timestamp_ms(1))
    with open_new(tmp_path, "a") as a, Store(path) as b:
        for store in (a, b):
            store.ingest([secret, Interaction(text="made tea", timestamp=from_timestamp_ms(2))])
        assert b.scan([b"oncologistxq"]).needles == 1
        assert b"oncologistxq" in path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
        a.forget("local", [secret])
        assert load(b, dump(a)).removed == 1
        assert b"oncologistxq" not in path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()


def test_a_version_that_forgetting_took_does_not_come_back_and_the_one_before_is_not_up_to_date(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        a.ingest([act(0)])
        b.ingest([act(0)])
        save(b, [("Likes kettles.", [act(0)])])
        save(b, [("Is ill.", [])], confirmed=["Is ill."], origin="edit")
        load(a, dump(b))
        a.forget("anna", [], [Derived(version=2, keep={})])
        assert a.versions("anna") == [1]
        load(a, dump(b))
        assert a.versions("anna") == [1]
        assert b.stale(["anna"], "r") == []
        assert load(b, dump(a)).versions_removed == 1
        assert [b.profile("anna", v).text for v in b.versions("anna")] == ["Likes kettles."]
        assert b.stale(["anna"], "r") == ["anna"]
        assert dump(a) == dump(b)


def test_a_sentence_that_nobody_looked_at_without_all_that_was_forgotten_goes(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        acts = [act(n) for n in range(3)]
        a.ingest(acts)
        save(a, [("Of three.", acts), ("Of one.", acts[2:])])
        load(b, dump(a))
        for store, gone in ((a, 0), (b, 1)):
            left = [i.id for n, i in enumerate(acts) if n != gone]
            store.forget("anna", [acts[gone]], [Derived(version=1, keep={0: left, 1: [acts[2].id]})])
        from_a = dump(a)
        load(a, dump(b))
        load(b, from_a)
        assert [e.sentence for e in a.profile("anna").evidence] == ["Of one."]
        assert dump(a) == dump(b)


def test_a_correction_that_was_forgotten_does_not_come_back_and_a_later_word_stands(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        a.ingest([act(0)])
        for text in ("Is ill.", "Is kind."):
            a.correct("anna", "pin", text)
        load(b, dump(a))
        a.forget("anna", [], corrections=["Is ill."])
        assert b"Is ill" not in dump(a)
        assert load(a, dump(b)).corrections == 0
        assert load(b, dump(a)).corrections_removed == 1
        assert b.scan([b"Is ill."]).found == 0
        assert [c.text for c in a.corrections("anna")] == [c.text for c in b.corrections("anna")] == ["Is kind."]
        assert dump(a) == dump(b)
        assert b.correct("anna", "pin", "Is ill.")
        load(a, dump(b))
        assert [c.text for c in a.corrections("anna")] == ["Is kind.", "Is ill."]
        assert dump(a) == dump(b)


def test_a_copy_without_evidence_does_not_vouch_for_a_sentence(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        acts = [act(0), act(1)]
        a.ingest(acts)
        save(a, [("Of the first.", acts[:1]), ("Of the second.", acts[1:])])
        load(b, dump(a, histories=False))
        b.ingest(acts[:1])
        b.forget("anna", acts[:1])
        from_a = dump(a)
        load(a, dump(b))
        load(b, from_a)
        assert [e.sentence for e in b.profile("anna").evidence] == ["Of the second."]
        assert dump(a) == dump(b)


def test_a_later_device_forgets_what_came_with_an_import(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        acts = fill(a)
        load(b, dump(a))
        b.forget("anna", [acts[0]])
        assert [len(b.profile("anna", v).evidence) for v in b.versions("anna")] == [1, 1]
        assert load(a, dump(b)).removed == 1
        assert dump(a) == dump(b)


def test_without_histories(store: Store, tmp_path: Path) -> None:
    acts = fill(store)
    data = dump(store, histories=False)
    assert b"bought kettle" not in data
    assert b"selection_sha256" not in data
    assert b"marks" not in data
    assert not any(i.id.encode() in data for i in acts)
    with open_new(tmp_path, "other") as other:
        load(other, data)
        profile = other.profile("anna", 1)
        assert (profile.text, profile.origin) == ("Likes kettles. Buys often.", "import")
        assert profile.manifest["imported"] == {"origin": "write", "evidence": [2, 3]}
        assert [c.text for c in other.corrections("anna")] == ["Is kind."]
        assert (other.count("anna"), other.stale(["anna"], "r")) == (0, ["anna"])
        assert dump(other, histories=False) == data
        # evidence comes later, with the histories
        load(other, dump(store))
        assert dump(other) == dump(store)
        load(other, data)
        assert dump(other) == dump(store)
    with open_new(tmp_path, "careful") as careful:
        careful.ingest([act(1)])
        careful.forget("anna", [act(1)])
        assert load(careful, data).withheld == 2
        assert careful.versions("anna") == []
        load(careful, dump(store))
        assert [e.sentence for e in careful.profile("anna").evidence] == ["Is kind."]


def test_other_users_are_left_alone_and_users_can_be_chosen(store: Store, tmp_path: Path) -> None:
    fill(store)
    fill(store, range(30, 36), user="bob")
    out = io.BytesIO()
    store.export_file(out, user_ids=["bob", "bob"])
    assert b"anna" not in out.getvalue()
    with pytest.raises(NotFoundError, match="no user 'carl'"):
        store.export_file(tmp_path / "x", user_ids=["carl"])
    assert not (tmp_path / "x").exists()
    with open_new(tmp_path, "other") as other:
        other.ingest([act(50), act(31, "bob")])
        row = other._connection.rows("SELECT * FROM users WHERE user_id = 'anna'")
        load(other, out.getvalue())
        assert [u.user_id for u in other.users()] == ["anna", "bob"]
        assert other._connection.rows("SELECT * FROM users WHERE user_id = 'anna'") == row
        assert other.count("bob") == 5


def test_equal_meta_in_another_order_is_one_interaction(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        when = from_timestamp_ms(1)
        a.ingest([Interaction(text="t", timestamp=when, meta={"b": 1, "a": 2})])
        b.ingest([Interaction(text="t", timestamp=when, meta={"a": 2, "b": 1})])
        from_a = dump(a)
        load(a, dump(b))
        load(b, from_a)
        assert dump(a) == dump(b)


def test_versions_keep_their_order_when_the_clock_stands_still(store: Store, tmp_path: Path) -> None:
    store.ingest([act(0)])
    for n in range(30):
        save(store, [(f"Sentence {n}.", [act(0)])])
    with open_new(tmp_path, "other") as other:
        load(other, dump(store))
        assert [other.profile("anna", v).text for v in other.versions("anna")] == [f"Sentence {n}." for n in range(30)]
