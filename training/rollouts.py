"""Profiles sampled from the policy: a prompt is read once for all its profiles, and none waits for the longest.

All prompts of a mode open with the same words, which are read once; a prompt once for its G rollouts. All rollouts are
then written in one batch on the kept keys and values, and leave it when they end.

A rollout's chance comes from its own seed: the same seed, prompt and weights give the same profile in whatever batch,
on whichever process (up to the rounding of sums, which depends on the batch).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bump_edge.prompts import Prompt
from training import prefixes
from training.models import CausalModel

Tokens = Sequence[int]

COMPACT = 0.75
"""Rows that have ended leave the batch as soon as at most this share of it is still being written: leaving copies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One sampled answer.

    Args:
        ids: its tokens, with the end token where it `ended`; at least one.
        ended: False where the token limit cut it.
        logprobs: natural log of each token's probability when it was drawn, at the sampling temperature.
    """

    ids: tuple[int, ...]
    ended: bool
    logprobs: tuple[float, ...]


def sample(
    model: CausalModel,
    prompts: Sequence[Tokens],
    copies: int | Sequence[int],
    *,
    max_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    rows: int = 64,
) -> list[list[Rollout]]:
    """Rollouts of each prompt.

    Args:
        model: whose weights are used as they are; no gradient.
        prompts: token ids, each at least one.
        copies: how many of each, ≥ 1: G, or one number a prompt.
        max_tokens: of a rollout with its end token, ≥ 1.
        temperature: ≥ 0; 0 takes the likeliest token.
        top_p: the smallest set of tokens of at least this probability is drawn from, in (0, 1].
        seeds: one a rollout, a prompt's after one another; 0, 1, … without.
        rows: rollouts in a batch at most; a prompt's are never parted.
    """
    counts = [copies] * len(prompts) if isinstance(copies, int) else list(copies)
    chances = iter(range(sum(counts)) if seeds is None else seeds)
    batches: list[list[int]] = []
    for at, count in enumerate(counts):
        if not batches or sum(counts[other] for other in batches[-1]) + count > rows:
            batches.append([])
        batches[-1].append(at)
    out: list[list[Rollout]] = []
    for batch in batches:
        own = [[next(chances) for _ in range(counts[at])] for at in batch]
        out.extend(_sample(model, [prompts[at] for at in batch], own, max_tokens, temperature, top_p))
    return out


def write(
    model: CausalModel,
    prompts: Sequence[Prompt],
    *,
    max_tokens: int = 200,
    temperature: float = 0.0,
    seeds: Sequence[int] | None = None,
    rows: int = 0,
) -> list[str]:
    """One profile a prompt, as text: how a checkpoint is evaluated. See `sample` for the settings.

    `rows` 0 takes as many as suit the device: a GPU takes as long for hundreds as for a few.
    """
    ids = [model.encode_prompt(prompt)[0] for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))  # a batch of like lengths is padded little
    found = sample(
        model, [ids[at] for at in order], 1, max_tokens=max_tokens, temperature=temperature,
        seeds=None if seeds is None else [seeds[at] for at in order],
        rows=rows or (256 if model.device.type == "cuda" else 32),
    )  # fmt: skip
    texts = dict(zip(order, (model.decode(row[0].ids).strip() for row in found), strict=True))
    return [texts[at] for at in range(len(ids))]


class Twin:
    """A copy of the policy in bfloat16 to sample from: products of half the bytes, and no cast at every token.

    Args:
        model: the policy; `refresh` takes over its weights.
    """

    def __init__(self, model: CausalModel) -> None:
        import torch

        inner = copy.deepcopy(model.model).to(torch.bfloat16).eval().requires_grad_(False)
        self.model = CausalModel(inner, model.tokenizer, model.format)
        self._policy = model

    def refresh(self) -> CausalModel:
        """The copy, with the policy's weights of now."""
        import torch

        with torch.no_grad():
            pairs = zip(self.model.model.parameters(), self._policy.model.parameters(), strict=True)
            for mine, theirs in pairs:
                mine.copy_(theirs)
        return self.model


def common(prompts: Sequence[Tokens]) -> int:
    """How many tokens all prompts begin with, at most all but one of the shortest."""
    first = min(prompts, key=len)
    for at, token in enumerate(first[:-1]):
        if any(other[at] != token for other in prompts):
            return at
    return len(first) - 1


