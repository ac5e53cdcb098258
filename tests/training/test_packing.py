"""What begins alike is read once: the same numbers and gradients as reading each sequence whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.tiny import model as random_model
from training import prefixes
from training.packing import Tree, pick, read

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


def sequences(seed: int = 0) -> list[list[list[int]]]:
    """Three trees' worth, of unlike size: with equal sequences, one that begins another, and branches in branches."""
    chance = random.Random(seed)
    start, more, twice = tokens(chance, 7), tokens(chance, 3), tokens(chance, 4)
    return [
        [[*start, *more, *tokens(chance, 2)], [*start, *twice], [*start, *twice], [*start, *more], [*start, *more, 1]],
        [tokens(chance, 6)],
        [tokens(chance, 5), tokens(chance, 14)],
    ]


def whole(model: Any, sequence: list[int]) -> Any:
    """The hidden states of a sequence that is read alone: (tokens, width)."""
    return prefixes.core(model)(input_ids=torch.tensor([sequence]), use_cache=False).last_hidden_state[0]


def each(asked: list[list[list[int]]], trees: list[Tree]) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Every sequence, and the places of its tokens."""
    for row, (group, tree) in enumerate(zip(asked, trees, strict=True)):
        for sequence, path in zip(group, tree.paths, strict=True):
            yield sequence, [(row, node) for node in path]


def test_a_tree_holds_each_common_beginning_once() -> None:
    tree = Tree.of([[5, 6, 7], [5, 6, 8, 9], [5, 6], [4], [5, 6, 7]])
    assert tree.tokens == (5, 6, 7, 8, 9, 4)
    assert tree.positions == (0, 1, 2, 2, 3, 0)
    assert tree.paths == ((0, 1, 2), (0, 1, 3, 4), (0, 1), (5,), (0, 1, 2))
    assert tree.new == (3, 2, 0, 1, 0)
    assert tree.size == sum(tree.new) == 6


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=8))
def test_the_mask_shows_what_came_before_and_nothing_else(asked: list[list[int]]) -> None:
    tree = Tree.of(asked)
    mask = tree.mask(tree.size + 2)
    for sequence, path in zip(asked, tree.paths, strict=True):
        assert [tree.tokens[node] for node in path] == sequence
        assert [tree.positions[node] for node in path] == list(range(len(sequence)))
        for at, node in enumerate(path):
            assert set(mask[node].nonzero()[:, 0].tolist()) == set(path[: at + 1])
    assert mask[-2:].sum() == 2  # padding sees itself
    distinct = {tuple(sequence[: at + 1]) for sequence in asked for at in range(len(sequence))}
    assert tree.size == len(distinct)


def test_packed_sequences_are_the_whole_reading(model: Any) -> None:
    asked = sequences()
    trees = [Tree.of(group) for group in asked]
    with torch.no_grad():
        hidden = read(model, trees)
        for sequence, places in each(asked, trees):
            torch.testing.assert_close(pick(hidden, places), whole(model, sequence), **CLOSE)
    assert hidden.shape[:2] == (3, max(tree.size for tree in trees))


def test_what_is_in_a_row_beside_a_sequence_changes_nothing(model: Any) -> None:
    group, other = sequences()[0], sequences(1)[2]
    with torch.no_grad():
        alone, among = Tree.of(group[:1]), Tree.of([*other, *group])
        ours = pick(read(model, [among]), [(0, node) for node in among.paths[2]])
        torch.testing.assert_close(ours, pick(read(model, [alone]), [(0, node) for node in alone.paths[0]]), **CLOSE)


def gradients(model: Any, loss: Any) -> dict[str, Any]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def test_gradients_are_those_of_the_whole_reading(model: Any) -> None:
    asked = sequences()
    trees = [Tree.of(group) for group in asked]
    chance = torch.Generator().manual_seed(0)
    wanted = [torch.randn(len(sequence), 32, generator=chance) for sequence, _ in each(asked, trees)]
    hidden = read(model, trees)
    packed = sum((pick(hidden, at) * w).sum() for (_, at), w in zip(each(asked, trees), wanted, strict=True))
    alone = sum((whole(model, one) * w).sum() for (one, _), w in zip(each(asked, trees), wanted, strict=True))
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
        tree = Tree.of([[1, 2, 3], [1, 2, 4, 5]])
        found = pick(read(wrapped.model, [tree]), [(0, tree.paths[1][-1])])
        torch.testing.assert_close(found[0], whole(inner, [1, 2, 4, 5])[-1], **CLOSE)
