"""What begins alike is read once: the same numbers and gradients as reading each sequence whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny import model as random_model
from training import prefixes
from training.packing import Group, Packed, read

WORDS = 60
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=["llama", "qwen3"], scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    return random_model(WORDS, kind=request.param).eval()


def tokens(chance: random.Random, count: int) -> list[int]:
    return [chance.randrange(WORDS) for _ in range(count)]


def groups(seed: int = 0) -> list[Group]:
    """Of unlike size, with leaves of unlike length; two leaves are equal, and one is a single token."""
    chance = random.Random(seed)
    twice = tokens(chance, 4)
    return [
        Group(tokens(chance, 7), [tokens(chance, 3), twice, twice, tokens(chance, 1)]),
        Group(tokens(chance, 1), [tokens(chance, 5)]),
        Group(tokens(chance, 12), [tokens(chance, 2), tokens(chance, 9)]),
    ]


def whole(model: Any, sequence: list[int]) -> Any:
    """The hidden states of a sequence that is read alone: (tokens, width)."""
    return prefixes.core(model)(input_ids=torch.tensor([sequence]), use_cache=False).last_hidden_state[0]


def leaves(found: list[Group]) -> Iterator[tuple[int, int, list[int], list[int]]]:
    """Group, leaf, what is shared, the leaf's own."""
    for row, group in enumerate(found):
        for number, leaf in enumerate(group.leaves):
            yield row, number, list(group.shared), list(leaf)


def test_packed_groups_are_the_whole_reading(model: Any) -> None:
    asked = groups()
    with torch.no_grad():
        found = read(model, asked)
        last = iter(found.last)
        for row, number, shared, leaf in leaves(asked):
            expected = whole(model, shared + leaf)
            torch.testing.assert_close(found.leaf(row, number), expected[len(shared) :], **CLOSE)
            torch.testing.assert_close(next(last), expected[-1], **CLOSE)
            torch.testing.assert_close(found.last_shared(row), expected[len(shared) - 1], **CLOSE)
    assert next(last, None) is None
    assert found.hidden.shape[:2] == (3, max(group.size for group in asked))
    assert [group.size for group in asked] == [7 + 3 + 4 + 4 + 1, 6, 23]


def test_leaves_neither_see_each_other_nor_the_other_rows(model: Any) -> None:
    asked = groups()
    other = groups(1)
    changed = [Group(asked[0].shared, [asked[0].leaves[0], *other[0].leaves[1:]]), other[2]]
    with torch.no_grad():
        torch.testing.assert_close(read(model, asked).leaf(0, 0), read(model, changed).leaf(0, 0), **CLOSE)
        seen = read(model, [Group(other[0].shared, asked[0].leaves)]).leaf(0, 0)
    assert not torch.allclose(seen, read(model, asked).leaf(0, 0), **CLOSE)  # but what is shared is seen


def gradients(model: Any, loss: Any) -> dict[str, Any]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def test_gradients_are_those_of_the_whole_reading(model: Any) -> None:
    asked = groups()
    chance = torch.Generator().manual_seed(0)
    wanted = [torch.randn(len(leaf), 32, generator=chance) for _, _, _, leaf in leaves(asked)]
    found: Packed = read(model, asked)
    packed = sum((found.leaf(r, n) * w).sum() for (r, n, _, _), w in zip(leaves(asked), wanted, strict=True))
    alone = sum(
        (whole(model, shared + leaf)[len(shared) :] * w).sum()
        for (_, _, shared, leaf), w in zip(leaves(asked), wanted, strict=True)
    )
    ours, theirs = gradients(model, packed), gradients(model, alone)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-4, rtol=1e-3, msg=lambda m, name=name: f"{name}: {m}")


def test_a_tree_of_three_levels_is_the_whole_reading(model: Any) -> None:
    chance = random.Random(2)
    start, branches = tokens(chance, 5), [tokens(chance, 6), tokens(chance, 2), []]
    owners, own = [1, 0, 0, 2, 1], [tokens(chance, count) for count in (3, 1, 4, 2, 5)]
    with torch.no_grad():
        trunk = prefixes.trunk(model, start)
        state = prefixes.branch(model, trunk, branches)
        forest = prefixes.leaves(model, state, owners, own)
        again = prefixes.leaves(model, state, owners, own)  # a state stays as it is
        further = prefixes.leaves(model, forest.state, [4, 0], [[7, 8], [9]])
        alone = prefixes.leaves(model, None, range(5), own)
        for row, (owner, leaf) in enumerate(zip(owners, own, strict=True)):
            before = [*start, *branches[owner]]
            expected = whole(model, [*before, *leaf])
            torch.testing.assert_close(forest.hidden[row, : len(leaf)], expected[len(before) :], **CLOSE)
            torch.testing.assert_close(forest.last[row], expected[-1], **CLOSE)
            torch.testing.assert_close(alone.last[row], whole(model, leaf)[-1], **CLOSE)
        for row, (leaf, more) in enumerate(((4, [7, 8]), (0, [9]))):
            expected = whole(model, [*start, *branches[owners[leaf]], *own[leaf], *more])
            torch.testing.assert_close(further.last[row], expected[-1], **CLOSE)
    torch.testing.assert_close(forest.hidden, again.hidden, atol=0, rtol=0)
    assert (trunk.read, state.read, forest.state.read) == (5, 5 + 8, 5 + 8 + 15)
    assert forest.lengths == (3, 1, 4, 2, 5)


def test_no_branch_at_all_copies_the_trunk(model: Any) -> None:
    with torch.no_grad():
        state = prefixes.branch(model, prefixes.trunk(model, [1, 2, 3]), [[], []])
        found = prefixes.leaves(model, state, [0, 1], [[4], [5, 6]])
        torch.testing.assert_close(found.last[1], whole(model, [1, 2, 3, 5, 6])[-1], **CLOSE)
        torch.testing.assert_close(found.last[0], whole(model, [1, 2, 3, 4])[-1], **CLOSE)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # transformers, of itself
def test_a_lora_and_what_it_wraps_have_the_same_parts(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from tests.training.tiny import write_model
    from training.models import load, with_lora

    wrapped = with_lora(load(write_model(tmp_path / "model"), trainable=True), 2)
    inner = wrapped.model.get_base_model()
    assert prefixes.core(wrapped.model) is inner.model
    assert prefixes.head(wrapped.model) is inner.lm_head
    with torch.no_grad():  # a new LoRA changes nothing
        found = read(wrapped.model, [Group([1, 2], [[3], [4, 5]])]).last
        torch.testing.assert_close(found[1], whole(inner, [1, 2, 4, 5])[-1], **CLOSE)
