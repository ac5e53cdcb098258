import time
from datetime import UTC, datetime, timedelta

import pytest

from bump_edge.errors import NotFoundError, StoreError, UsageError
from bump_edge.store import Store
from bump_edge.types import Interaction

START = datetime(2020, 1, 1, tzinfo=UTC)


def at(days: int | None, text: str, **more: object) -> Interaction:
    moment = None if days is None else START + timedelta(days=days)
    return Interaction(text=text, timestamp=moment, **more)  # type: ignore[arg-type]


def texts(found: list[Interaction]) -> list[str | None]:
    return [i.text for i in found]


def test_time_orders_then_the_file_and_no_time_comes_first(store: Store) -> None:
    store.ingest([at(2, "c"), at(None, "x"), at(1, "b"), at(2, "d"), at(None, "y"), at(-20_000, "a")])
    assert texts(store.history("local")) == ["x", "y", "a", "b", "c", "d"]
    assert texts(store.history("local", limit=2)) == ["x", "y"]
    assert texts(store.history("local", limit=3, newest=True)) == ["b", "c", "d"]
    assert texts(list(store.iter_history("local"))) == ["x", "y", "a", "b", "c", "d"]
    assert store.history("local", limit=0) == []
    with pytest.raises(UsageError):
        store.history("local", limit=-1)


def test_unknown_users(store: Store) -> None:
    assert not store.has_user("nobody")
    assert store.count("nobody") == store.revision("nobody") == 0
    for call in (store.history, store.stats, store.versions, store.profile, store.iter_history):
        with pytest.raises(NotFoundError, match="no user 'nobody'"):
            call("nobody")
    for ask in (lambda: store.sample("nobody", 3), lambda: store.search("nobody", "a")):
        with pytest.raises(NotFoundError):
            ask()


def test_stats(store: Store) -> None:
    store.ingest([
        at(3, "a", type="review", rating=4),
        at(9, "b", type="review", rating=1),
        at(None, "c", type="play"),
        at(None, "d"),
    ])  # fmt: skip
    store.ingest([Interaction(text="z", user_id="other", rating=5)])
    stats = store.stats("local")
    assert (stats.count, stats.rated, stats.rating_mean, stats.rating_min, stats.rating_max) == (4, 2, 2.5, 1, 4)
    assert (stats.first, stats.last) == (START + timedelta(days=3), START + timedelta(days=9))
    assert list(stats.types.items()) == [("review", 2), ("play", 1)]
    other = store.stats("other")
    assert (other.first, other.last, other.types) == (None, None, {})
    assert [(u.user_id, u.interactions, u.first, u.last) for u in store.users()] == [
        ("local", 4, START + timedelta(days=3), START + timedelta(days=9)),
        ("other", 1, None, None),
    ]
    assert store.users()[0].as_dict()["first"] == "2020-01-04T00:00:00Z"


@pytest.mark.parametrize("timed", ["all", "none", "half", "one day"])
def test_sample_is_spread_evenly_over_the_positions(store: Store, timed: str) -> None:
    days = {
        "all": lambda k: k,
        "none": lambda _: None,
        "half": lambda k: k if k >= 500 else None,
        "one day": lambda _: 5,
    }
    store.ingest([at(days[timed](k), str(k)) for k in range(1000)])
    newest = [int(i.text or "") for i in store.history("local", limit=100, newest=True)]
    found = [int(i.text or "") for i in store.sample("local", 90, skip_newest=100)]
    assert newest == list(range(900, 1000))
    assert len(set(found)) == 90
    assert max(found) < 900
    assert found == sorted(found)
    if timed != "one day":  # ties are taken in no particular order
        assert found == list(range(5, 900, 10))


def test_sample_of_little(store: Store) -> None:
    store.ingest([at(k, str(k)) for k in range(5)])
    assert texts(store.sample("local", 10)) == list("01234")
    assert texts(store.sample("local", 10, skip_newest=3)) == list("01")
    assert store.sample("local", 10, skip_newest=5) == store.sample("local", 10, skip_newest=99) == []
    assert store.sample("local", 0) == []
    assert texts(store.sample("local", 1)) == ["2"]


def test_one_of_100_000_interactions_is_found_quickly(store: Store) -> None:
    store.ingest(at(k // 3, f"line {k}") for k in range(100_000))
    begun = time.perf_counter()
    sampled = store.sample("local", 120, skip_newest=120)
    newest = store.history("local", limit=120, newest=True)
    spent = time.perf_counter() - begun
    assert len(sampled) == len(newest) == 120
    assert spent < 0.5
    assert sum(1 for _ in store.iter_history("local")) == store.stats("local").count == 100_000


def test_interaction_by_the_beginning_of_its_id(store: Store) -> None:
    store.ingest(at(k, f"line {k}", user_id=f"u{k % 2}") for k in range(600))
    some = store.history("u1")[7]
    assert store.interaction(some.id) == store.interaction(some.id[:9].upper()) == some
    assert store.interaction(some.id, user_id="u1") == some
    with pytest.raises(NotFoundError, match="no interaction"):
        store.interaction(some.id, user_id="u0")
    with pytest.raises(UsageError, match="more than one"):
        store.interaction(some.id[:1])
    for bad in ("", "xyz", "0" * 33):
        with pytest.raises(UsageError, match="hexadecimal"):
            store.interaction(bad)


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.users()


def test_deleting_takes_index_links_and_counts_along(store: Store) -> None:
    store.ingest([at(k, f"line {k} zebra") for k in range(5)] + [Interaction(text="zebra", user_id="other")])
    ids = [i.id for i in store.history("local")]
    store.save_profile(
        user_id="local", text="Likes zebras.", model="m", language="en", evidence=[("Likes zebras.", ids[:2])],
        manifest={}, recipe="r", revision=store.revision("local"),
    )  # fmt: skip
    before = store.revision("local")
    with store._connection.writing() as sql:
        sql.execute("DELETE FROM interactions WHERE text LIKE 'line 0%'")
    assert store.count("local") == 4
    assert store.revision("local") > before
    assert len(store.search("local", "zebra", limit=9)) == 4
    assert [i.id for i in store.profile("local").evidence[0].interactions] == [ids[1]]
    assert store.check() is None
    with store._connection.writing() as sql:
        sql.execute("DELETE FROM users WHERE user_id = 'local'")
    for table, left in (("users", 1), ("interactions", 1), ("profiles", 0), ("sentences", 0), ("evidence", 0)):
        assert store._connection.rows(f"SELECT count(*) FROM {table}") == [(left,)]  # noqa: S608
    assert store.check() is None
