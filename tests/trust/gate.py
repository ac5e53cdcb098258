"""What a gate says of a promise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one promise.

    Args:
        promise: in the words of SECURITY.md.
        test: how it was tried.
        tried: how often.
        failures: what broke it, the first of each kind.
        planted: violations made on purpose, and whether the gate saw each.
        figures: what else was counted.
    """

    promise: str
    test: str
    tried: int
    failures: list[str]
    planted: dict[str, bool]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether it held, was tried at all, and the gate can fail."""
        return self.tried > 0 and not self.failures and all(self.planted.values())
