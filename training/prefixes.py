"""One forward pass over many sequences that begin alike: what they share is computed once.

A GRPO group asks one prompt for G profiles, a judge reads one candidate list for G of them, and all prompts of a mode
open with the same words. So sequences are given as a tree of three levels, the *trunk* that all share, *branches* that
groups share, and *leaves*, and each level runs on the keys and values of the one above. With causal attention this is
the same computation as reading each sequence whole, only not repeated; gradients flow through it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Kept:
    """Keys and values of one level, and where they are padding: what the next level runs on.

    Args:
        cache: of transformers; batch rows are sequences.
        mask: (rows, tokens), 1 for a token.
        read: tokens computed so far, over all levels, without padding.
    """

    cache: Any
    mask: Any
    read: int

    def rows(self, owners: Sequence[int]) -> Kept:
        """A copy with row `owners[i]` as its row i; the original stays as it is."""
        import torch

        index = torch.tensor(list(owners), device=self.mask.device)
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        cache.batch_select_indices(index)
        return Kept(cache, self.mask[index], self.read)


@dataclass(frozen=True, slots=True)
class Forest:
    """The leaves of a forest.

    Args:
        hidden: (leaves, longest leaf, width); padded on the right.
        lengths: tokens of each leaf.
        state: to go on from the leaves with `leaves`.
    """

    hidden: Any
    lengths: tuple[int, ...]
    state: Kept

    @property
    def last(self) -> Any:
        """The hidden state of each leaf's last token: (leaves, width)."""
        import torch

        rows = torch.arange(len(self.lengths), device=self.hidden.device)
        return self.hidden[rows, torch.tensor(self.lengths, device=self.hidden.device) - 1]


def core(model: Any) -> Any:
    """The model without its output layer: what computes hidden states."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # of peft
    return getattr(inner, inner.base_model_prefix)


def head(model: Any) -> Any:
    """The output layer."""
    return model.get_output_embeddings()


def trunk(model: Any, tokens: Tokens) -> Kept:
    """The state after the tokens that all share; at least one."""
    return _run(model, None, [tokens], left=True)[0]


def branch(model: Any, state: Kept, branches: Sequence[Tokens]) -> Kept:
    """The states after each branch, one row each; `state` has one row and stays as it is."""
    if not any(branches):
        return state.rows([0] * len(branches))
    return _run(model, state.rows([0] * len(branches)), branches, left=True)[0]


def leaves(model: Any, state: Kept | None, owners: Sequence[int], tokens: Sequence[Tokens]) -> Forest:
    """The leaves, of at least one token each.

    Args:
        model: of transformers or peft.
        state: of their branches, which stays as it is; None where the leaves are whole sequences.
        owners: leaf i goes on from row ``owners[i]`` of `state`.
        tokens: of each leaf.
    """
    kept, hidden = _run(model, None if state is None else state.rows(owners), tokens, left=False)
    return Forest(hidden, tuple(map(len, tokens)), kept)


def _run(model: Any, state: Kept | None, rows: Sequence[Tokens], *, left: bool) -> tuple[Kept, Any]:
    import torch
    from transformers import DynamicCache

    body = core(model)
    device = next(body.parameters()).device
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for at, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[at, place] = torch.tensor(list(row), dtype=torch.long)
        mask[at, place] = 1
    ids, mask = ids.to(device), mask.to(device)
    before = torch.zeros(len(rows), 1, dtype=torch.long, device=device)
    whole = mask
    if state is not None:
        before = state.mask.sum(1, keepdim=True)
        whole = torch.cat([state.mask, mask], 1)
    cache = DynamicCache(config=body.config) if state is None else state.cache
    out = body(
        input_ids=ids,
        attention_mask=whole,
        position_ids=(before + mask.cumsum(1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
    )
    read = sum(map(len, rows)) + (state.read if state is not None else 0)
    return Kept(cache, whole, read), out.last_hidden_state
