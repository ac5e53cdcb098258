import io
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bump_edge.errors import CancelledError, EmptyHistoryError, InputError
from bump_edge.readers import read
from bump_edge.store import Store
from bump_edge.types import Interaction
from tests.readers.test_round_trip import interactions


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(b'{"item": "thing %d", "user_id": "u%d"}\n' % (k, k % 7) for k in range(start, start + count))


def test_ingesting_twice_adds_nothing(store: Store) -> None:
    first = store.ingest_file(io.BytesIO(lines(1000)))
    assert (first.read, first.added, first.duplicates) == (1000, 1000, 0)
    assert first.users == tuple(f"u{k}" for k in range(7))
    revisions = [u.revision for u in store.users()]
    second = store.ingest_file(io.BytesIO(lines(1000)))
    assert (second.read, second.added, second.duplicates) == (1000, 0, 1000)
    assert [u.revision for u in store.users()] == revisions


def test_what_is_new_is_added_and_counted(store: Store) -> None:
    store.ingest_file(io.BytesIO(lines(1000)))
    before = {u.user_id: u.revision for u in store.users()}
    report = store.ingest_file(io.BytesIO(lines(10, 995) + lines(3, 995)))
    assert (report.read, report.added, report.duplicates) == (13, 5, 8)
    for user in store.users():
        new = sum(1 for k in range(1000, 1005) if f"u{k % 7}" == user.user_id)
        assert user.interactions == len(store.history(user.user_id)) == store.count(user.user_id)
        assert (user.revision > before[user.user_id]) == bool(new)
    assert store.check() is None


def test_equal_lines_are_one_and_any_other_field_makes_two(store: Store) -> None:
    base = b'{"text": "a", "id": "1"}\n'
    report = store.ingest_file(io.BytesIO(base * 3 + b'{"text": "b", "id": "1"}\n{"text": "a", "id": "2"}\n'))
    assert (report.read, report.added, report.duplicates) == (5, 3, 2)
    # the order of keys is no content, and a missing meta is an empty one
    again = store.ingest_file(io.BytesIO(b'{"id": "1", "meta": {}, "text": " a "}\n'))
    assert again.added == 0


def test_timed_duplicates(store: Store) -> None:
    line = b'{"text": "a", "timestamp": "2020-01-01"}\n{"text": "a", "timestamp": 1577836800}\n{"text": "a"}\n'
    assert store.ingest_file(io.BytesIO(line)).added == 2
    assert store.ingest_file(io.BytesIO(line)).added == 0


def test_the_quick_way_and_the_way_of_objects_give_the_same(tmp_path: Path) -> None:
    source = tmp_path / "h.jsonl"
    source.write_bytes(lines(300) + b'{"text": "x", "timestamp": 5, "rating": "3", "a": {"b": [1, null]}}\n')
    with Store(tmp_path / "a.db") as quick, Store(tmp_path / "b.db") as slow:
        quick.ingest_file(source)
        slow.ingest(read(source))
        for user in quick.users():
            assert quick.history(user.user_id) == slow.history(user.user_id)
        query = "SELECT id, user_no, digest, at, type, item, text, rating, meta FROM interactions ORDER BY id"
        assert quick._connection.rows(query) == slow._connection.rows(query)
        assert slow.ingest_file(source).added == 0


