"""A causal language model of transformers, profiler or judge: opened from a folder, spoken to in the runtime's words.

The one place that loads weights. A folder is what `save_pretrained` wrote, or a LoRA of peft beside a note of its base,
or that of a training run, which means the model in it; nothing is ever fetched from a hub. Prompts become tokens by
`bump_edge.backends.chat`, the code that the device uses, so that what is trained is what will be asked.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.backends import chat
from bump_edge.errors import BackendUnavailableError, ModelCorruptError, ModelNotFoundError, UsageError
from bump_edge.prompts import Prompt
from training.attention import register


@dataclass(frozen=True, slots=True)
class CausalModel:
    """A model with its tokenizer and chat format.

    Args:
        model: of transformers or peft.
        tokenizer: its tokenizer.
        format: how turns are written, chosen by the tokens that the vocabulary has.
    """

    model: Any
    tokenizer: Any
    format: chat.ChatFormat

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> CausalModel:
        """A model in memory."""
        special = set(tokenizer.all_special_tokens)
        return cls(model, tokenizer, chat.choose(special.__contains__))

    @property
    def device(self) -> Any:
        """Where its weights are."""
        return next(self.model.parameters()).device

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer; the first is the one that training appends.

        Raises:
            UsageError: the vocabulary has none, so that no answer could ever end.
        """
        ends = [self.tokenizer.convert_tokens_to_ids(token) for token in self.format.end]
        own = self.tokenizer.eos_token_id
        found = tuple(dict.fromkeys([*ends, *([own] if own is not None else [])]))
        if not found:
            raise UsageError("the tokenizer has no end token: expected an eos_token, or the markers of a chat format")
        return found

    def plain(self, text: str) -> list[int]:
        """The tokens of a text in which no special token is recognised."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    def encode(self, messages: chat.Messages) -> tuple[list[int], int]:
        """The tokens of messages in the chat format, and how many of the first are the fixed prefix."""
        return chat.tokenize(self.format.render(messages), self.tokenizer.convert_tokens_to_ids, self.plain)

    def encode_prompt(self, prompt: Prompt) -> tuple[list[int], int]:
        """The tokens of a profiler's prompt, as on the device, and how many of the first are the fixed prefix."""
        return self.encode(chat.messages_of(prompt))

    def answer(self, text: str) -> list[int]:
        """The tokens of an answer to learn: the text and the end token."""
        return [*self.plain(text), self.end_ids[0]]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer's tokens, without special ones."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def token_of(self, text: str) -> int:
        """The one token that `text` is.

        Raises:
            UsageError: it is none or several.
        """
        ids = self.plain(text)
        if len(ids) != 1:
            raise UsageError(
                f"{text!r} is {len(ids)} tokens for this model: expected one; a judge needs a tokenizer in which "
                "letters and yes and no with a space before are single tokens"
            )
        return ids[0]

    def save(self, folder: Path) -> None:
        """Write model and tokenizer into `folder`; a LoRA as such, with its base's folder and hashes beside it."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        adapter = folder / "adapter_config.json"
        if adapter.is_file():
            (folder / BASE_NOTE).write_bytes(orjson.dumps({"files": _hashes(_base_of(adapter))}))

    def blend(self, other: CausalModel, share: float) -> None:
        """Move all weights to ``(1 - share) · other + share · own``: WiSE-FT (Wortsman et al., arXiv 2109.01903).

        Args:
            other: of the same architecture and vocabulary.
            share: in (0, 1].

        Raises:
            UsageError: the two have not the same weights.
        """
        import torch

        own, others = self.model.state_dict(), other.model.state_dict()
        if {n: w.shape for n, w in own.items()} != {n: w.shape for n, w in others.items()}:
            raise UsageError("the two models differ in their weights: expected two checkpoints of one model")
        done: set[int] = set()  # tied weights are one
        with torch.no_grad():
            for name, weight in own.items():
                if weight.data_ptr() not in done:
                    done.add(weight.data_ptr())
                    weight.copy_((1 - share) * others[name].to(weight) + share * weight)


BASE_NOTE = "base.json"
"""Beside a LoRA: the weight files of its base by hash, so that one that was trained again is not taken for it."""


def weights_of(folder: Path) -> Path:
    """Where the weights are that `folder` means, absolute: that of a training run means its trained model."""
    inside = (folder / "run.json").is_file() and (folder / "model").is_dir()
    return (folder / "model" if inside else folder).resolve()


def is_checkpoint(folder: Path) -> bool:
    """Whether `folder` looks like a model of transformers, a LoRA of peft, or a training run that has one."""
    folder = weights_of(folder)
    weights = ("model.safetensors", "model.safetensors.index.json")
    return (folder / "adapter_config.json").is_file() or (
        (folder / "config.json").is_file() and any((folder / name).is_file() for name in weights)
    )


def load(folder: Path, *, dtype: str = "float32", trainable: bool = False) -> CausalModel:
    """Open a folder; on the first GPU where there is one.

    Args:
        folder: with a model, or with a LoRA whose base is where ``adapter_config.json`` says; or of a training run.
        dtype: ``float32`` or ``bfloat16``, of the weights.
        trainable: leave a LoRA's weights open to training; without, it is merged into its base and all are frozen.

    Raises:
        BackendUnavailableError: torch, transformers or peft is not installed.
        ModelNotFoundError, ModelCorruptError: there is no such folder, or nothing in it can be loaded.
    """
    if not folder.is_dir():
        raise ModelNotFoundError(f"{folder} is no folder: expected a causal language model of transformers")
    folder = weights_of(folder)  # absolute: a LoRA that is trained on it notes the path
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise missing(error) from None
    logging.disable_progress_bar()  # type: ignore[no-untyped-call,unused-ignore]
    adapter = folder / "adapter_config.json"
    base = _base_of(adapter) if adapter.is_file() else folder
    try:
        # a LoRA is merged in float32, or small changes would be rounded away
        first = torch.float32 if base != folder else getattr(torch, dtype)
        model: Any = AutoModelForCausalLM.from_pretrained(
            base, local_files_only=True, dtype=first, attn_implementation=register()
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder if (folder / "tokenizer_config.json").is_file() else base, local_files_only=True
        )
        if base != folder:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
            model = (model if trainable else model.merge_and_unload()).to(getattr(torch, dtype))
    except ImportError as error:
        raise missing(error) from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelCorruptError(f"{folder} cannot be loaded: {error}") from None
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    if not trainable:
        model = model.eval().requires_grad_(False)
    return CausalModel.of(model, tokenizer)


def load_tokenizer(folder: Path) -> CausalModel:
    """The tokenizer and chat format in `folder`, without weights (`model` is None): what makes tokens of messages.

    Raises:
        BackendUnavailableError: transformers is not installed.
        ModelNotFoundError, ModelCorruptError: there is no such folder, or no tokenizer in it.
    """
    if not folder.is_dir():
        raise ModelNotFoundError(f"{folder} is no folder: expected one with a tokenizer of transformers")
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise missing(error) from None
    try:
        return CausalModel.of(None, AutoTokenizer.from_pretrained(weights_of(folder), local_files_only=True))
    except (OSError, ValueError, KeyError) as error:
        raise ModelCorruptError(f"{folder} has no tokenizer that can be loaded: {error}") from None


def missing(error: ImportError) -> BackendUnavailableError:
    """The error to raise where a package of the extra `train` is not installed."""
    return BackendUnavailableError(
        f"training needs {error.name}, which is not installed: pip install 'bump-edge[train]'"
    )


def _base_of(adapter: Path) -> Path:
    try:
        base = Path(orjson.loads(adapter.read_bytes())["base_model_name_or_path"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelCorruptError(f"{adapter} is no description of a LoRA: {error}") from None
    if not base.is_dir():
        raise ModelNotFoundError(f"{adapter} names the base {base}, which is no folder: put it there, or name another")
    note = adapter.with_name(BASE_NOTE)
    if note.is_file() and orjson.loads(note.read_bytes())["files"] != _hashes(base):
        raise ModelCorruptError(
            f"{adapter.parent} is a LoRA of a base that was in {base}, and whose weights are no longer there: put that "
            "base back, or train the LoRA again",
            details={"model": str(adapter.parent), "base": str(base)},
        )
    return base


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def with_lora(model: CausalModel, rank: int, alpha: int | None = None) -> CausalModel:
    """The model with a new LoRA on all its linear layers, the only weights that train.

    Args:
        model: as `load` gave it, trainable.
        rank: r, ≥ 1.
        alpha: scale of the LoRA; 2 r without.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise missing(error) from None
    config = LoraConfig(
        r=rank, lora_alpha=alpha or 2 * rank, lora_dropout=0.0, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    return CausalModel(get_peft_model(model.model, config), model.tokenizer, model.format)
