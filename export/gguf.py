"""A checkpoint as a GGUF file for llama.cpp, or a LoRA as an adapter beside its base.

Written with the package ``gguf``: Llama, Qwen2 and Qwen3 in F32, F16 or BF16; the quantised types are llama.cpp's own
work on a float32 file, so that they come straight from the checkpoint's numbers. K-quants want rows of a multiple of
256 numbers; llama.cpp takes another type of about the same size where a row is not (SmolLM2's 576: Q5_0 for Q4_K, Q8_0
for Q6_K), so that such files are larger than their name says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.backends.gguf_file import read_header
from bump_edge.backends.llama_library import load_library, silence
from bump_edge.errors import UsageError
from bump_edge.models.registry import check_name, default_name
from export.artefact import writing
from export.checkpoint import chat_format, finish, load_tokenizer, parameters_of, plain
from export.gguf_file import FLOATS, write_model
from export.gguf_lora import write_adapter
from export.gguf_tensors import read_shape
from export.gguf_tokenizer import check, read
from export.importance import write_importance
from export.options import ExportOptions, check_one_of
from export.progress import say
from export.quantise import TYPES, quantise
from export.source import look_at

PACKAGES = ("gguf", "llama-cpp-python", "torch", "transformers", "safetensors", "peft")


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufOptions(ExportOptions):
    """What to write.

    Args:
        type: ``F32``, ``F16``, ``BF16``, or one of `export.quantise.TYPES`.
        calibration: histories or texts for an importance matrix; quantised types only.
        adapter: the model is a LoRA, and is written by itself, so that one base serves several.
    """

    type: str = "Q4_K_M"
    calibration: tuple[Path, ...] = ()
    adapter: bool = False

    def __post_init__(self) -> None:
        ExportOptions.__post_init__(self)
        check_one_of("type", self.type, (*FLOATS, *TYPES))
        if self.calibration and (self.type in FLOATS or self.adapter):
            raise UsageError(f"calibration is for quantised types: expected one of {', '.join(TYPES)} with it")


def run(options: GgufOptions, *, command: str = "gguf") -> dict[str, Any]:
    """Write the file; returns what the command prints.

    Raises:
        UsageError: an architecture or tokenizer that this does not write, a LoRA for another base, an existing target.
        ModelError: llama.cpp failed or does not take the result, or the disk is full; nothing is left behind.
    """
    with writing(options.out, force=options.force) as artefact:
        source = look_at(options.model, options.base)
        shape = read_shape(source.whole)
        name = check_name(options.name or default_name(artefact.target.name))
        licence = options.licence or source.licence
        facts = {"name": name, **({"license": licence} if licence else {})}
        if options.adapter:
            file = artefact.folder / f"{name}.gguf"
            rank = write_adapter(file, source, shape, facts)
            return finish(
                artefact, source, options, command=command, backend="gguf", packages=PACKAGES, kind="lora",
                extra={"rank": rank, "parameters": parameters_of(source.folder)},
            )  # fmt: skip
        tokenizer = load_tokenizer(source.tokenizer)
        vocabulary = read(source.tokenizer, tokenizer, shape.vocabulary)
        api = load_library()
        silence(api, to_stderr=False)
        checkpoint = plain(source, artefact.scratch)
        ending = f"-{options.type.lower()}"
        file = artefact.folder / f"{name.removesuffix(ending)}{ending}.gguf"
        first = file if options.type in FLOATS else artefact.scratch / "float32.gguf"
        kind = options.type if options.type in FLOATS else "F32"
        say(f"writing {kind}")
        write_model(first, checkpoint, shape, vocabulary, kind=kind, facts=facts)
        check(api, first, tokenizer)
        if first != file:
            importance = None
            if options.calibration:
                importance = artefact.scratch / "importance.npz"
                write_importance(importance, checkpoint, tokenizer, shape, options.calibration)
            say(f"quantising to {options.type}")
            quantise(first, file, options.type, importance)
        read_header(file)
        extra = {
            "type": options.type,
            "parameters": parameters_of(source.whole),
            "chat": chat_format(tokenizer),
            "pre_tokenizer": vocabulary.pre,
        }
        return finish(artefact, source, options, command=command, backend="gguf", packages=PACKAGES, extra=extra)
