"""A sentence encoder for onnxruntime, through Optimum: what the device sees topics with (`bump_edge.encoder`).

    python -m export encoder --model FOLDER --out FOLDER [--precision int8]

`FOLDER` is one of sentence-transformers, whose pooling and normalisation are kept, or a plain checkpoint like BERT.
Optimum's exporter wants an older transformers than the other exports: it is the extra ``optimum``, in an environment of
its own. How near the vectors are to the source's own is measured before anything takes its place, and is in the
manifest; a float32 export that is not near is an error.
"""

from __future__ import annotations

import importlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bump_edge.encoder import OnnxEncoder
from bump_edge.errors import (
    BackendUnavailableError,
    InputError,
    ModelCorruptError,
    ModelError,
    NotFoundError,
    UsageError,
)
from bump_edge.models.encoder_folder import ENCODER, MODEL, TOKENIZER, EncoderFolder
from bump_edge.readers import read
from export.artefact import is_full, stamp, versions, writing
from export.options import ExportOptions, check_at_least, check_one_of
from export.processes import ROOT
from export.progress import say
from export.sentences import MODEL_TYPES, Sentences, longest, read_sentences
from export.source import look_at, weight_files

PRECISIONS = ("fp32", "int8")
TARGETS = ("avx2", "avx512_vnni", "arm64")
PACKAGES = (
    "optimum",
    "optimum-onnx",
    "onnx",
    "onnxruntime",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)
DATA = ROOT / "examples" / "history.jsonl"
LEAST = 0.9999
"""Cosine to the source's own vector that every text must reach in float32."""
_ROUNDS = 3  # of measuring the speed; the median counts


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderOptions(ExportOptions):
    """What to build.

    Args:
        precision: ``fp32``, or ``int8``: weights in 8 bits, what flows through them quantised as it comes.
        target: of int8: the processor that it is meant for, one of `TARGETS`; it runs on the others too.
        data: histories, on whose texts the vectors are compared with the source's.
        texts: how many of them at most; ≥ 2.
    """

    precision: str = "fp32"
    target: str = "avx2"
    data: tuple[Path, ...] = (DATA,)
    texts: int = 200
    kind: str = "encoder"

    def __post_init__(self) -> None:
        ExportOptions.__post_init__(self)
        check_one_of("precision", self.precision, PRECISIONS)
        check_one_of("target", self.target, TARGETS)
        check_one_of("kind", self.kind, ("encoder",))
        check_at_least(self, texts=2)


def run(options: EncoderOptions) -> dict[str, Any]:
    """Build the folder; returns what the command prints.

    Raises:
        UsageError: an architecture, a module or a pooling that is not taken; a LoRA; an existing target.
        BackendUnavailableError: the extra ``optimum`` is not installed.
        ModelError: Optimum failed, the vectors are not the source's, or the disk is full; nothing is left behind.
    """
    with writing(options.out, force=options.force) as artefact:
        sentences = read_sentences(options.model)
        source = look_at(sentences.transformer, options.base)
        if source.base is not None:
            raise UsageError(f"{options.model} is a LoRA: merge it into its encoder first (peft: merge_and_unload)")
        if (found := source.config.get("model_type")) not in MODEL_TYPES:
            raise UsageError(
                f"{options.model} is a model of type {found!r}: expected an encoder of type {', '.join(MODEL_TYPES)}",
                details={"model_type": found, "supported": list(MODEL_TYPES)},
            )
        texts = texts_of(options.data, options.texts)
        say(f"exporting {source.name} in {options.precision}")
        made = _export(sentences.transformer, artefact.scratch / "onnx", options)
        made.rename(artefact.folder / MODEL)
        folder = _describe(sentences, source.config, artefact.folder, batches=options.precision == "fp32")
        manifest = artefact.finish(
            backend="onnx",
            source=source.name,
            name=options.name,
            licence=options.licence or source.licence,
            extra={
                "kind": options.kind,
                "source_sha256": source.sha256,
                "architecture": source.architecture,
                "precision": options.precision,
                "recipe": {"command": "encoder", **options.recipe()},
                "versions": versions(*PACKAGES),
                "pooling": folder.pooling,
                "normalize": folder.normalize,
                "max_tokens": folder.max_tokens,
                "dimensions": folder.dimensions,
            },
        )
        say(f"comparing {len(texts)} texts with {source.name}")
        size = sum(path.stat().st_size for path in weight_files(sentences.transformer))
        figures = _compare(options.model, sentences, folder, texts) | {
            "bytes": manifest.size,
            "size_ratio": _rounded(manifest.size / size),
        }
        if options.precision == "fp32" and figures["cosine_min"] < LEAST:
            raise ModelError(
                f"the export of {options.model} does not agree with it: the least cosine of {len(texts)} texts is "
                f"{figures['cosine_min']}, expected {LEAST}; nothing was written",
                details=figures,
            )
        stamp(artefact.folder, figures)
        return {
            "out": str(artefact.target),
            "name": manifest.name,
            "kind": options.kind,
            "backend": "onnx",
            "source_sha256": source.sha256,
            "precision": options.precision,
            **figures,
        }


