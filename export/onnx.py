"""A checkpoint as a folder for onnxruntime-genai, by its own builder.

The builder appends to ``sys.path`` and prints as it likes, so it runs as a process of its own. Precisions, of builder
0.18: ``fp32`` and ``fp16`` are the numbers of weights and activations (on the CPU ``fp16`` those of weights alone, see
`export.half`); ``int4`` and ``int8`` quantise weights alone, in blocks of `block_size` along their inputs (operator
MatMulNBits with 4 or 8 bits), with activations in float32 on the CPU and float16 on CUDA: rounded to nearest,
symmetric, or by `algorithm` ``k_quant``, which searches each block's scale and offset for the least error; with `mixed`
the products that an int4 model is most sensitive to are left in int8. `accuracy_level` says in what numbers such a
product may be computed: 1 float32, 2 float16, 3 bfloat16, 4 int8. The device must have the provider that the folder was
built for.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bump_edge.backends.onnx_folder import check_folder
from bump_edge.errors import ModelError, UsageError
from export.artefact import is_full, writing
from export.checkpoint import chat_format, finish, load_tokenizer, parameters_of, plain
from export.half import halve
from export.options import ExportOptions, check_one_of
from export.processes import environment
from export.progress import say
from export.source import look_at

PRECISIONS = ("fp32", "fp16", "int8", "int4")
PROVIDERS = ("cpu", "cuda")
BLOCK_SIZES = (16, 32, 64, 128, 256)
ACCURACY_LEVELS = (1, 2, 3, 4)
ALGORITHMS = ("rtn", "k_quant")
MIXED = "last_matmul:int8,mixed_layers:int8"
"""In the builder's words: the head, the first and last eighth of the layers, and what llama.cpp spares in the rest."""
ARCHITECTURES = (
    "ErnieForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "GemmaForCausalLM", "GraniteForCausalLM",
    "LlamaForCausalLM", "MistralForCausalLM", "OlmoForCausalLM", "Phi3ForCausalLM", "PhiForCausalLM",
    "Qwen2ForCausalLM", "Qwen3ForCausalLM", "SmolLM3ForCausalLM",
)  # fmt: skip
"""Decoders that the builder takes and that write text from text."""
PACKAGES = ("onnxruntime-genai", "onnxruntime-genai-cuda", "onnx-ir", "onnx", "onnxruntime", "torch", "transformers")
_TAIL = 12  # lines of a failed builder that are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxOptions(ExportOptions):
    """What to build.

    Args:
        precision: one of `PRECISIONS`.
        provider: what runs it: ``cpu`` or ``cuda``.
        block_size: of int4 and int8: weights that share a scale, one of `BLOCK_SIZES`.
        accuracy_level: of int4 and int8: one of `ACCURACY_LEVELS`; by default the builder's, 4 on the CPU.
        algorithm: of int4 and int8: one of `ALGORITHMS`.
        mixed: of int4: whether what is most sensitive is int8.
    """

    precision: str = "int4"
    provider: str = "cpu"
    block_size: int = 32
    accuracy_level: int | None = None
    algorithm: str = "rtn"
    mixed: bool = False

    def __post_init__(self) -> None:
        ExportOptions.__post_init__(self)
        check_one_of("precision", self.precision, PRECISIONS)
        check_one_of("provider", self.provider, PROVIDERS)
        check_one_of("block_size", self.block_size, BLOCK_SIZES)
        check_one_of("algorithm", self.algorithm, ALGORITHMS)
        if self.mixed and self.precision != "int4":
            raise UsageError(f"mixed is for precision int4, got {self.precision}: leave it out")
        if self.accuracy_level is not None:
            check_one_of("accuracy_level", self.accuracy_level, ACCURACY_LEVELS)


def run(options: OnnxOptions, *, command: str = "onnx") -> dict[str, Any]:
    """Build the folder; returns what the command prints.

    Raises:
        UsageError: an architecture that the builder does not take, a LoRA for another base, an existing target.
        ModelError: the builder failed, or the disk is full; nothing is left behind.
    """
    with writing(options.out, force=options.force) as artefact:
        source = look_at(options.model, options.base)
        if source.architecture not in ARCHITECTURES:
            raise UsageError(
                f"{source.folder} is a {source.architecture}: onnxruntime-genai's builder, as this command uses it, "
                f"takes {', '.join(ARCHITECTURES)}",
                details={"architecture": source.architecture, "supported": list(ARCHITECTURES)},
            )
        width, heads = source.config.get("hidden_size"), source.config.get("num_attention_heads")
        head = source.config.get("head_dim") or (width // heads if width and heads else 16)
        if head % 16:
            raise UsageError(
                f"{source.folder} has heads of {head}: ONNX Runtime's attention takes multiples of 16; use gguf"
            )
        parameters = parameters_of(source.whole)  # a file that is cut off is found before the builder runs
        checkpoint = plain(source, artefact.scratch)
        tokenizer = load_tokenizer(source.tokenizer)
        say(f"building {options.precision} for {options.provider}")
        build(checkpoint, artefact.folder, artefact.scratch, options)
        if _halved(options):
            halve(artefact.folder / "model.onnx")
        check_folder(artefact.folder)
        extra = {
            "precision": options.precision,
            "parameters": parameters,
            "chat": chat_format(tokenizer),
        }
        return finish(artefact, source, options, command=command, backend="onnx", packages=PACKAGES, extra=extra)


def build(checkpoint: Path, folder: Path, scratch: Path, options: OnnxOptions) -> None:
    """Run the builder.

    Args:
        checkpoint: a plain checkpoint of transformers.
        folder: where the model goes; exists.
        scratch: for the builder's own files.
        options: precision and the like.

    Raises:
        ModelError: it failed; the message ends with the last lines that it printed.
    """
    extra = []
    if options.precision in ("int4", "int8"):
        extra = [f"block_size={options.block_size}"]
        if options.accuracy_level is not None:
            extra.append(f"accuracy_level={options.accuracy_level}")
        if options.algorithm == "k_quant":
            extra.append("algo_config=k_quant")
        if options.mixed:
            extra.append(f"matmul_mixed_precision={MIXED}")
    # The builder writes the commit of the repository that it lies in into the file: of a checkout that has the .venv.
    apart = {"GIT_DIR": str(scratch / "no-repository")}
    done = subprocess.run(
        [
            sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(checkpoint.resolve()),
            "-o", str(folder), "-p", "fp32" if _halved(options) else options.precision, "-e", options.provider,
            "-c", str(scratch / "builder"),
            *(["--extra_options", *extra] if extra else []),
        ],
        cwd=scratch, env=environment() | apart, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        tail = [line for line in done.stdout.splitlines() if line.strip()][-_TAIL:]
        why = "the disk is full; free some space, and export again" if is_full(done.stdout) else "it said:\n"
        raise ModelError(
            f"onnxruntime-genai's builder failed (exit code {done.returncode}): {why}"
            + ("" if is_full(done.stdout) else "\n".join(tail)),
            details={"exit_code": done.returncode, "said": tail},
        )
    for path in list(folder.iterdir()):
        if not path.is_file():
            raise ModelError(f"onnxruntime-genai's builder wrote {path.name}, which is no file: expected files alone")


def _halved(options: OnnxOptions) -> bool:
    return options.precision == "fp16" and options.provider == "cpu"
