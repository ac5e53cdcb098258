"""Pruning: any text goes in and comes out, and words whose tokens are kept are cut as before."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bump_edge.errors import UsageError
from export.layers import config_without, drop_layers
from export.trim import count_tokens
from export.vocabulary import parts_of, prune

CORPUS = (
    "the strings of the guitar and the strings of the bass",
    "a small tube amp, a louder tube amp; amplifiers and strings",
    "Übermut naïve 日本語 the bassist's 12 strings",
) * 5


def trained(texts: tuple[str, ...], size: int = 420) -> Any:
    """A byte-level BPE trained on `texts`, as `tokenizers` does it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), min_frequency=1,
    )  # fmt: skip
    made.train_from_iterator(texts, trainer)
    return made


def pruned(made: Any, texts: tuple[str, ...], coverage: float) -> tuple[Any, Any]:
    from tokenizers import Tokenizer

    counts = Counter(n for text in texts for n in made.encode(text).ids)
    result = prune(json.loads(made.to_str()), counts, coverage=coverage, rows=made.get_vocab_size())
    return result, Tokenizer.from_str(json.dumps(result.content))


FULL = trained(CORPUS)
HALF, SMALLER = pruned(FULL, CORPUS[:1] * 3, 0.8)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    text = text.replace("<|", "< |")
    assert SMALLER.decode(SMALLER.encode(text).ids) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(sorted({w for text in CORPUS for w in text.split()})), max_size=8))
def test_words_whose_tokens_are_kept_are_cut_as_before(words: list[str]) -> None:
    new_ids = HALF.new_ids
    for word in words:
        before = FULL.encode(" " + word)
        if all(n in new_ids for n in before.ids):
            after = SMALLER.encode(" " + word)
            assert after.tokens == before.tokens
            assert after.ids == [new_ids[n] for n in before.ids]


def test_what_is_kept() -> None:
    assert 260 <= SMALLER.get_vocab_size() < FULL.get_vocab_size()
    assert HALF.coverage >= 0.8
    assert list(HALF.kept) == sorted(HALF.kept)
    for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>"):
        assert SMALLER.token_to_id(token) == FULL.token_to_id(token)  # they are the first
    whole, same = pruned(FULL, CORPUS, 1.0)
    assert whole.coverage == 1
    for text in CORPUS:
        assert same.encode(text).tokens == FULL.encode(text).tokens


def test_a_token_brings_those_that_it_is_made_of() -> None:
    ranks = {("a", "b"): 0, ("c", "d"): 1, ("ab", "cd"): 2, ("b", "c"): 3}
    assert parts_of("abcd", ranks) == {"a", "b", "c", "d", "ab", "cd", "abcd"}
    assert parts_of("xyz", ranks) == {"x", "y", "z", "xyz"}


def test_what_cannot_be_pruned_is_refused() -> None:
    content = json.loads(FULL.to_str())
    with pytest.raises(UsageError, match="has no tokens"):
        prune(content, Counter(), coverage=1, rows=420)
    content["model"]["byte_fallback"] = True
    with pytest.raises(UsageError, match="only a byte-level BPE"):
        prune(content, Counter({5: 1}), coverage=1, rows=420)


def test_dropped_layers_close_ranks() -> None:
    weights = {f"model.layers.{n}.x.weight": n for n in range(12)} | {"model.norm.weight": -1}
    left = drop_layers(weights, (1, 10))
    assert [left[f"model.layers.{n}.x.weight"] for n in range(10)] == [0, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert left["model.norm.weight"] == -1
    assert len(left) == 11
    config = config_without({"num_hidden_layers": 12, "layer_types": list("abcdefghijkl")}, (1, 10))
    assert config == {"num_hidden_layers": 10, "layer_types": list("acdefghijl")}
    with pytest.raises(UsageError, match="no layer 12: expected some of 0 to 11"):
        drop_layers(weights, (12,))
    with pytest.raises(UsageError, match="no layer would be left"):
        drop_layers(weights, tuple(range(12)))


def test_a_trimmed_checkpoint_writes_the_same_where_its_tokens_are_kept(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from export.trim import TrimOptions, run
    from tests.export.small import write_model

    words = ["guitar", "strings", "amplifier", "blues", "pedal", "zither", "xylophone"]
    model = write_model(tmp_path / "model", texts=words)
    history = tmp_path / "history.jsonl.gz"
    with gzip.open(history, "wb") as file:
        file.writelines(orjson.dumps({"item": f"{w} {n}"}) + b"\n" for n in range(9) for w in words[:5])
    said = run(TrimOptions(model=model, out=tmp_path / "small", corpus=(history,), coverage=0.9))
    assert said["kind"] == "checkpoint"
    assert said["weight_bytes_saved"] > 0
    before, after = (AutoTokenizer.from_pretrained(f, local_files_only=True) for f in (model, tmp_path / "small"))
    assert len(after) == said["tokens"] < len(before)
    assert after.eos_token == before.eos_token
    text = "the log of what they did, guitar strings 5"
    ids, fewer = before.encode(text), after.encode(text)
    assert before.convert_ids_to_tokens(ids) == after.convert_ids_to_tokens(fewer)
    kept = [before.convert_tokens_to_ids(t) for t in after.convert_ids_to_tokens(range(len(after)))]
    logits = []
    for folder, tokens in ((model, ids), (tmp_path / "small", fewer)):
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        assert loaded.config.eos_token_id == (before if folder == model else after).eos_token_id
        with torch.no_grad():
            logits.append(loaded(torch.tensor([tokens])).logits[0])
    assert torch.allclose(logits[0][:, kept], logits[1], atol=1e-5)
    fewer_layers = run(TrimOptions(model=model, out=tmp_path / "short", drop_layers=(0,)))
    assert fewer_layers["parameters"] < said["parameters"] + said["weight_bytes_saved"]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "short", local_files_only=True)
    assert loaded.config.num_hidden_layers == 1
    full: Any = AutoModelForCausalLM.from_pretrained(model, local_files_only=True)
    for name, weight in loaded.model.layers[0].named_parameters():
        assert torch.equal(weight, dict(full.model.layers[1].named_parameters())[name])


def test_counting_does_not_read_special_tokens_in_texts(tmp_path: Path) -> None:
    from tests.training import tiny

    tokenizer = tiny.tokenizer()
    assert not {0, 1, 2} & count_tokens(tokenizer, ["<|im_start|> and <|im_end|>"]).keys()
