"""The extractive backend in place of the bundled model."""

from __future__ import annotations

from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.errors import ModelError


class StandIn(ExtractiveBackend):
    """Writes, as the extractive backend does, where the bundled model is the default and does not open.

    Args:
        requested: the bundled model's name.
        error: why it does not open.
    """

    def __init__(self, requested: str, error: ModelError) -> None:
        super().__init__()
        self.requested = requested
        self.error = error

    def __str__(self) -> str:
        """What a person is told."""
        return (
            f"the bundled model {self.requested!r} does not open, and the extractive backend writes instead: "
            f"{self.error.message}"
        )
