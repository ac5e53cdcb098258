"""From a judge's name to the judge; what it needs is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from bump_edge.errors import UsageError
from training.judges import Bm25Judge, Judge
from training.panel import COSINE_TEMPERATURE, Panel

JUDGES = ("bm25", "minilm", "wordllama", "listwise-generate", "listwise-logits", "pointwise", "served")
"""The judges there are."""

_COSINES = frozenset(("minilm", "wordllama"))


def open_judge(
    name: str, *, model: Path | None = None, bfloat16: bool = False, url: str = "", served: str = ""
) -> Judge:
    """The judge called `name`, one of `JUDGES`, or several of them with ``+`` between, as a `Panel`.

    Args:
        name: of the kind, such as ``listwise-logits+wordllama``.
        model: a folder of transformers, or the run of the stage `judge`, for the language models; of ``served``
            its tokenizer alone is used.
        bfloat16: that model computes in it, in process.
        url: of the server, for ``served``. served: the model's name there; empty leaves it to the server.

    Raises:
        UsageError: an unknown name, or a language model that is not given.
        BackendUnavailableError: its package is not installed.
    """
    if "+" in name:
        parts = [part.strip() for part in name.split("+")]
        judges = [open_judge(part, model=model, bfloat16=bfloat16, url=url, served=served) for part in parts]
        return Panel([(judge, COSINE_TEMPERATURE if judge.name in _COSINES else 1.0) for judge in judges])
    if name == "bm25":
        return Bm25Judge()
    if name == "minilm":
        from training.encoders import MiniLmJudge

        return MiniLmJudge()
    if name == "wordllama":
        from training.encoders import WordLlamaJudge

        return WordLlamaJudge()
    if name not in JUDGES:
        raise UsageError(f"the judge is {name!r}: expected one of {', '.join(JUDGES)}")
    if model is None:
        raise UsageError(f"the judge {name} needs a model: give judge_model, a folder of transformers")
    if name == "served":
        if not url:
            raise UsageError("the judge served needs a server: give judge_url, such as http://127.0.0.1:8000")
        from training.served import open_served

        return open_served(model, url, served)
    from training.language_judges import open_language_judge

    return open_language_judge(name, model, bfloat16=bfloat16)
