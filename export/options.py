"""What every export is told, and checks of single options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.backends.base import check_interactions
from bump_edge.errors import UsageError

KINDS = ("profiler", "judge")
"""What a model is for: it writes profiles, or ranks interactions against them."""


def check_one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise `UsageError` unless `value`, of the option `name`, is one of `allowed`."""
    if value not in allowed:
        raise UsageError(
            f"{name} is {value!r}: expected one of {', '.join(map(str, allowed))}", details={"option": name}
        )


def check_at_least(options: object, **least: int) -> None:
    """Raise `UsageError` unless each named option is at least the number given."""
    for name, low in least.items():
        if getattr(options, name) < low:
            raise UsageError(f"{name} is {getattr(options, name)}: expected at least {low}", details={"option": name})


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """Which checkpoint goes where.

    Args:
        model: the checkpoint: a folder that ``save_pretrained`` wrote, or a LoRA of peft, which is merged.
        out: the folder to write; it appears when it is whole.
        base: the base of a LoRA, where it is not at the place that the LoRA names.
        name: what the model is called; by default after `out`.
        licence: the licence of the base; by default what the README of the base says.
        max_interactions: that a prompt may show the model, as it was trained; the device selects no more. ≥ 1; None for
            any number.
        kind: one of `KINDS`.
        force: replace what is at `out`.

    Raises:
        UsageError: `max_interactions` is below 1.
    """

    model: Path
    out: Path
    base: Path | None = None
    name: str | None = None
    licence: str | None = None
    max_interactions: int | None = None
    kind: str = "profiler"
    force: bool = False

    def __post_init__(self) -> None:
        check_interactions(self.max_interactions)

    def recipe(self) -> dict[str, Any]:
        """The options that decide what is written, JSON-ready; paths by their last part, so that it holds anywhere."""
        left_out = {"model", "out", "base", "name", "licence", "max_interactions", "kind", "force"}
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in left_out
        }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value.name if isinstance(value, Path) else value
