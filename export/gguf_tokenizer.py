"""A byte-level BPE tokenizer of Hugging Face as llama.cpp wants it.

llama.cpp does not read how a tokenizer cuts a text into words before it merges: it has the ways of known models built
in, by name. So the way is recognised from ``tokenizer.json``, never guessed from the model's name, and `check` lets
llama.cpp tokenise hard texts and compares. Normalisers are not carried over: llama.cpp has none (Qwen's is NFC, which
changes only texts that are not in that form).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError, ModelError, UsageError

CONVERTER = "llama.cpp's convert_hf_to_gguf.py (https://github.com/ggml-org/llama.cpp)"

_WORDS = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
_REGEX = {_WORDS % r"\p{N}": "qwen2", _WORDS % r"\p{N}{1,3}": "llama-bpe"}
_NORMAL, _CONTROL, _USER, _UNUSED = 1, 3, 4, 5  # of llama.cpp: LLAMA_TOKEN_TYPE_*

HARD = (
    "Hello world", " leading and  double   spaces ", "tabs\tand\nlines\n\n\nend", "It's we'll I'M THEY'RE", "3 12 123",
    "1234567 and 3.14, 50%", "naïve Übermut ÆØÅ", "日本語のテスト、中文", "emoji 😀👩‍👩‍👧 and ✈️", "Привет мир",
    "a_b-c/d\\e", "!!!??? ...", "é", "x = {'a': [1, 2]}\r\n", "नमस्ते दुनिया", "\u200bzero\u00a0width",
)  # fmt: skip
"""Texts on which ways of cutting differ; all in NFC, one without any letter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """What goes into the metadata of a GGUF file, under the names of ``tokenizer.ggml``.

    Args:
        pre: the name of the way of cutting.
        tokens: in order of id. types: of each, in llama.cpp's numbers.
        merges: ``left right``, the most important first.
        bos, eos, unk, pad: ids, or None.
        add_bos: whether a text begins with the first.
        template: the chat template, which bump-edge never runs.
    """

    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    bos: int | None
    eos: int | None
    unk: int | None
    pad: int | None
    add_bos: bool
    template: str | None


def read(folder: Path, tokenizer: Any, rows: int) -> Vocabulary:
    """The vocabulary of a tokenizer.

    Args:
        folder: with its ``tokenizer.json``.
        tokenizer: the same, loaded.
        rows: of the embedding: what it has beyond the tokens becomes unused tokens.

    Raises:
        UsageError: it is none of those that llama.cpp has and this module knows.
        ModelCorruptError: it does not fit the embedding, or cannot be read.
    """
    path = folder / "tokenizer.json"
    try:
        content = orjson.loads(path.read_bytes())
        model = content["model"]
        pre = pre_name(content)
        known = dict(model["vocab"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelCorruptError(f"{path} cannot be read ({error}): expected a fast tokenizer") from None
    added = {entry["id"]: entry for entry in content.get("added_tokens") or []}
    by_id = {number: token for token, number in known.items()} | {n: e["content"] for n, e in added.items()}
    if by_id and max(by_id) >= rows:
        raise ModelCorruptError(
            f"the tokenizer in {folder} has the token {max(by_id)}, and the embedding {rows} rows: they do not belong "
            "together"
        )
    tokens, types = [], []
    for number in range(rows):
        tokens.append(by_id.get(number, f"[PAD{number}]"))
        if number in added:
            types.append(_CONTROL if added[number].get("special") else _USER)
        else:
            types.append(_NORMAL if number in by_id else _UNUSED)
    merges = tuple(m if isinstance(m, str) else " ".join(m) for m in model["merges"])
    probe = tokenizer.encode("a")
    return Vocabulary(
        pre=pre,
        tokens=tuple(tokens),
        types=tuple(types),
        merges=merges,
        bos=tokenizer.bos_token_id,
        eos=tokenizer.eos_token_id,
        unk=tokenizer.unk_token_id,
        pad=tokenizer.pad_token_id,
        add_bos=len(probe) > 1 and probe[0] == tokenizer.bos_token_id,
        template=tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None,
    )


def pre_name(content: dict[str, Any]) -> str:
    """llama.cpp's name for the way in which the tokenizer of ``tokenizer.json`` cuts texts.

    Raises:
        UsageError: it is no byte-level BPE, or cuts in another way than those known here.
    """
    model, steps = content["model"], _steps(content.get("pre_tokenizer"))
    if model.get("type") != "BPE" or model.get("byte_fallback") or not steps or steps[-1]["type"] != "ByteLevel":
        raise _refusal(f"a tokenizer of the kind {model.get('type')} that is no byte-level BPE")
    last = steps.pop()
    if last.get("add_prefix_space"):
        raise _refusal("a tokenizer that puts a space before every text")
    kinds = [step["type"] for step in steps]
    if last.get("use_regex", True):
        if not kinds:
            return "gpt-2"
        if kinds == ["Digits"] and steps[0].get("individual_digits"):
            return "smollm"
    elif kinds == ["Split"] and steps[0].get("behavior") == "Isolated" and not steps[0].get("invert"):
        name = _REGEX.get(str((steps[0].get("pattern") or {}).get("Regex")))
        if name is not None:
            return name
    raise _refusal(f"a tokenizer that cuts texts by {' and '.join([*kinds, 'ByteLevel'])} in its own way")


def check(library: Any, file: Path, tokenizer: Any) -> None:
    """Have llama.cpp tokenise `HARD` with the vocabulary of `file`, and compare.

    Args:
        library: llama_cpp, loaded.
        file: a GGUF file.
        tokenizer: that of the checkpoint.

    Raises:
        ModelError: llama.cpp does not read the vocabulary, or the tokens differ.
    """
    import ctypes

    settings = library.llama_model_default_params()
    settings.vocab_only = True
    model = library.llama_model_load_from_file(str(file).encode(), settings)
    if not model:
        raise ModelError(f"llama.cpp does not read the vocabulary that was written: use {CONVERTER}")
    try:
        vocabulary = library.llama_model_get_vocab(model)
        for text in HARD:
            data = text.encode()
            ids = (ctypes.c_int32 * (len(data) + 8))()
            count = library.llama_tokenize(vocabulary, data, len(data), ids, len(ids), False, False)
            wanted = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            if list(ids[: max(count, 0)]) != wanted:
                raise ModelError(
                    f"llama.cpp tokenises {text!r} otherwise than the checkpoint: use {CONVERTER}",
                    details={"text": text, "got": list(ids[: max(count, 0)]), "expected": wanted},
                )
    finally:
        library.llama_model_free(model)


def _steps(pre_tokenizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    if pre_tokenizer is None:
        return []
    return list(pre_tokenizer["pretokenizers"]) if pre_tokenizer["type"] == "Sequence" else [pre_tokenizer]


def _refusal(what: str) -> UsageError:
    return UsageError(
        f"the checkpoint has {what}: this command writes byte-level BPE as GPT-2, SmolLM, Qwen2 and Llama 3 have it; "
        f"use {CONVERTER}"
    )
