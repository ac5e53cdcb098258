"""From a judge's name to the judge; what it needs is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from bump_edge.errors import UsageError
from training.judges import Bm25Judge, Judge

JUDGES = ("bm25", "minilm", "listwise-generate", "listwise-logits", "pointwise")
"""The judges there are."""


def open_judge(name: str, *, model: Path | None = None, bfloat16: bool = False) -> Judge:
    """The judge called `name`, one of `JUDGES`.

    Args:
        name: of the kind.
        model: a folder of transformers, or the run of the stage `judge`, for the last three.
        bfloat16: that model computes in it.

    Raises:
        UsageError: an unknown name, or a language model that is not given.
        BackendUnavailableError: its package is not installed.
    """
    if name == "bm25":
        return Bm25Judge()
    if name == "minilm":
        from training.encoders import MiniLmJudge

        return MiniLmJudge()
    if name not in JUDGES:
        raise UsageError(f"the judge is {name!r}: expected one of {', '.join(JUDGES)}")
    if model is None:
        raise UsageError(f"the judge {name} needs a model: give judge_model, a folder of transformers")
    from training.language_judges import open_language_judge

    return open_language_judge(name, model, bfloat16=bfloat16)
