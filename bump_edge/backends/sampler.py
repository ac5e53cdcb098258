"""Picks tokens from logits with numpy: for runtimes whose own sampler shares one random stream among the prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bump_edge.backends.base import GenerationOptions
from bump_edge.errors import GenerationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Sampler:
    """The sampler of one sequence: its own random stream, its own memory of what it picked.

    Repetition penalty, then temperature, then top-k, then top-p, as transformers does it.
    """

    def __init__(self, options: GenerationOptions) -> None:
        import numpy as np

        self._np = np
        self._options = options
        self._random = np.random.Generator(np.random.PCG64(options.seed))
        self._picked: set[int] = set()

    def pick(self, logits: NDArray[np.float32]) -> int:
        """The next token.

        Args:
            logits: shape (vocabulary,).

        Raises:
            GenerationError: a number that decides is not finite.
        """
        np, options = self._np, self._options
        if options.repetition_penalty != 1 and self._picked:
            seen = np.fromiter(self._picked, dtype=np.int64)
            logits = logits.copy()
            there = logits[seen]
            logits[seen] = np.where(there > 0, there / options.repetition_penalty, there * options.repetition_penalty)
        token = int(logits.argmax())
        if not np.isfinite(logits[token]):  # argmax finds a NaN and +inf; -inf is the highest only if all are
            raise GenerationError(
                "the model computes numbers that are not finite: its weights are damaged, or do not run here; "
                "`bump-edge models verify` compares them with what was added"
            )
        if options.temperature > 0:
            token = self._sample(logits)
        if options.repetition_penalty != 1:
            self._picked.add(token)
        return token

    def _sample(self, logits: NDArray[np.float32]) -> int:
        np, options = self._np, self._options
        scaled = logits.astype(np.float64) / options.temperature
        ids = np.arange(scaled.size)
        if 0 < options.top_k < scaled.size:
            ids = np.argpartition(scaled, -options.top_k)[-options.top_k :]
            ids.sort()  # argpartition leaves an order that may differ between machines
        mass = np.exp(scaled[ids] - scaled[ids].max())
        mass /= mass.sum()
        if options.top_p < 1:
            order = np.argsort(-mass, kind="stable")
            kept = order[: int(np.searchsorted(np.cumsum(mass[order]), options.top_p)) + 1]
            ids, mass = ids[kept], mass[kept]
        edges = np.cumsum(mass)
        at = int(np.searchsorted(edges, self._random.random() * edges[-1], side="right"))
        return int(ids[min(at, ids.size - 1)])