def _sample(
    model: CausalModel, prompts: Sequence[Tokens], seeds: Sequence[Sequence[int]], max_tokens: int, temperature: float,
    top_p: float,
) -> list[list[Rollout]]:  # fmt: skip
    import torch

    shared = common(prompts)
    if not shared and len(prompts) > 1:  # nothing to begin with: one at a time
        return [
            _sample(model, [prompt], [own], max_tokens, temperature, top_p)[0]
            for prompt, own in zip(prompts, seeds, strict=True)
        ]
    owners = [at for at, own in enumerate(seeds) for _ in own]
    chances = torch.stack([
        torch.rand(max_tokens, generator=torch.Generator().manual_seed(seed)) for own in seeds for seed in own
    ]).to(model.device)  # fmt: skip
    ends = torch.tensor(model.end_ids, device=model.device)
    body, head = prefixes.core(model.model), prefixes.head(model.model)
    ids: list[list[int]] = [[] for _ in owners]
    logprobs: list[list[float]] = [[] for _ in owners]
    ended = [False] * len(owners)
    was_training = model.model.training
    model.model.eval()
    try:
        with torch.inference_mode():
            if shared:
                start = prefixes.trunk(model.model, prompts[0][:shared])
                kept = prefixes.branch(model.model, start, [p[shared:-1] for p in prompts])
                kept = _reserve(kept, owners, max_tokens)
            else:  # one prompt of one token: nothing is read before it
                kept = None
            live = list(range(len(owners)))  # of the batch's rows, which rollout
            token = torch.tensor([[prompts[owner][-1]] for owner in owners], device=model.device)
            for place in range(max_tokens):
                kept, hidden = _step(body, kept, token)
                logits = head(hidden).float()  # (batch, vocabulary)
                token, chosen = _draw(logits, chances[live, place], temperature, top_p)
                stop = torch.isin(token[:, 0], ends)
                for at, new, logprob, last in zip(
                    live, token[:, 0].tolist(), chosen.tolist(), stop.tolist(), strict=True
                ):
                    if not ended[at]:
                        ids[at].append(new)
                        logprobs[at].append(logprob)
                        ended[at] = last
                rest = [row for row, at in enumerate(live) if not ended[at]]
                if not rest:
                    break
                if len(rest) <= COMPACT * len(live):
                    kept, token = kept.rows(rest), token[rest]
                    live = [live[row] for row in rest]
    finally:
        model.model.train(was_training)
    rollouts = iter(
        Rollout(ids=tuple(i), ended=e, logprobs=tuple(p)) for i, e, p in zip(ids, ended, logprobs, strict=True)
    )
    return [[next(rollouts) for _ in own] for own in seeds]


def _reserve(kept: prefixes.Kept, owners: Sequence[int], room: int) -> prefixes.Kept:
    """`kept` with row ``owners[i]`` as its row i, and room for `room` tokens more.

    Without room, every token of every layer is copied at every step, which is three quarters of the time.
    """
    import torch
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):  # type: ignore[misc,no-untyped-call,unused-ignore]
        def __init__(self, known: Any, index: Any) -> None:
            super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
            self.dtype, self.device, self.is_initialized = known.dtype, known.device, True
            self._length = known.keys.shape[-2]
            # in buffers keys lie transposed: the product with the one query of a step then reads them in order
            _, heads, length, width = known.keys.shape
            keys = known.keys.new_empty(len(index), heads, width, length + room)
            values = known.values.new_empty(len(index), heads, length + room, known.values.shape[-1])
            keys[..., :length], values[:, :, :length] = known.keys[index].mT, known.values[index]
            self._buffers = [keys, values]
            self._show()

        def _show(self) -> None:
            keys, values = self._buffers
            self.keys, self.values = keys[..., : self._length].mT, values[:, :, : self._length]

        def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
            until = self._length + key_states.shape[-2]
            keys, values = self._buffers
            keys[..., self._length : until] = key_states.mT
            values[:, :, self._length : until] = value_states
            self._length = until
            self._show()
            return self.keys, self.values

        def batch_select_indices(self, indices: Any) -> None:
            self._buffers = [buffer[indices] for buffer in self._buffers]
            self._show()

    index = torch.tensor(list(owners), device=kept.mask.device)
    cache = copy.copy(kept.cache)
    cache.layers = []
    for layer in kept.cache.layers:
        if type(layer) is DynamicLayer:
            cache.layers.append(Roomy(layer, index))
        else:  # of a sliding window, say: copied at every step, but small
            other = copy.copy(layer)
            other.batch_select_indices(index)
            cache.layers.append(other)
    return prefixes.Kept(cache, kept.mask[index], kept.read)


def _step(body: Any, kept: prefixes.Kept | None, token: Any) -> tuple[prefixes.Kept, Any]:
    """One token more in every row: the new state, and the last layer's state, (batch, width)."""
    import torch
    from transformers import DynamicCache

    one = torch.ones_like(token)
    if kept is None:
        kept = prefixes.Kept(DynamicCache(config=body.config), one[:, :0], 0)
    places = kept.mask.sum(1, keepdim=True)
    mask = torch.cat([kept.mask, one], 1)
    out = body(input_ids=token, attention_mask=mask, position_ids=places, past_key_values=kept.cache, use_cache=True)
    return prefixes.Kept(kept.cache, mask, kept.read + len(token)), out.last_hidden_state[:, -1]


def _draw(logits: Any, chance: Any, temperature: float, top_p: float) -> tuple[Any, Any]:
    """A token a row, (batch, 1), and its log probability; `chance` in [0, 1) decides."""
    import torch

    if temperature == 0:
        found = torch.log_softmax(logits, -1).max(-1)
        return found.indices[:, None], found.values
    odds = torch.softmax(logits if temperature == 1 else logits / temperature, -1)
    heaped = odds
    if top_p < 1:
        ordered, order = odds.sort(-1, descending=True)
        beyond = ordered.cumsum(-1) - ordered >= top_p
        heaped = odds.scatter(-1, order, ordered.masked_fill(beyond, 0.0))
    heaped = heaped.cumsum(-1)
    wanted = chance[:, None].to(heaped.dtype) * heaped[:, -1:]
    token = torch.searchsorted(heaped, wanted, right=True).clamp(max=logits.shape[-1] - 1)
    return token, odds.gather(-1, token)[:, 0].log()
