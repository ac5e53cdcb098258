"""The random model of the tests is what stages expect of a model."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import torch

from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction
from tests.training.tiny import write_model
from training.models import is_checkpoint, load


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_a_tiny_model_loads_speaks_chatml_and_has_the_tokens_of_a_judge(tmp_path: Path, kind: str) -> None:
    folder = write_model(tmp_path / "model", kind=kind, texts=["blue xylophone"])
    assert is_checkpoint(folder)
    found = load(folder)
    assert (found.format.name, found.model.config.model_type) == ("chatml", kind)
    tokens = {found.token_of(f" {word}") for word in (*string.ascii_uppercase, "yes", "no", "xylophone")}
    assert len(tokens) == 29
    assert found.decode(found.answer("Buys naïve 漢 <|im_end|> things.")) == "Buys naïve 漢 <|im_end|> things."
    ids, fixed = found.encode_prompt(
        Prompt(interactions=(Interaction(item="blue xylophone"),), stats=HistoryStats(count=1))
    )
    assert 0 < fixed < len(ids) < 200
    assert found.model(input_ids=torch.tensor([ids])).logits.isfinite().all()


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    a, b, c = (write_model(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    weights = [(folder / "model.safetensors").read_bytes() for folder in (a, b, c)]
    assert weights[0] == weights[1] != weights[2]
