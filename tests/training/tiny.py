"""A language model of two layers with random weights, made in a fraction of a second, with a tokenizer of its own.

The tokenizer works on bytes, so that any text goes in and comes out; on top, the words of the prompt template and those
given are single tokens with the space before them, and so are `` A`` to `` Z``, `` yes`` and `` no``, which judges ask.
Its special tokens are ChatML's.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bump_edge.prompts import SYSTEM, UPDATE_SYSTEM

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CONTEXT = 4096


def tokenizer(texts: Iterable[str] = ()) -> Any:
    """A tokenizer of transformers that knows the words of `texts`, up to 2,000 of them, besides the template's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    space = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(" ")[0][0]
    known = dict.fromkeys([*string.ascii_uppercase, "yes", "no"])
    known |= dict.fromkeys(re.findall(r"[A-Za-z]+", " ".join([SYSTEM, UPDATE_SYSTEM, *texts])))
    vocabulary = {token: n for n, token in enumerate([*SPECIAL, *letters])}
    merges: list[tuple[str, str]] = []
    for word in list(known)[:2000]:
        token = space
        for letter in word:  # every merge lengthens a word from its space on, so that none is in another's way
            if token + letter not in vocabulary:
                vocabulary[token + letter] = len(vocabulary)
                merges.append((token, letter))
            token += letter
    bytewise = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise, eos_token=SPECIAL[2], pad_token=SPECIAL[0],
        additional_special_tokens=[SPECIAL[1]], clean_up_tokenization_spaces=False, model_max_length=CONTEXT,
    )  # fmt: skip


def model(vocabulary: int, *, kind: str = "llama", seed: int = 0) -> Any:
    """A random model: 2 layers, 32 wide, 4 heads over 2 of keys, tied embeddings.

    Args:
        vocabulary: its size.
        kind: ``llama`` or ``qwen3``.
        seed: of the weights.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    shape: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "qwen3":
            return Qwen3ForCausalLM(Qwen3Config(**shape))
        return LlamaForCausalLM(LlamaConfig(**shape))


def write_model(folder: Path, *, kind: str = "llama", seed: int = 0, texts: Iterable[str] = ()) -> Path:
    """Write such a model with its tokenizer into `folder`, as `training.models.load` opens it; returns the folder."""
    words = tokenizer(texts)
    words.save_pretrained(folder)
    model(len(words), kind=kind, seed=seed).save_pretrained(folder)
    return folder
