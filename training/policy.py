"""The policy's log-probabilities for an update: a prompt is computed once for its G profiles.

The same numbers and gradients as reading each prompt with each of its profiles, as TRL does, up to float noise, for a
fraction of the tokens: a prompt of 300 tokens with 8 profiles of 50 is 700 tokens and not 2,800. Logits are computed at
the profiles' positions only, some at a time, and anew in the backward pass, so that they never lie in memory together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training import prefixes
from training.rollouts import common

CHUNK = 1024
"""Positions whose logits are in memory at once."""


def shared_logps(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], temperature: float = 1.0
) -> tuple[list[Any], list[Any], int]:
    """The log-probability of every token of every answer, and the entropy where it was drawn.

    Args:
        model: of transformers or peft; gradients flow unless they are switched off.
        prompts: one an answer; equal ones are computed once. At least one token each.
        answers: at least one token each.
        temperature: that logits are divided by, > 0.

    Returns:
        One tensor an answer of log-probabilities; one of entropies, in nats, without gradient; the tokens computed.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    distinct = list(dict.fromkeys(map(tuple, prompts)))
    shared = common(distinct)
    if not shared and len(distinct) > 1:  # nothing to begin with: one prompt at a time
        return _one_by_one(model, distinct, prompts, answers, temperature)
    owners = [distinct.index(tuple(prompt)) for prompt in prompts]
    texts = [[prompt[-1], *answer[:-1]] for prompt, answer in zip(prompts, answers, strict=True)]
    if shared:
        kept = prefixes.branch(model, prefixes.trunk(model, distinct[0][:shared]), [p[shared:-1] for p in distinct])
        found = prefixes.leaves(model, kept, owners, texts)
        hidden, read = found.hidden, found.read
    else:  # a prompt of one token
        state, hidden = prefixes._run(model, None, texts, left=False)
        read = state.read
    head = prefixes.head(model)
    lengths = [len(answer) for answer in answers]
    places = torch.cat([hidden[at, :length] for at, length in enumerate(lengths)])  # (all tokens, width)
    wanted = torch.tensor([token for answer in answers for token in answer], device=places.device)

    def logps(some: Any, tokens: Any) -> tuple[Any, Any]:
        logs = torch.log_softmax(head(some).float() / temperature, -1)
        with torch.no_grad():
            entropy = -(logs.exp() * logs).sum(-1)
        return logs.gather(-1, tokens[:, None])[:, 0], entropy

    parts = [
        checkpoint(logps, places[at : at + CHUNK], wanted[at : at + CHUNK], use_reentrant=False)
        for at in range(0, len(places), CHUNK)
    ]
    return (
        list(torch.split(torch.cat([part[0] for part in parts]), lengths)),
        list(torch.split(torch.cat([part[1] for part in parts]), lengths)),
        read,
    )


def _one_by_one(
    model: Any, distinct: Sequence[tuple[int, ...]], prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]], temperature: float,
) -> tuple[list[Any], list[Any], int]:  # fmt: skip
    logps: list[Any] = [None] * len(answers)
    entropies: list[Any] = [None] * len(answers)
    read = 0
    for prompt in distinct:
        mine = [at for at, other in enumerate(prompts) if tuple(other) == prompt]
        some = shared_logps(model, [prompt] * len(mine), [answers[at] for at in mine], temperature)
        read += some[2]
        for at, values, spread in zip(mine, some[0], some[1], strict=True):
            logps[at], entropies[at] = values, spread
    return logps, entropies, read


def of_batch(model: Any, input_ids: Any, mask: Any, keep: int, temperature: float) -> tuple[Any, Any, int]:
    """`shared_logps` for TRL's tensors: prompts padded on the left, then `keep` columns of answers padded on the right.

    Returns:
        Two tensors (rows, `keep`), 0 at the padding, and the tokens computed.
    """
    import torch

    rows = [
        (ids[:-keep][where[:-keep] == 1].tolist(), ids[-keep:][where[-keep:] == 1].tolist())
        for ids, where in zip(input_ids, mask.bool(), strict=True)
    ]
    written = [at for at, (_, answer) in enumerate(rows) if answer]  # a masked answer has no token
    logps, entropies, read = shared_logps(
        model, [rows[at][0] for at in written], [rows[at][1] for at in written], temperature
    )
    out = []
    for values in (logps, entropies):
        whole = torch.zeros(len(rows), keep, dtype=torch.float32, device=input_ids.device)
        for at, row in zip(written, values, strict=True):
            whole = whole.index_put(
                (torch.full((len(row),), at, device=row.device), torch.arange(len(row), device=row.device)), row
            )
        out.append(whole)
    return out[0], out[1], read