def texts_of(files: Sequence[Path], count: int) -> list[str]:
    """Up to `count` records of histories, as topics are compared with them, and all of them as one long text.

    Raises:
        NotFoundError, InputError: a file is not there, cannot be read, or they hold fewer than two records.
    """
    found: list[str] = []
    for path in files:
        if not path.is_file():
            raise NotFoundError(f"there is no file {path}: expected a history", details={"path": str(path)})
        found += [i.as_record(max_chars=1000) for i in islice(read(path), count - len(found))]
    if len(found) < 2:
        raise InputError(f"{', '.join(map(str, files))}: {len(found)} records; expected at least two")
    return [*found, " ".join(found)]  # longer than any encoder reads: both must cut it at the same place


def _export(source: Path, work: Path, options: EncoderOptions) -> Path:
    """The ONNX model, one file, somewhere in `work`."""
    try:
        from optimum.exporters.onnx import main_export
        from optimum.onnxruntime import ORTQuantizer
        from optimum.onnxruntime.configuration import AutoQuantizationConfig
    except ImportError as error:
        raise _missing(error) from None
    try:
        with warnings.catch_warnings():
            # tracing warns of every constant, transformers 4 of names that Optimum still uses
            warnings.simplefilter("ignore")
            main_export(
                str(source), output=str(work), task="feature-extraction", library_name="transformers", device="cpu",
                do_validation=False, local_files_only=True,
            )  # fmt: skip
            if options.precision == "int8":
                how = getattr(AutoQuantizationConfig, options.target)(is_static=False, per_channel=True)
                quantizer = ORTQuantizer.from_pretrained(str(work), file_name="model.onnx")
                quantizer.quantize(save_dir=str(work / "int8"), quantization_config=how)
                return work / "int8" / "model_quantized.onnx"
    except Exception as error:  # of Optimum, torch, onnx, onnxruntime: each has its own
        if isinstance(error, OSError) or is_full(str(error)):
            raise
        raise ModelError(
            f"Optimum cannot export {source}: {type(error).__name__}: {error}", details={"model": str(source)}
        ) from error
    return work / "model.onnx"


def _describe(sentences: Sentences, config: dict[str, Any], folder: Path, *, batches: bool) -> EncoderFolder:
    """Write the tokenizer and ``encoder.json`` into `folder`."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise _missing(error) from None
    home = sentences.transformer
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(home, local_files_only=True, use_fast=True)
        fast = tokenizer.backend_tokenizer
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelCorruptError(f"the tokenizer in {home} cannot be loaded: {error}") from None
    fast.no_padding()
    fast.no_truncation()
    (folder / TOKENIZER).write_text(fast.to_str(), encoding="utf-8")
    limit = longest(config, tokenizer.model_max_length)
    described = EncoderFolder(
        path=folder,
        pooling=sentences.pooling,
        normalize=sentences.normalize,
        max_tokens=min(sentences.max_tokens or limit, limit),
        dimensions=int(config.get("hidden_size") or config.get("dim") or 0),
        pad_id=int(tokenizer.pad_token_id or 0),
        lower_case=sentences.lower_case,
        prefix=sentences.prefix,
        batches=batches,
    )
    (folder / ENCODER).write_bytes(orjson.dumps(described.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")
    return described


def _compare(source: Path, sentences: Sentences, folder: EncoderFolder, texts: list[str]) -> dict[str, float]:
    """Cosines of the vectors in `folder` with those of sentence-transformers, and the speed of both, in turns."""
    import numpy as np

    theirs = _reference(source, sentences, folder)
    with OnnxEncoder(folder.path) as encoder:
        ours = np.array(encoder(texts))
        wanted = np.array(theirs.encode(texts, show_progress_bar=False, convert_to_numpy=True), dtype=np.float64)
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(wanted, axis=1)
        cosines = (ours * wanted).sum(axis=1) / np.maximum(lengths, 1e-12)
        speeds: list[tuple[float, float]] = []
        for _ in range(_ROUNDS):
            begun = time.perf_counter()
            encoder(texts)
            between = time.perf_counter()
            theirs.encode(texts, show_progress_bar=False, batch_size=32)
            speeds.append((len(texts) / (between - begun), len(texts) / (time.perf_counter() - between)))
    return {
        "texts_compared": len(texts),
        "cosine_min": _rounded(float(cosines.min())),
        "cosine_mean": _rounded(float(cosines.mean())),
        "texts_per_s": _rounded(median(a for a, _ in speeds)),
        "speed_ratio": _rounded(median(a / b for a, b in speeds)),
    }


def _reference(source: Path, sentences: Sentences, folder: EncoderFolder) -> Any:
    """The source in sentence-transformers, in float32."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise _missing(error) from None
    try:
        whole: Any = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    except (
        ImportError
    ):  # saved by version 6, whose modules have other names, and which Optimum's transformers rules out
        models: Any = importlib.import_module("sentence_transformers.models")
        modules = [
            models.Transformer(str(sentences.transformer), max_seq_length=folder.max_tokens),
            models.Pooling(folder.dimensions, pooling_mode=folder.pooling),
            *([models.Normalize()] if folder.normalize else []),
        ]
        prompts, named = ({"it": folder.prefix}, "it") if folder.prefix else (None, None)
        whole = SentenceTransformer(modules=modules, device="cpu", prompts=prompts, default_prompt_name=named)
    return whole.float()


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _missing(error: ImportError) -> BackendUnavailableError:
    return BackendUnavailableError(
        f"the export of an encoder needs {error.name}, which is not installed, or not as Optimum needs it: "
        "pip install 'bump-edge[optimum]' in an environment of its own, as its transformers is older than that of the "
        "other extras",
        details={"package": str(error.name)},
    )
