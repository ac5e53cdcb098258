"""Training on rounded weights: the export's own grid, exact weights between the steps, and less lost by rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bump_edge.errors import UsageError
from tests.training.planted import write_log
from tests.training.tiny import write_model
from training.models import load
from training.prepare import PrepareConfig
from training.prepare import run as prepare
from training.rounding import Rounding, rounded
from training.warmup import WarmupConfig, run


@pytest.mark.parametrize(("inputs", "block"), [(64, 32), (48, 16), (96, 64), (40, 32)])
def test_the_grid_is_that_of_onnx_runtime(inputs: int, block: int) -> None:
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits

    outputs, blocks = 8, -(-inputs // block)
    weight = np.random.default_rng(inputs).normal(size=(outputs, inputs)).astype(np.float32)
    weight[0, :block] = 0  # nothing to scale
    weight[1, 3] = -weight[1].max() * 2
    packed = np.zeros((outputs, blocks, block // 2), np.uint8)
    scales = np.zeros((outputs, blocks), np.float32)
    offsets = np.zeros((outputs, (blocks + 1) // 2), np.uint8)
    filled = np.pad(weight, ((0, 0), (0, blocks * block - inputs)))
    quantize_matmul_4bits(packed, filled.T.copy(), scales, offsets, block, outputs, blocks * block, True)
    steps = np.stack([packed & 15, packed >> 4], -1).reshape(outputs, blocks, block).astype(np.float32) - 8
    theirs = (steps * scales[:, :, None]).reshape(outputs, -1)[:, :inputs]
    ours = rounded(torch.from_numpy(weight), block)
    assert np.array_equal(ours.numpy(), theirs)
    assert torch.equal(rounded(ours, block), ours)
    assert len(torch.unique(ours[1, :block])) <= 16


def test_the_exact_weights_come_back_and_tied_ones_are_rounded_once(tmp_path: Path) -> None:
    model = load(write_model(tmp_path / "model"), trainable=True).model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    rounding = Rounding(model, 16)
    rounding.round()
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert "model.layers.0.mlp.up_proj.weight" in changed
    assert not any("norm" in name for name in changed)
    tied = model.get_input_embeddings().weight
    assert torch.equal(tied, rounded(before["model.embed_tokens.weight"], 16)) == model.config.tie_word_embeddings
    rounding.restore()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    model.model.layers[0].mlp.up_proj.weight.requires_grad_(False)
    with pytest.raises(UsageError, match="expected lora_rank 0"):
        Rounding(model, 16)


@pytest.mark.parametrize("seed", [0, 1])
def test_weights_that_learned_on_the_grid_lose_less_when_they_are_rounded(tmp_path: Path, seed: int) -> None:
    torch.set_num_threads(1)
    start = write_model(tmp_path / "model")

    def learned(block: int) -> tuple[float, float]:
        """The loss on a batch learned by heart: of the exact weights, and of the same weights rounded."""
        torch.manual_seed(seed)
        model = load(start, trainable=True).model
        tokens = torch.randint(0, model.config.vocab_size, (8, 24))
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        grid = Rounding(model, block) if block else None
        for _ in range(150):
            if grid is not None:
                grid.round()
            optimiser.zero_grad()
            model(input_ids=tokens, labels=tokens).loss.backward()
            if grid is not None:
                grid.restore()
            optimiser.step()
        with torch.no_grad():
            exact = float(model(input_ids=tokens, labels=tokens).loss)
            Rounding(model, 16).round()
            return exact, float(model(input_ids=tokens, labels=tokens).loss)

    exact, rounded_afterwards = learned(0)
    on_the_grid, kept_to_it = learned(16)
    assert exact < 0.1  # by heart: a guess among its 529 tokens costs 6
    assert kept_to_it < rounded_afterwards
    assert kept_to_it - on_the_grid < 0.5 * (rounded_afterwards - exact)


def test_a_warm_up_on_rounded_weights_keeps_the_exact_ones_and_measures_the_rounded(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    log = write_log(tmp_path / "made.jsonl", range(40), length=10)
    prepare(PrepareConfig(data=(log,), out=tmp_path / "users"))

    def warmed(start: Path, out: str, block: int, steps: int, learning_rate: float) -> dict[str, float]:
        config = WarmupConfig(
            model=start, data=tmp_path / "users", out=tmp_path / out, steps=steps, batch=4, learning_rate=learning_rate,
            save_every=steps, log_every=steps, validation_users=8, bfloat16=False, max_visible=6, int4_block=block,
        )  # fmt: skip
        return dict(run(config)["validation_loss"])

    loss = warmed(write_model(tmp_path / "model"), "run", 16, 40, 0.01)
    assert loss["after"] < loss["before"] - 1
    kept = load(tmp_path / "run" / "model").model.model.layers[0].mlp.up_proj.weight
    assert not torch.equal(kept, rounded(kept, 16))
    # measured again: the same on the grid, another without it
    assert warmed(tmp_path / "run" / "model", "grid", 16, 1, 0.0)["before"] == pytest.approx(loss["after"], abs=1e-4)
    assert warmed(tmp_path / "run" / "model", "exact", 0, 1, 0.0)["before"] != pytest.approx(loss["after"], abs=1e-4)
    with pytest.raises(UsageError, match="power of two from 16"):
        WarmupConfig(model=tmp_path, data=tmp_path, out=tmp_path, int4_block=20)
