"""Recent, spread over time, diverse, within the budget."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bump_edge.profiler.selection import MAX_COPIES, select
from bump_edge.prompts import render_interaction
from bump_edge.types import Interaction


class Listed:
    """A history in a list, sampled the way the store does."""

    def __init__(self, interactions: list[Interaction]) -> None:
        self.all = interactions

    def history(self, user_id: str, *, limit: int | None = None, newest: bool = False) -> list[Interaction]:
        if limit is None:
            return self.all
        return self.all[-limit:] if newest else self.all[:limit]

    def sample(self, user_id: str, count: int, *, skip_newest: int = 0) -> list[Interaction]:
        older = self.all[: len(self.all) - skip_newest]
        step = max(1, len(older) / count)
        return [older[int(i * step)] for i in range(min(count, len(older)))]

    def count(self, user_id: str) -> int:
        return len(self.all)


def tokens(text: str) -> int:
    return len(text.split())


def days(names: list[str]) -> list[Interaction]:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    return [Interaction(item=name, timestamp=start + timedelta(days=n)) for n, name in enumerate(names)]


def test_a_short_history_is_taken_whole() -> None:
    history = days(["a", "b", "c"])
    assert select(Listed(history), "u", budget=1000, count_tokens=tokens) == tuple(history)


def test_a_long_one_is_recent_and_spread() -> None:
    history = days([f"thing number {n}" for n in range(5000)])
    chosen = select(Listed(history), "u", budget=10_000, count_tokens=tokens, max_interactions=40)
    positions = [history.index(i) for i in chosen]
    assert len(chosen) == 40
    assert positions[-20:] == list(range(4980, 5000))
    older = positions[:20]
    assert older[0] < 500
    assert max(b - a for a, b in pairwise([*older, 4980])) < 1000


def test_of_neighbours_the_one_that_says_something_new_is_taken() -> None:
    names = ["coffee filters"] * 300
    names[40] = "telescope mount"
    chosen = select(Listed(days(names)), "u", budget=200, count_tokens=tokens, max_interactions=20)
    assert "telescope mount" in [i.item for i in chosen]
    assert [i.item for i in chosen].count("coffee filters") <= MAX_COPIES


def test_one_interaction_is_selected_however_small_the_budget() -> None:
    history = days(["a very long name " * 50] * 3)
    assert len(select(Listed(history), "u", budget=1, count_tokens=tokens)) == 1


@given(
    st.lists(st.sampled_from(["red wool", "blue wool", "steel needles", "pattern book", "yarn " * 30]), max_size=300),
    st.integers(1, 400),
    st.integers(1, 60),
)
def test_budget_order_and_number_hold(names: list[str], budget: int, most: int) -> None:
    history = days(names)
    chosen = select(Listed(history), "u", budget=budget, count_tokens=tokens, max_interactions=most)
    assert bool(chosen) == bool(history)
    assert len(chosen) <= most
    times = [i.timestamp for i in chosen]
    assert times == sorted(times)  # type: ignore[type-var]
    assert len(set(times)) == len(times)
    spent = sum(tokens(f"- {render_interaction(i)}\n") for i in chosen)
    assert spent <= budget or len(chosen) == 1
