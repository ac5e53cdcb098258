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


def test_a_warm_up_on_rounded_weights_loses_less_when_they_are_rounded(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    log = write_log(tmp_path / "made.jsonl", range(40), length=10)
    prepare(PrepareConfig(data=(log,), out=tmp_path / "users"))
    start = write_model(tmp_path / "model")

    def warmed(block: int, **more: object) -> tuple[float, torch.nn.Module]:
        config = WarmupConfig(
            model=start, data=tmp_path / "users", out=tmp_path / f"run-{block}", steps=40, batch=4, learning_rate=0.01,
            save_every=40, log_every=40, validation_users=8, bfloat16=False, max_visible=6, int4_block=block,
        )  # fmt: skip
        return run(config)["validation_loss"]["after"], load(tmp_path / f"run-{block}" / "model").model

    exact_loss, _ = warmed(0)
    loss, model = warmed(16)
    # the exact weights are kept, and what is said of them is said of the rounded ones
    kept = model.model.layers[0].mlp.up_proj.weight
    assert not torch.equal(kept, rounded(kept, 16))
    again = WarmupConfig(
        model=tmp_path / "run-0" / "model", data=tmp_path / "users", out=tmp_path / "again", steps=1, batch=1,
        learning_rate=0.0, save_every=1, log_every=1, validation_users=8, bfloat16=False, max_visible=6, int4_block=16,
    )  # fmt: skip
    rounded_afterwards = run(again)["validation_loss"]["after"]
    assert exact_loss < rounded_afterwards
    assert loss < rounded_afterwards
    with pytest.raises(UsageError, match="power of two from 16"):
        WarmupConfig(model=start, data=tmp_path, out=tmp_path, int4_block=20)
