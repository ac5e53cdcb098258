"""Which interactions of a history the profiler reads: recent, spread over time, diverse, within a token budget."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from bump_edge.prompts import render_interaction
from bump_edge.text import stems
from bump_edge.types import Interaction

MAX_COPIES = 3
"""An item that fills a history is shown this often: enough to see that it comes back."""

_POOL = 240  # interactions looked at per user, however long the history


class History(Protocol):
    """What selection needs of a store."""

    def history(self, user_id: str, *, limit: int | None = None, newest: bool = False) -> list[Interaction]: ...

    def sample(self, user_id: str, count: int, *, skip_newest: int = 0) -> list[Interaction]: ...

    def count(self, user_id: str) -> int: ...


def select(
    store: History,
    user_id: str,
    *,
    budget: int,
    count_tokens: Callable[[str], int],
    max_interactions: int = 60,
    recent_share: float = 0.5,
) -> tuple[Interaction, ...]:
    """Select from a user's history; reads at most a few hundred interactions of it, however many there are.

    The newest fill `recent_share` of the budget. The rest goes to older ones, spread evenly over the history; of
    neighbours in time, the one that says most that is new is taken.

    Args:
        budget: tokens that the rendered lines may take together, ≥ 1. One interaction is always selected.
        count_tokens: the backend's tokenizer.
        max_interactions: at most this many, ≥ 1.
        recent_share: in [0, 1].

    Returns:
        The selection, oldest first; empty only for an empty history.
    """
    recent_pool = store.history(user_id, limit=_POOL // 2, newest=True)
    older_pool: list[Interaction] = []
    if store.count(user_id) > len(recent_pool):
        older_pool = store.sample(user_id, _POOL // 2, skip_newest=len(recent_pool))
    return choose(
        older_pool + recent_pool,
        budget=budget,
        count_tokens=count_tokens,
        max_interactions=max_interactions,
        recent_share=recent_share,
    )


def choose(
    pool: Sequence[Interaction],
    *,
    budget: int,
    count_tokens: Callable[[str], int],
    max_interactions: int = 60,
    recent_share: float = 0.5,
    render: Callable[[Interaction], str] = render_interaction,
) -> tuple[Interaction, ...]:
    """What `select` takes of the interactions that it looks at.

    Args:
        pool: oldest first.
        budget, count_tokens, max_interactions, recent_share: see `select`.
        render: how an interaction is written in the prompt.

    Returns:
        The selection, oldest first; empty only for an empty pool.
    """
    cost = [count_tokens(f"- {render(i)}\n") for i in pool]
    if len(pool) <= max_interactions and sum(cost) <= budget:
        return tuple(_few_copies(pool))

    copies: Counter[str] = Counter()
    chosen: set[int] = set()
    spent = 0

    def take(position: int) -> bool:
        nonlocal spent
        record = pool[position]
        key = (record.item or record.text or "").casefold()
        if position in chosen or copies[key] >= MAX_COPIES or (chosen and spent + cost[position] > budget):
            return False
        copies[key] += 1
        chosen.add(position)
        spent += cost[position]
        return True

    newest_first = range(len(pool) - 1, -1, -1)
    for position in newest_first:
        if spent >= budget * recent_share or len(chosen) >= max(1, int(max_interactions * recent_share)):
            break
        take(position)

    content = [frozenset(stems(f"{i.item or ''} {(i.text or '')[:400]}")) for i in pool]
    seen = {word for position in chosen for word in content[position]}
    oldest_chosen = min(chosen)
    left = [position for position in range(oldest_chosen) if position not in chosen]
    slots = min(max_interactions - len(chosen), len(left))
    for stratum in _strata(left, slots):
        ranked = sorted(stratum, key=lambda p: (-_novelty(content[p], seen), -p))
        for position in ranked:
            if take(position):
                seen |= content[position]
                break
    # what the strata could not afford goes to the newest that still fit
    for position in newest_first:
        if len(chosen) >= max_interactions or spent >= budget:
            break
        take(position)
    return tuple(pool[position] for position in sorted(chosen))


def _novelty(content: frozenset[str], seen: set[str]) -> float:
    return len(content - seen) / (len(content) + 1)


def _strata(positions: Sequence[int], count: int) -> list[Sequence[int]]:
    if count <= 0:
        return []
    edges = [round(i * len(positions) / count) for i in range(count + 1)]
    return [positions[a:b] for a, b in itertools.pairwise(edges) if b > a]


def _few_copies(pool: Sequence[Interaction]) -> list[Interaction]:
    copies: Counter[str] = Counter()
    kept: list[Interaction] = []
    for record in reversed(pool):
        key = (record.item or record.text or "").casefold()
        copies[key] += 1
        if copies[key] <= MAX_COPIES:
            kept.append(record)
    return kept[::-1]