@given(st.lists(interactions(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_what_goes_in_comes_out(given: list[Interaction]) -> None:
    with Store(_Fresh.path()) as store:
        store.ingest(given)
        for user_id in {i.user_id for i in given}:
            unique = list({i.digest: i for i in given if i.user_id == user_id}.values())
            ordered = sorted(unique, key=lambda i: (i.timestamp is not None, i.timestamp and i.timestamp.timestamp()))
            found = store.history(user_id)
            assert found == ordered
            assert [i.id for i in found] == [i.id for i in ordered]
            assert list(store.iter_history(user_id)) == ordered
            assert [store.interaction(i.id) for i in ordered] == ordered


class _Fresh:
    count = 0
    root: Path

    @classmethod
    def path(cls) -> Path:
        cls.count += 1
        return cls.root / f"{cls.count}.db"


@pytest.fixture(autouse=True, scope="module")
def _root(tmp_path_factory: pytest.TempPathFactory) -> None:
    _Fresh.root = tmp_path_factory.mktemp("fresh")


def test_an_interaction_that_no_store_can_hold(store: Store) -> None:
    with pytest.raises(InputError, match="JSON"):
        store.ingest([Interaction(text="a", meta={"x": {1, 2}})])
    with pytest.raises(InputError, match="valid Unicode"):
        store.ingest([Interaction(text="a", type="\ud800")])
    with pytest.raises(InputError, match="NUL"):
        store.ingest([Interaction(text="\0")])
    assert store.users() == []
    assert store.ingest([]).read == 0


def test_no_usable_line_is_an_error_that_says_why(store: Store, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(EmptyHistoryError, match="it is empty"):
        store.ingest_file(empty)
    with pytest.raises(EmptyHistoryError, match=r"3 × no_text_or_item.*line 1 is .*--map text=body") as caught:
        store.ingest_file(io.BytesIO(b'{"body": "a"}\n' * 3))
    assert caught.value.details["skipped"] == {"no_text_or_item": 3}
    with pytest.raises(EmptyHistoryError, match="not_the_user"):
        store.ingest_file(io.BytesIO(b'{"role": "assistant", "text": "a"}\n'))


def test_strict_keeps_what_came_before(store: Store) -> None:
    with pytest.raises(InputError, match="line 801") as caught:
        store.ingest_file(io.BytesIO(lines(800) + b"oops\n" + lines(800, 800)), strict=True)
    assert sum(u.interactions for u in store.users()) == 800
    assert caught.value.details["report"]["added"] == 800


def test_a_million_bad_lines_are_quick_and_lose_nothing(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "bad.jsonl"
    with source.open("wb") as out:
        out.write(lines(10))
        for _ in range(10):
            out.write(b"what is this?\n" * 100_000)
        out.write(lines(10, 10))
    report = store.ingest_file(source)
    assert (report.added, dict(report.skipped), len(report.quotes)) == (20, {"not_json": 1_000_000}, 20)


def test_cancel_stops_between_batches_and_keeps_them(store: Store) -> None:
    cancel = threading.Event()

    def endless() -> Iterator[Interaction]:
        for k in range(100_000):
            if k == 20_000:
                cancel.set()
            yield Interaction(text=f"line {k}")

    with pytest.raises(CancelledError, match="were added and stay") as caught:
        store.ingest(endless(), cancel=cancel)
    assert 0 < store.count("local") == caught.value.details["added"] < 100_000
    assert caught.value.exit_code == 130

    with pytest.raises(CancelledError):
        store.ingest_file(io.BytesIO(lines(100)), cancel=cancel)


def test_an_interrupt_in_the_middle_keeps_whole_batches(store: Store) -> None:
    def progress(done: int, _total: int | None) -> None:
        if done > 6_000_000:
            raise KeyboardInterrupt

    data = lines(300_000)
    with pytest.raises(KeyboardInterrupt):
        store.ingest_file(io.BytesIO(data), progress=progress)
    kept = sum(u.interactions for u in store.users())
    assert 0 < kept < 300_000
    assert store.check() is None
    assert store.ingest_file(io.BytesIO(data)).added == 300_000 - kept


def test_users_and_meta_that_are_strange(store: Store) -> None:
    for user in ("a'b\"c", "日本", "with\nnewline", "💡", "%_", "NULL"):
        store.ingest_file(io.BytesIO(orjson.dumps({"user_id": user, "text": f"I am {user}"})))
        (only,) = store.history(user)
        assert (only.user_id, only.text) == (user, f"I am {user}")
    assert len(store.users()) == 6
    assert not store.has_user("\ud800")
