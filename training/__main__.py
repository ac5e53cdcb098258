"""``python -m training STAGE [--config RECIPE] [--KEY VALUE …] [--set section.key=value …]``.

A stage's settings are the recipe's section of its name; each is a flag as well (``--users 50``). Progress goes to
stderr; the last line of stdout is one JSON object, the summary, or ``{"error": …}``. Exit codes are those of
`bump_edge.errors`: 2 for a setting that makes no sense.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import orjson

from bump_edge.errors import BumpEdgeError, CancelledError, UsageError
from training.config import apply_overrides, build, check_values, read_recipe
from training.progress import say

STAGES = {
    "base": "BaseConfig",
    "synthesise": "SynthesiseConfig",
    "prepare": "PrepareConfig",
    "warmup": "WarmupConfig",
    "judge": "JudgeConfig",
    "grpo": "GrpoConfig",
    "evaluate": "EvaluateConfig",
    "sft-backbone": "SftConfig",
}
"""The stages, each a module of its own (``-`` is ``_`` there) with a `run`, and the dataclass of its settings there."""

REWARDED = ("grpo",)
"""Stages that read the section [reward] as well."""

SECTIONS = {
    **{name: (name.replace("-", "_"), config) for name, config in STAGES.items()},
    "reward": ("reward", "RewardConfig"),
}
"""The sections of a recipe: module and dataclass."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see python -m training --help")


def main(arguments: Sequence[str]) -> int:
    """Run a stage; returns the exit code."""
    # Nothing here may reach for a hub, or tell one of a run.
    for name in (
        "HF_HUB_OFFLINE",
        "HF_HUB_DISABLE_TELEMETRY",
        "TRANSFORMERS_OFFLINE",
        "DO_NOT_TRACK",
        "HF_HUB_DISABLE_PROGRESS_BARS",
    ):
        os.environ[name] = "1"
    try:
        summary = _run(arguments)
    except BumpEdgeError as error:
        say(f"error: {error.message}")
        print(orjson.dumps(error.as_dict()).decode(), flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        say("cancelled")
        return CancelledError.exit_code
    print(orjson.dumps(summary).decode(), flush=True)
    return 0


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    # the stage first, because its settings are its flags
    stage = next((a for a in arguments if a in STAGES), None)
    parser = _Parser(prog="python -m training", description=__doc__, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("stage", choices=sorted(STAGES), help="what to do")
    parser.add_argument("--config", type=Path, help="a recipe, a TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a key")
    schemas = {name: _schema(name) for name in SECTIONS}
    fields = [f.name for f in dataclasses.fields(schemas[stage])] if stage in STAGES else []
    flags = parser.add_argument_group(f"settings of {stage}" if fields else "settings of a stage")
    for name in fields:
        flags.add_argument(f"--{name.replace('_', '-')}", dest=f"key_{name}", metavar="VALUE")
    parsed = parser.parse_args(list(arguments))
    sections = read_recipe(parsed.config) if parsed.config is not None else {}
    given = {name: getattr(parsed, f"key_{name}") for name in fields}
    overrides = [f"{parsed.stage}.{name}={text}" for name, text in given.items() if text is not None]
    sections = apply_overrides(sections, [*overrides, *parsed.set], schemas)
    if unknown := sorted(sections.keys() - SECTIONS.keys()):
        raise UsageError(f"the recipe has a section [{unknown[0]}]: expected some of {', '.join(sorted(SECTIONS))}")
    # Only the stage's own section must be whole; what the others say must be right all the same.
    for name, values in sections.items():
        if name != parsed.stage:
            check_values(name, values, schemas[name])
    config = build(parsed.stage, sections.get(parsed.stage, {}), schemas[parsed.stage])
    # a stage that is rewarded takes the section of the reward as well
    also = [build("reward", sections.get("reward", {}), schemas["reward"])] if parsed.stage in REWARDED else []
    result: dict[str, Any] = importlib.import_module(f"training.{SECTIONS[parsed.stage][0]}").run(config, *also)
    return {"stage": parsed.stage, **result}


def _schema(section: str) -> type[Any]:
    module, name = SECTIONS[section]
    schema: type[Any] = getattr(importlib.import_module(f"training.{module}"), name)
    return schema


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
