"""A trained judge, what ``python -m training judge`` wrote, for the device: a plain language model in either format.

Nothing about its weights is special; the manifest says ``"kind": "judge"``, so that no one takes it for a profiler.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.errors import UsageError
from export import gguf, onnx
from export.options import ExportOptions, check_one_of


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeOptions(ExportOptions):
    """What to write: see `export.onnx.OnnxOptions` and `export.gguf.GgufOptions`.

    Args:
        format: ``onnx`` or ``gguf``; options of the other are an error.
        precision, provider, block_size, accuracy_level: of onnx.
        type, calibration: of gguf.
    """

    format: str
    precision: str | None = None
    provider: str | None = None
    block_size: int | None = None
    accuracy_level: int | None = None
    type: str | None = None
    calibration: tuple[Path, ...] | None = None
    kind: str = "judge"

    def __post_init__(self) -> None:
        ExportOptions.__post_init__(self)
        check_one_of("format", self.format, ("onnx", "gguf"))
        check_one_of("kind", self.kind, ("judge",))


def run(options: JudgeOptions) -> dict[str, Any]:
    """Write it; returns what the command prints.

    Raises:
        UsageError: an option of the other format, and what `export.onnx.run` and `export.gguf.run` raise.
        ModelError: see there.
    """
    schema: Any = onnx.OnnxOptions if options.format == "onnx" else gguf.GgufOptions
    fields = {f.name for f in dataclasses.fields(schema)}
    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(options) if f.name != "format"}
    given = {name: value for name, value in given.items() if value is not None}
    if other := sorted(given.keys() - fields):
        raise UsageError(f"--{other[0].replace('_', '-')} is no option of {options.format}: leave it out")
    run_it: Any = onnx.run if options.format == "onnx" else gguf.run
    result: dict[str, Any] = run_it(schema(**given), command="judge")
    return {"format": options.format, **result}
