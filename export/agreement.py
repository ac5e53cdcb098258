"""How far one next-token distribution is from another, on the same tokens. Needs numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]


@dataclass(slots=True)
class Agreement:
    """Sums over positions, so that one prompt after the other can be added.

    Args:
        positions: next-token distributions compared.
        greedy: of them, those in which both hold the same token for the likeliest.
        divergence: the sum of KL(source ‖ device), in nats.
        scored: positions of which the token that follows is known.
        surprise: the sum of −ln p(the token that follows) of the device, in nats.
        source_surprise: the same of the source.
    """

    positions: int = 0
    greedy: int = 0
    divergence: float = 0.0
    scored: int = 0
    surprise: float = 0.0
    source_surprise: float = 0.0

    def add(self, source: Logits, device: Logits, tokens: list[int]) -> None:
        """Compare two (positions, vocabulary) of logits; row n holds what follows ``tokens[n]``.

        Raises:
            ValueError: the shapes differ from each other, or from the tokens.
        """
        import numpy as np

        if source.shape != device.shape or len(source) != len(tokens):
            raise ValueError(f"{source.shape} and {device.shape} logits of {len(tokens)} tokens: expected the same")
        ours, theirs = log_softmax(source), log_softmax(device)
        self.positions += len(tokens)
        self.greedy += int((source.argmax(-1) == device.argmax(-1)).sum())
        self.divergence += float((np.exp(ours) * (ours - theirs)).sum())
        rows = np.arange(len(tokens) - 1)
        following = np.array(tokens[1:], dtype=np.int64)
        self.scored += len(following)
        self.surprise -= float(theirs[rows, following].sum())
        self.source_surprise -= float(ours[rows, following].sum())

    def figures(self) -> dict[str, float]:
        """Shares and means: `greedy_agreement` in [0, 1], `kl` in nats, `perplexity` of both (≥ 1)."""
        import numpy as np

        if not self.positions or not self.scored:
            raise ValueError("nothing was compared: expected at least two tokens")
        return {
            "tokens_compared": self.positions,
            "greedy_agreement": self.greedy / self.positions,
            "kl": max(self.divergence / self.positions, 0.0),
            "perplexity": float(np.exp(self.surprise / self.scored)),
            "source_perplexity": float(np.exp(self.source_surprise / self.scored)),
        }


def log_softmax(logits: Logits) -> NDArray[Any]:
    """The natural logarithms of the probabilities, in float64, along the last axis."""
    import numpy as np

    wide: NDArray[Any] = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(-1, keepdims=True))
    return wide


def greedy_agreement(source: Logits, device: Logits) -> float:
    """Share of positions at which both hold the same token for the likeliest."""
    return float((source.argmax(-1) == device.argmax(-1)).mean())


def divergence(source: Logits, device: Logits) -> float:
    """Mean KL(source ‖ device) over positions, in nats."""
    import numpy as np

    ours, theirs = log_softmax(source), log_softmax(device)
    return float((np.exp(ours) * (ours - theirs)).sum(-1).mean())
