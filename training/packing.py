"""Sequences that begin alike, as one row: a tree of tokens, in which each common beginning is computed once.

    a b c d e       row       a b c d e x y z          a token attends to itself and to what came before it
    a b c x         position  0 1 2 3 4 3 4 4          in its own sequence, wherever that stands in the row
    a b c x y
    a b c d z

With that mask it is the same computation as reading each sequence whole, without padding and without copies of keys and
values, and gradients flow. The update and the judges use it; where tokens are to be added to a state afterwards,
`training.prefixes` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.prefixes import core

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Tree:
    """Sequences as a tree; a node is a token after what came before it.

    Args:
        tokens, positions: of each node: its token, and its place in its sequences. A parent comes before its children.
        paths: for each sequence its nodes.
        new: for each sequence how many of its nodes no earlier one has.
    """

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]
    new: tuple[int, ...]

    @classmethod
    def of(cls, sequences: Sequence[Tokens]) -> Tree:
        """The tree of sequences of at least one token."""
        tokens: list[int] = []
        positions: list[int] = []
        paths, new = [], []
        known: dict[tuple[int, int], int] = {}
        for sequence in sequences:
            path: list[int] = []
            before = len(tokens)
            node = -1
            for position, token in enumerate(sequence):
                if (found := known.get((node, token))) is None:
                    found = known[node, token] = len(tokens)
                    tokens.append(token)
                    positions.append(position)
                node = found
                path.append(node)
            paths.append(tuple(path))
            new.append(len(tokens) - before)
        return cls(tuple(tokens), tuple(positions), tuple(paths), tuple(new))

    @property
    def size(self) -> int:
        """Tokens that are computed."""
        return len(self.tokens)

    def mask(self, size: int) -> Any:
        """Who attends to whom: (size, size), boolean; nodes beyond the tree are padding, which sees only itself."""
        import torch

        mask = torch.eye(size, dtype=torch.bool)
        for path, new in zip(self.paths, self.new, strict=True):
            nodes = torch.tensor(path)
            rows = nodes[len(path) - new :]
            mask[rows[:, None], nodes[None, :]] = nodes[None, :] <= rows[:, None]
        return mask


def read(model: Any, trees: Sequence[Tree]) -> Any:
    """The hidden states of the nodes: (trees, largest tree, width); what lies beyond a tree means nothing.

    Args:
        model: a causal language model of transformers or peft.
        trees: at least one; rows are padded to the largest, so they should be of like size.
    """
    import torch

    body = core(model)
    device = next(body.parameters()).device
    size = max(tree.size for tree in trees)
    ids = torch.zeros(len(trees), size, dtype=torch.long)
    positions = torch.zeros_like(ids)
    for row, tree in enumerate(trees):
        ids[row, : tree.size] = torch.tensor(tree.tokens)
        positions[row, : tree.size] = torch.tensor(tree.positions)
    mask = torch.stack([tree.mask(size) for tree in trees])
    return body(
        input_ids=ids.to(device), attention_mask=mask[:, None].to(device), position_ids=positions.to(device),
        use_cache=False,
    ).last_hidden_state  # fmt: skip


def pick(hidden: Any, places: Sequence[tuple[int, int]]) -> Any:
    """The hidden states of some nodes, (tree, node) each: (places, width)."""
    import torch

    rows, nodes = (torch.tensor(one, device=hidden.device) for one in zip(*places, strict=True))
    return hidden[rows, nodes]
