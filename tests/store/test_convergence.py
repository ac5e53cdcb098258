"""Stores that are edited apart and merged in any order end the same."""

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bump_edge.store import Derived, Store
from bump_edge.types import from_timestamp_ms
from tests.store.transfer_help import act, dump, load, open_new, save, state

SENTENCES = ("Likes kettles.", "Buys often.", "Is kind.", "Reads maps.")
USERS = ("anna", "bob")
users = st.sampled_from(USERS)
numbers = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)
kinds = [
    st.tuples(st.just("ingest"), users, numbers),
    st.tuples(st.just("forget"), users, numbers),
    st.tuples(
        st.just("correct"), users, st.sampled_from(["pin", "topic"]), st.sampled_from(SENTENCES), st.booleans(),
        st.sampled_from([0, 1, 2, 3, 10**13]),
    ),
    st.tuples(st.just("unsay"), users, st.sampled_from(SENTENCES)),
    st.tuples(
        st.just("profile"), users,
        st.dictionaries(st.sampled_from(SENTENCES), st.tuples(numbers, st.booleans()), min_size=1, max_size=3),
    ),
]  # fmt: skip
steps = st.one_of(kinds)
more_steps = st.one_of(*kinds, st.tuples(st.just("judge"), users, numbers))
devices = st.lists(st.lists(steps, min_size=1, max_size=6), min_size=3, max_size=3)


def judged(store: Store, user: str, gone: set[str]) -> list[Derived]:
    """The plan of a profiler that finds that every sentence holds on what is left, if anything is."""
    plans = []
    for number in store.versions(user):
        profile = store.profile(user, number)
        left = {n: [i.id for i in e.interactions if i.id not in gone] for n, e in enumerate(profile.evidence)}
        keep = {n: ids for n, ids in left.items() if ids or profile.evidence[n].confirmed}
        plans.append(Derived(version=number, keep=keep))
    return plans


def apply(store: Store, step: tuple) -> None:  # type: ignore[type-arg]
    kind, user, *rest = step
    if kind == "ingest":
        store.ingest(act(n, user) for n in rest[0])
    elif not store.has_user(user):
        return
    elif kind in ("forget", "judge"):
        held = {i.id for i in store.history(user)}
        gone = [act(n, user) for n in rest[0] if act(n, user).id in held]
        store.forget(user, gone, judged(store, user, {i.id for i in gone}) if kind == "judge" else ())
    elif kind == "unsay":
        store.forget(user, [], corrections=[rest[0]])
    elif kind == "correct":
        what, text, active, at = rest
        store.correct(user, what, text, active=active, at=from_timestamp_ms(at))
    else:
        held = {i.id for i in store.history(user)}
        plan = [(s, [act(n, user) for n in ns if act(n, user).id in held], ok) for s, (ns, ok) in rest[0].items()]
        plan = [entry for entry in plan if entry[1] or entry[2]]
        if plan:
            save(store, [(s, i) for s, i, _ in plan], user=user, confirmed=[s for s, _, ok in plan if ok])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(common=st.lists(steps, max_size=6), apart=devices, later=devices)
def test_three_devices_converge_in_any_order(common: list, apart: list, later: list) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stores = [stack.enter_context(open_new(Path(folder), f"d{n}")) for n in range(3)]
        for step in common:
            apply(stores[0], step)
        for store in stores[1:]:
            load(store, dump(stores[0]))
        for program in (apart, later):
            for store, part in zip(stores, program, strict=True):
                for step in part:
                    apply(store, step)
            exports = [dump(store) for store in stores]
            orders = itertools.cycle([(1, 2), (2, 0), (1, 0)])
            for store, order in zip(stores, orders, strict=False):
                for n in order:
                    load(store, exports[n])
            ends = [dump(store) for store in stores]
            assert ends[0] == ends[1] == ends[2]
            for store in stores:
                before = store._connection.rows("SELECT * FROM users")
                for data in (*exports, ends[0]):
                    load(store, data)
                assert dump(store) == ends[0]
                assert store._connection.rows("SELECT * FROM users") == before
                assert store.check() is None
            assert state(stores[0]) == state(stores[1]) == state(stores[2])
            # nothing lost: what any device had is everywhere, less what any device forgot
            with open_new(Path(folder), f"new{id(program)}") as new:
                load(new, ends[1])
                assert dump(new) == ends[1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    common=st.lists(steps, min_size=2, max_size=6), rounds=st.lists(
        st.tuples(st.lists(more_steps, max_size=5), st.lists(more_steps, max_size=5)), min_size=1, max_size=2
    ),
)  # fmt: skip
def test_two_devices_end_the_same_after_one_exchange(common: list, rounds: list) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder, open_new(Path(folder), "a") as a, open_new(Path(folder), "b") as b:
        for step in common:
            apply(a, step)
        load(b, dump(a))
        for parts in rounds:
            for store, part in zip((a, b), parts, strict=True):
                for step in part:
                    apply(store, step)
            from_a, from_b = dump(a), dump(b)
            load(a, from_b)
            load(b, from_a)
            assert dump(a) == dump(b)
            assert load(a, from_a) == load(a, from_a)
            assert dump(a) == dump(b)
            assert a.check() is None


def test_two_devices_in_both_orders_by_hand(tmp_path: Path) -> None:
    with open_new(tmp_path, "a") as a, open_new(tmp_path, "b") as b:
        a.ingest([act(1), act(2)])
        save(a, [("Likes kettles.", [act(1)]), ("Buys often.", [act(1), act(2)])])
        load(b, dump(a))
        a.forget("anna", [act(1)])
        b.forget("anna", [act(2)])
        from_a, from_b = dump(a), dump(b)
        load(a, from_b)
        load(b, from_a)
        assert dump(a) == dump(b)
        assert a.versions("anna") == []
