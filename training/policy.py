"""The policy's log-probabilities for an update: a prompt is computed once for its G profiles.

The same numbers and gradients as reading each prompt with each of its profiles, as TRL does, up to float noise, for a
fraction of the tokens: a prompt of 300 tokens with 8 profiles of 50 is 700 tokens and not 2,800. Logits are computed at
the profiles' positions only, some at a time, and anew in the backward pass, so that they never lie in memory together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.packing import Tree, pick, read
from training.prefixes import head

CHUNK = 1024
"""Positions whose logits are in memory at once."""


def shared_logps(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], temperature: float = 1.0
) -> tuple[list[Any], list[Any], int]:
    """The log-probability of every token of every answer, and the entropy where it was drawn.

    Args:
        model: of transformers or peft; gradients flow unless they are switched off.
        prompts: one an answer; what equal ones share is computed once. At least one token each.
        answers: at least one token each.
        temperature: that logits are divided by, > 0.

    Returns:
        One tensor an answer of log-probabilities; one of entropies, in nats, without gradient; the tokens computed.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    alike: dict[tuple[int, ...], list[int]] = {}
    for at, prompt in enumerate(prompts):
        alike.setdefault(tuple(prompt), []).append(at)
    # the last token of an answer predicts nothing
    trees = [Tree.of([[*prompt, *answers[at][:-1]] for at in numbers]) for prompt, numbers in alike.items()]
    order = [at for numbers in alike.values() for at in numbers]
    hidden = read(model, trees)
    places = pick(
        hidden,
        [
            (row, node)
            for row, (tree, numbers) in enumerate(zip(trees, alike.values(), strict=True))
            for path, at in zip(tree.paths, numbers, strict=True)
            for node in path[-len(answers[at]) :]
        ],
    )  # (all tokens, width)
    wanted = torch.tensor([token for at in order for token in answers[at]], device=places.device)
    output = head(model)

    def logps(some: Any, tokens: Any) -> tuple[Any, Any]:
        logs = torch.log_softmax(output(some).float() / temperature, -1)
        with torch.no_grad():
            entropy = -(logs.exp() * logs).sum(-1)
        return logs.gather(-1, tokens[:, None])[:, 0], entropy

    parts = [
        checkpoint(logps, places[at : at + CHUNK], wanted[at : at + CHUNK], use_reentrant=False)
        for at in range(0, len(places), CHUNK)
    ]
    lengths = [len(answers[at]) for at in order]
    back = sorted(range(len(order)), key=order.__getitem__)
    found = [torch.split(torch.cat([part[kind] for part in parts]), lengths) for kind in (0, 1)]
    return [found[0][n] for n in back], [found[1][n] for n in back], sum(tree.size for tree in trees)


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
