"""A smaller checkpoint of transformers: a LoRA merged, the vocabulary pruned, layers left out.

What comes out trains and exports like any other. A model without some of its layers writes badly until it was healed by
some training; pruning the vocabulary changes nothing on texts whose tokens are kept (see `export.vocabulary`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError, UsageError
from export.artefact import writing
from export.checkpoint import chat_format, copy_beside, finish, load_model, load_tokenizer, missing, parameters_of
from export.corpus import TEMPLATE_TEXTS, texts
from export.layers import EMBEDDINGS, config_with_ids, config_without, drop_layers, pick_rows
from export.options import ExportOptions
from export.progress import say
from export.source import Source, look_at, weight_files
from export.vocabulary import Pruning, prune

PACKAGES = ("torch", "transformers", "safetensors", "peft", "tokenizers")
_BATCH = 1000  # texts a call of the tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class TrimOptions(ExportOptions):
    """What to take off.

    Args:
        corpus: histories, or ``.txt``, whose tokens are kept; without, the vocabulary stays.
        coverage: share of the corpus's tokens to keep, above 0, at most 1.
        drop_layers: layers to leave out, counted from 0.
    """

    corpus: tuple[Path, ...] = ()
    coverage: float = 0.999
    drop_layers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        ExportOptions.__post_init__(self)
        if not 0 < self.coverage <= 1:
            raise UsageError(f"coverage is {self.coverage}: expected more than 0, at most 1")


def run(options: TrimOptions) -> dict[str, Any]:
    """Write the checkpoint; returns what the command prints.

    Raises:
        UsageError: nothing to do, a layer or tokenizer that this cannot take, a LoRA for another base, an existing
            target.
        ModelError: it cannot be loaded or written.
    """
    with writing(options.out, force=options.force) as artefact:
        source = look_at(options.model, options.base)
        if not (source.base or options.corpus or options.drop_layers):
            raise UsageError(
                f"{source.folder} is no LoRA: expected --corpus or --drop-layers, or there is nothing to do"
            )
        try:
            from safetensors.torch import save_file
        except ImportError as error:
            raise missing(error) from None
        tokenizer = load_tokenizer(source.tokenizer)
        weights = _weights(source)
        before = sum(w.numel() * w.element_size() for w in weights.values())
        config = source.config
        extra: dict[str, Any] = {}
        if options.drop_layers:
            weights, config = drop_layers(weights, options.drop_layers), config_without(config, options.drop_layers)
        if options.corpus:
            pruning = _pruning(source.tokenizer, tokenizer, options, weights[EMBEDDINGS[0]].shape[0])
            weights, config = pick_rows(weights, pruning.kept), config_with_ids(config, pruning.new_ids)
            _write_tokenizer(artefact.folder, source, pruning)
            extra = {
                "tokens": len(pruning.kept),
                "coverage": round(pruning.coverage, 6),
                "corpus_tokens": pruning.counted,
            }
        (artefact.folder / "config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2) + b"\n")
        save_file(weights, artefact.folder / "model.safetensors", metadata={"format": "pt"})
        (artefact.folder / "model.safetensors").chmod(0o644)
        copy_beside(source, artefact.folder)
        extra |= {
            "parameters": parameters_of(artefact.folder),
            "chat": chat_format(load_tokenizer(artefact.folder)),
            "weight_bytes_saved": before - sum(w.numel() * w.element_size() for w in weights.values()),
        }
        return finish(
            artefact, source, options, command="trim", backend="transformers", packages=PACKAGES, kind="checkpoint",
            extra=extra,
        )  # fmt: skip


def count_tokens(tokenizer: Any, lines: Iterable[str]) -> Counter[int]:
    """How often each token occurs in `lines`, special tokens not recognised."""
    counts: Counter[int] = Counter()
    batch: list[str] = []

    def take() -> None:
        if batch:
            for ids in tokenizer(batch, add_special_tokens=False, split_special_tokens=True)["input_ids"]:
                counts.update(ids)
            batch.clear()

    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            take()
    take()
    return counts


def _weights(source: Source) -> dict[str, Any]:
    if source.base is not None:
        model = load_model(source)
        tied = bool(source.config.get("tie_word_embeddings"))
        state = model.state_dict()
        return {n: w.contiguous() for n, w in state.items() if not (tied and n == EMBEDDINGS[1])}
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {name: w for path in weight_files(source.folder) for name, w in load_file(path).items()}
    except SafetensorError as error:
        raise ModelCorruptError(f"{source.folder} cannot be loaded: {error}; save the checkpoint again") from None


def _pruning(folder: Path, tokenizer: Any, options: TrimOptions, rows: int) -> Pruning:
    try:
        content = orjson.loads((folder / "tokenizer.json").read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelCorruptError(f"{folder} has no readable tokenizer.json: {error}") from None
    say("counting tokens")
    counts = count_tokens(tokenizer, texts(options.corpus))
    always = [*count_tokens(tokenizer, TEMPLATE_TEXTS), *tokenizer.all_special_ids]
    pruning = prune(content, counts, coverage=options.coverage, always=always, rows=rows)
    say(f"{len(pruning.kept)} of {rows} tokens kept, {pruning.coverage:.4%} of {pruning.counted} in the corpus")
    return pruning


def _write_tokenizer(folder: Path, source: Source, pruning: Pruning) -> None:
    (folder / "tokenizer.json").write_bytes(orjson.dumps(pruning.content, option=orjson.OPT_INDENT_2))
    path = source.tokenizer / "tokenizer_config.json"
    if path.is_file():
        config = orjson.loads(path.read_bytes())
        if isinstance(decoder := config.get("added_tokens_decoder"), dict):
            new = pruning.new_ids
            config["added_tokens_decoder"] = {str(new[int(n)]): entry for n, entry in decoder.items() if int(n) in new}
        (folder / "tokenizer_config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
    path = source.whole / "generation_config.json"
    if path.is_file():
        made = config_with_ids(orjson.loads(path.read_bytes()), pruning.new_ids)
        (folder / path.name).write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2))
