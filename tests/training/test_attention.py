"""Attention in bfloat16 as matrix products against torch's own, and in a model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction
from tests.training.tiny import write_model
from training.attention import NAME, attend
from training.models import load
from training.packing import Tree, read
from training.rollouts import Twin, sample

LAYER = SimpleNamespace(is_causal=True, training=False, num_key_value_groups=2)


def parts(rows: int, heads: int, shared: int, count: int, whole: int, dtype: object = None) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(count)
    shapes = [(rows, heads, count, 16), (rows, shared, whole, 16), (rows, shared, whole, 16)]
    return [torch.randn(*shape, generator=made).to(dtype or torch.bfloat16).requires_grad_() for shape in shapes]


def own(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: object) -> torch.Tensor:
    """Attention by its definition, in float64."""
    query, key, value = (part.double() for part in (query, key, value))
    key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], 1) for part in (key, value))
    scores = query @ key.mT / 4
    allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril() if mask is None else mask
    return (scores.masked_fill(~allowed, float("-inf")).softmax(-1) @ value).transpose(1, 2)


@pytest.mark.parametrize(("heads", "shared"), [(4, 4), (6, 2), (3, 1)])
@pytest.mark.parametrize("count", [1, 7, 33])
def test_it_is_attention(heads: int, shared: int, count: int) -> None:
    whole = count + 5
    mask = torch.ones(3, 1, count, whole, dtype=torch.bool)
    mask[0, 0, :, :4] = False  # padding on the left of one row
    mask &= torch.ones(count, whole, dtype=torch.bool).tril(5)
    ours, theirs = (parts(3, heads, shared, count, whole) for _ in range(2))
    found, _ = attend(LAYER, *ours, mask)
    wanted = own(*theirs, mask)
    assert found.shape == (3, count, heads, 16)
    assert found.dtype == torch.bfloat16
    assert (found - wanted).abs().max() < 0.05
    found.float().square().sum().backward()
    wanted.square().sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        scale = other.grad.abs().max()
        assert (one.grad - other.grad).abs().max() < 0.05 * scale


def test_without_a_mask_it_is_causal_and_padding_is_no_nan() -> None:
    ours = parts(2, 4, 2, 9, 9)
    found, _ = attend(LAYER, *ours, None)
    assert (found - own(*ours, None)).abs().max() < 0.05
    nothing = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    assert torch.isfinite(attend(LAYER, *ours, nothing)[0]).all()


def test_float32_is_left_to_torch_and_autocast_is_seen() -> None:
    ours = parts(2, 4, 2, 9, 9, torch.float32)
    exact, _ = attend(LAYER, *ours, None)
    assert exact.dtype == torch.float32
    assert torch.allclose(exact.double(), own(*ours, None), atol=1e-5)  # torch's kernel
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, _ = attend(LAYER, *ours, None)
    assert rough.dtype == torch.bfloat16
    assert (rough - exact).abs().max() < 0.05


def test_a_loaded_model_computes_with_it(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    exact, rough = load(folder), load(folder, dtype="bfloat16")
    assert exact.model.config._attn_implementation == NAME
    trees = [Tree.of([[3, 4, 5, 6], [3, 4, 7, 8, 9], [3, 4, 7, 8, 10]]), Tree.of([[3, 9, 9]])]
    with torch.inference_mode():
        wanted, found = (read(model.model, trees) for model in (exact, rough))
    assert (found[0] - wanted[0]).abs().max() < 0.1 * wanted[0].abs().max()
    prompt = Prompt(
        interactions=(Interaction(item="Bone Nut Blanks"),),
        stats=HistoryStats.of([Interaction(item="Bone Nut Blanks")]),
    )
    ids = [exact.encode_prompt(prompt)[0]]
    [[one], [other]] = (
        sample(model, ids, 1, max_tokens=8, temperature=0)[0] for model in (exact, Twin(exact).refresh())
    )
    assert one.logprobs[0] == pytest.approx(other.logprobs[0], abs=0.1)
