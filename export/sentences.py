"""How a sentence encoder makes vectors: read off the files of sentence-transformers; its defaults for a plain BERT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError, ModelNotFoundError, UsageError
from bump_edge.models.encoder_folder import POOLINGS

MODEL_TYPES = ("albert", "bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")
"""Encoders that take token ids and a mask and nothing else but token types."""
_OFFSET = ("camembert", "mpnet", "roberta", "xlm-roberta")  # their positions begin behind the padding token's id
_OLD_KEYS = {
    "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}  # fmt: skip
"""Before sentence-transformers 6, a pooling was a row of switches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentences:
    """How texts become vectors.

    Args:
        transformer: the folder with the weights.
        pooling: one of `POOLINGS`.
        normalize: whether vectors are brought to length 1.
        max_tokens: what is read of a text, special tokens included; None if the files do not say.
        lower_case: whether texts are lower-cased first.
        prefix: written before every text.
    """

    transformer: Path
    pooling: str = "mean"
    normalize: bool = False
    max_tokens: int | None = None
    lower_case: bool = False
    prefix: str = ""


def read_sentences(folder: Path) -> Sentences:
    """What the files in `folder` say; for a plain checkpoint what sentence-transformers would do: the mean.

    Raises:
        ModelNotFoundError: there is no such folder.
        ModelCorruptError: a file cannot be read.
        UsageError: it has a module, or a pooling, that no device runs.
    """
    if not folder.is_dir():
        raise ModelNotFoundError(
            f"{folder} is no folder: expected a sentence encoder of sentence-transformers, or a checkpoint like BERT",
            details={"model": str(folder)},
        )
    if not (folder / "modules.json").is_file():
        return Sentences(transformer=folder, **_limits(folder))
    modules = _json(folder / "modules.json")
    if not isinstance(modules, list) or not all(isinstance(m, dict) for m in modules):
        raise ModelCorruptError(f"{folder / 'modules.json'}: expected a list of modules")
    kinds = [str(m.get("type", "")).rpartition(".")[2] for m in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        raise UsageError(
            f"{folder} is made of {', '.join(kinds) or 'nothing'}: this command takes Transformer, Pooling and, after "
            "them, Normalize",
            details={"modules": kinds},
        )
    transformer = folder / str(modules[0].get("path", ""))
    pooling = _mapping(folder / str(modules[1].get("path", "")) / "config.json")
    prefix = _prefix(folder)
    if prefix and pooling.get("include_prompt") is False:
        raise UsageError(f"{folder} leaves its prompt {prefix!r} out of the pooling: this command cannot")
    return Sentences(
        transformer=transformer,
        pooling=_pooling(folder, pooling),
        normalize=len(kinds) == 3,
        prefix=prefix,
        **_limits(transformer),
    )


def longest(config: dict[str, Any], tokenizer_limit: int) -> int:
    """Tokens that a transformer can read at most.

    Args:
        config: the content of its ``config.json``.
        tokenizer_limit: what its tokenizer says; absurdly large where that says nothing.
    """
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in _OFFSET:
        positions -= int(config.get("pad_token_id") or 0) + 1
    return min(positions, tokenizer_limit)


def _pooling(folder: Path, config: dict[str, Any]) -> str:
    said = config.get("pooling_mode")
    modes = [said] if isinstance(said, str) else list(said or ())
    modes = modes or [name for key, name in _OLD_KEYS.items() if config.get(key)]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise UsageError(
            f"{folder} pools by {', '.join(map(str, modes)) or 'nothing'}: this command takes one of "
            f"{', '.join(POOLINGS)}",
            details={"pooling": modes},
        )
    return str(modes[0])


def _prefix(folder: Path) -> str:
    path = folder / "config_sentence_transformers.json"
    if not path.is_file():
        return ""
    config = _mapping(path)
    name = config.get("default_prompt_name")
    return str((config.get("prompts") or {}).get(name) or "") if name else ""


def _limits(folder: Path) -> dict[str, Any]:
    found = sorted(folder.glob("sentence_*_config.json"))
    config = _mapping(found[0]) if found else {}
    return {"max_tokens": config.get("max_seq_length"), "lower_case": bool(config.get("do_lower_case"))}


def _mapping(path: Path) -> dict[str, Any]:
    content = _json(path)
    if not isinstance(content, dict):
        raise ModelCorruptError(f"{path}: expected an object", details={"path": str(path)})
    return content


def _json(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelCorruptError(f"{path} cannot be read as JSON: {error}", details={"path": str(path)}) from None
