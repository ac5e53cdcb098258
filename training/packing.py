"""A group of sequences that begin alike, as one row: what they share, then each one's own part, none seeing another.

    shared ──┬── leaf 0          tokens   s s s s a a a b b
             ├── leaf 1          position 0 1 2 3 4 5 6 4 5
             └── …               each leaf token attends to what is shared and to its own leaf

The mask makes it the same computation as reading each sequence whole, with the shared part computed once, no padding
between leaves, no copies of keys and values, and gradients. It is what the update and the judges use; where tokens are
to be added to a state afterwards, `training.prefixes` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.prefixes import core

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences that begin alike.

    Args:
        shared: their beginning; at least one token.
        leaves: the rest of each, at least one token; at least one leaf.
    """

    shared: Tokens
    leaves: Sequence[Tokens]

    @property
    def size(self) -> int:
        """Tokens that are computed."""
        return len(self.shared) + sum(map(len, self.leaves))


@dataclass(frozen=True, slots=True)
class Packed:
    """The hidden states of some groups.

    Args:
        hidden: (groups, longest row, width).
        spans: for each group and leaf, where its tokens begin and end in the row.
    """

    hidden: Any
    spans: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def last(self) -> Any:
        """The hidden state of each leaf's last token, group by group: (leaves, width)."""
        import torch

        at = [(row, end - 1) for row, spans in enumerate(self.spans) for _, end in spans]
        rows, places = (torch.tensor(one, device=self.hidden.device) for one in zip(*at, strict=True))
        return self.hidden[rows, places]

    def leaf(self, group: int, number: int) -> Any:
        """The hidden states of one leaf: (tokens, width)."""
        start, end = self.spans[group][number]
        return self.hidden[group, start:end]

    def last_shared(self, group: int) -> Any:
        """The hidden state of the last shared token, which predicts the first of every leaf: (width,)."""
        return self.hidden[group, self.spans[group][0][0] - 1]


def read(model: Any, groups: Sequence[Group]) -> Packed:
    """The hidden states of the groups' leaves, one row a group.

    Args:
        model: a causal language model of transformers or peft.
        groups: at least one; rows are padded to the longest, so they should be of like size.
    """
    import torch

    body = core(model)
    device = next(body.parameters()).device
    longest = max(group.size for group in groups)
    ids = torch.zeros(len(groups), longest, dtype=torch.long)
    positions = torch.zeros_like(ids)
    part = torch.full_like(ids, -1)  # 0 what is shared, 1 … the leaves, −1 padding
    spans = []
    for row, group in enumerate(groups):
        at = len(group.shared)
        ids[row, :at] = torch.tensor(list(group.shared))
        positions[row, :at] = torch.arange(at)
        part[row, :at] = 0
        found = []
        for number, leaf in enumerate(group.leaves, 1):
            place = slice(at, at + len(leaf))
            ids[row, place] = torch.tensor(list(leaf))
            positions[row, place] = torch.arange(len(group.shared), len(group.shared) + len(leaf))
            part[row, place] = number
            found.append((at, at := at + len(leaf)))
        spans.append(tuple(found))
    ids, positions, part = ids.to(device), positions.to(device), part.to(device)
    order = torch.arange(longest, device=device)
    mine, theirs = part[:, :, None], part[:, None, :]
    mask = (order[None, :] <= order[:, None]) & ((theirs == 0) | (theirs == mine))  # padding sees itself: no empty row
    out = body(input_ids=ids, attention_mask=mask[:, None], position_ids=positions, use_cache=False)
    return Packed(out.last_hidden_state, tuple(spans))
