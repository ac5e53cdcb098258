"""Training on rounded weights, so that a model loses little when it is exported to int4.

At every step the weights that the export rounds are put on its grid; the forward pass, the sampling and the gradients
see those, and the optimiser then changes the weights as they were (the straight-through estimator of Bengio et al.
2013; Courbariaux et al. 2015 keep the exact weights in the same way). Checkpoints hold the exact ones.

The grid is that of ONNX Runtime's symmetric int4 blocks, which ``python -m export onnx --precision int4`` writes: the
largest weight of a block in magnitude becomes −8, and the others multiples of its eighth.
"""

from __future__ import annotations

from typing import Any

from bump_edge.errors import UsageError
from training.models import missing


def check_block(block: int) -> None:
    """Raise `UsageError` unless `block` is 0 or a size that the export knows."""
    if block and (block < 16 or block & (block - 1)):
        raise UsageError(f"int4_block is {block}: expected 0, or a power of two from 16 on, as in export onnx")


def rounded(weight: Any, block: int) -> Any:
    """`weight`, (outputs, inputs), on the grid of int4 in blocks of `block` inputs; a short last block counts as one.

    The same numbers as ONNX Runtime's, but where a weight lies half-way between two (2 in 100,000 of a vocabulary).
    """
    import torch

    outputs, inputs = weight.shape
    filled = torch.nn.functional.pad(weight, (0, -inputs % block)).view(outputs, -1, block)
    high, low = filled.amax(-1, keepdim=True), filled.amin(-1, keepdim=True)
    scale = torch.where(low.abs() > high.abs(), low, high) / -8
    steps = torch.round(filled / torch.where(scale == 0, 1, scale)).clamp_(-8, 7)
    return (steps * scale).view(outputs, -1)[:, :inputs]


class Rounding:
    """A model's weights, exact or rounded.

    Args:
        model: of transformers; its linear layers are rounded, and with a tied output layer the embedding.
        block: inputs that share a scale, see `check_block`.

    Raises:
        UsageError: not all of these weights are trained: a LoRA.
    """

    def __init__(self, model: Any, block: int) -> None:
        import torch

        linear = {id(m.weight): m.weight for m in model.modules() if isinstance(m, torch.nn.Linear)}
        self._weights = list(linear.values())
        if not all(weight.requires_grad for weight in self._weights):
            raise UsageError("int4_block is for training all weights: expected lora_rank 0")
        self._block = block
        self._exact: list[Any] = []

    def round(self) -> None:
        """Put the weights on the grid, and keep the exact ones."""
        import torch

        with torch.no_grad():
            self._exact = [weight.detach().clone() for weight in self._weights]
            for weight in self._weights:
                weight.copy_(rounded(weight, self._block))

    def restore(self) -> None:
        """Give the exact weights back."""
        import torch

        with torch.no_grad():
            for weight, exact in zip(self._weights, self._exact, strict=True):
                weight.copy_(exact)
        self._exact = []


def rounds(model: Any, block: int) -> Any:
    """The callback of a `Trainer` that trains `model` on rounded weights; see `Rounding`."""
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise missing(error) from None
    rounding = Rounding(model, block)

    class Rounds(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_step_begin(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:  # type: ignore[override]
            rounding.round()

        def on_pre_optimizer_step(  # type: ignore[override]
            self, _args: Any, _state: Any, _control: Any, **_: Any
        ) -> None:
            rounding.restore()

    return Rounds()
