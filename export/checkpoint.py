"""Loading a checkpoint, and merging a LoRA into its base."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from bump_edge.backends import chat
from bump_edge.errors import BackendUnavailableError, ModelCorruptError
from bump_edge.prompts import TEMPLATE, template_fingerprint
from export.artefact import Artefact, versions
from export.options import ExportOptions
from export.progress import say
from export.source import Source, shapes

_BESIDE = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "chat_template.jinja", "README.md", "LICENSE", "LICENSE.txt", "NOTICE",
)  # fmt: skip
"""What belongs to a checkpoint besides its weights."""


def missing(error: ImportError) -> BackendUnavailableError:
    """The error to raise where a package of the extra `export` is not installed."""
    return BackendUnavailableError(
        f"this export needs {error.name}, which is not installed: pip install 'bump-edge[export]'",
        details={"package": str(error.name)},
    )


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`.

    Raises:
        BackendUnavailableError: transformers is not installed.
        ModelCorruptError: it cannot be loaded.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise missing(error) from None
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelCorruptError(f"the tokenizer in {folder} cannot be loaded: {error}") from None


def load_model(source: Source, *, dtype: str = "auto") -> Any:
    """The model of `source`, a LoRA merged, frozen, on the CPU.

    Args:
        source: the checkpoint.
        dtype: of the weights, as torch names it; ``auto`` for that of the checkpoint.

    Raises:
        BackendUnavailableError: torch, transformers or peft is not installed.
        ModelCorruptError: it cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM

        model: Any = AutoModelForCausalLM.from_pretrained(
            source.whole, local_files_only=True, dtype=dtype if dtype == "auto" else getattr(torch, dtype)
        )
        if source.base is not None:
            from peft import PeftModel

            with warnings.catch_warnings():
                # transformers 5.23, of itself, when peft looks at a model
                warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)
                model = PeftModel.from_pretrained(model, str(source.folder)).merge_and_unload()
    except ImportError as error:
        raise missing(error) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelCorruptError(f"{source.folder} cannot be loaded: {error}") from None
    return model.eval().requires_grad_(False)


def plain(source: Source, scratch: Path) -> Path:
    """A folder with `source` as a plain checkpoint: its own, or, for a LoRA, one in `scratch` with it merged.

    Merged in the numbers of the base: bfloat16 stays bfloat16.
    """
    if source.base is None:
        return source.folder
    say(f"merging {source.name} into {source.base.name}")
    merged = scratch / "merged"
    load_model(source).save_pretrained(merged)
    copy_beside(source, merged)
    return merged


def copy_beside(source: Source, folder: Path) -> None:
    """Copy the tokenizer, and what else belongs to a checkpoint and is not in `folder` yet."""
    for home in (source.tokenizer, source.whole):
        for name in _BESIDE:
            if (home / name).is_file() and not (folder / name).exists():
                shutil.copyfile(home / name, folder / name)


def parameters_of(folder: Path) -> int:
    """How many numbers the weights in `folder` are."""
    return sum(prod(shape) for shape in shapes(folder).values())


def chat_format(tokenizer: Any) -> str:
    """The name of the chat format that the device will choose for this tokenizer."""
    return chat.choose(set(tokenizer.all_special_tokens).__contains__).name


def finish(
    artefact: Artefact,
    source: Source,
    options: ExportOptions,
    *,
    command: str,
    backend: str,
    packages: tuple[str, ...],
    extra: Mapping[str, Any],
    kind: str | None = None,
) -> dict[str, Any]:
    """Write the manifest of an artefact made of `source`; returns what the command prints.

    Args:
        artefact: with all its files.
        source: the checkpoint.
        options: what was asked for.
        command: the subcommand.
        backend: see `Artefact.finish`.
        packages: whose versions decide what is written.
        extra: what else the manifest says: parameters, chat format, …
        kind: what the artefact is, where `options.kind` does not say it.
    """
    manifest = artefact.finish(
        backend=backend,
        source=source.name,
        name=options.name,
        licence=options.licence or source.licence,
        max_interactions=options.max_interactions,
        extra={
            "kind": kind or options.kind,
            "source_sha256": source.sha256,
            "base": source.base.resolve().name if source.base is not None else None,
            "architecture": source.architecture,
            "recipe": {"command": command, **options.recipe()},
            "versions": versions(*packages),
            "template": {"version": TEMPLATE, "fingerprint": template_fingerprint()},
            **extra,
        },
    )
    return {
        "out": str(artefact.target),
        "name": manifest.name,
        "kind": manifest.extra["kind"],
        "backend": backend,
        "bytes": manifest.size,
        "source_sha256": source.sha256,
        **extra,
    }
