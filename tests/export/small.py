"""Random models of the shapes that the exports take, in a moment: the tokenizer of `tests.training.tiny`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.training import tiny


def write_model(
    folder: Path, *, kind: str = "llama", seed: int = 0, tied: bool = True, width: int = 64, layers: int = 2,
    texts: Iterable[str] = (),
) -> Path:  # fmt: skip
    """Write a checkpoint into `folder`: heads of 16, two of keys; weights large enough that tokens differ.

    Args:
        folder: made if need be; returned.
        kind: ``llama``, ``qwen2``, ``qwen3`` or ``gpt2``, which no export takes.
        seed: of the weights.
        tied: whether the output is the embedding.
        width: a multiple of 32; heads are width / 16.
        layers: how many.
        texts: whose words are tokens.
    """
    import torch
    import transformers as t

    words = tiny.tokenizer(texts)
    shape: dict[str, Any] = {
        "vocab_size": len(words), "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers,
        "num_attention_heads": width // 16, "num_key_value_heads": 2, "head_dim": 16,
        "max_position_embeddings": tiny.CONTEXT, "tie_word_embeddings": tied, "bos_token_id": None, "eos_token_id": 2,
        "pad_token_id": 0, "initializer_range": 0.2, "rms_norm_eps": 1e-6,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any
        if kind == "qwen2":
            model = t.Qwen2ForCausalLM(t.Qwen2Config(**{k: v for k, v in shape.items() if k != "head_dim"}))
        elif kind == "qwen3":
            model = t.Qwen3ForCausalLM(t.Qwen3Config(**shape))
        elif kind == "gpt2":
            model = t.GPT2LMHeadModel(t.GPT2Config(vocab_size=len(words), n_embd=32, n_layer=1, n_head=2))
        else:
            model = t.LlamaForCausalLM(t.LlamaConfig(**shape))
        for name, weight in model.named_parameters():
            if name.endswith(("norm.weight", "bias")):  # no vector of ones or noughts hides a mistake
                weight.data += 0.3 * torch.randn_like(weight)
    folder.mkdir(parents=True, exist_ok=True)
    words.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def write_lora(folder: Path, base: Path, *, seed: int = 1, rank: int = 4) -> Path:
    """Write a LoRA with random weights for the checkpoint `base` into `folder`; returns it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )  # as training.models.with_lora
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)
        model: Any = get_peft_model(loaded, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, weight in model.named_parameters():
            if ".lora_" in name:
                weight.data = 0.2 * torch.randn_like(weight)
    model.save_pretrained(folder)
    return folder
