"""What `python -m export encoder` reads and refuses; the export itself is tested in tests/optimum."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge.errors import BackendUnavailableError, InputError, ModelCorruptError, ModelNotFoundError, UsageError
from export.encoder import EncoderOptions, run, texts_of
from export.sentences import Sentences, longest, read_sentences

OLD = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}


def write(folder: Path, *modules: str, pooling: dict[str, Any] | None = None, **files: dict[str, Any]) -> Path:
    """A folder of sentence-transformers, without weights."""
    listed = [
        {"idx": n, "path": f"{n}_{m}" if n else "", "type": f"sentence_transformers.models.{m}"}
        for n, m in enumerate(modules)
    ]
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_bytes(orjson.dumps(listed))
    (folder / "1_Pooling" / "config.json").write_bytes(orjson.dumps(pooling or {"pooling_mode": "mean"}))
    for name, content in files.items():
        (folder / f"{name}.json").write_bytes(orjson.dumps(content))
    return folder


def test_what_the_files_of_sentence_transformers_say(tmp_path: Path) -> None:
    new = write(tmp_path / "new", "Transformer", "Pooling", "Normalize")
    assert read_sentences(new) == Sentences(transformer=new / "", normalize=True)
    old = write(
        tmp_path / "old", "Transformer", "Pooling", pooling=OLD,
        sentence_bert_config={"max_seq_length": 128, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "query: "}, "default_prompt_name": "query"},
    )  # fmt: skip
    assert read_sentences(old) == Sentences(
        transformer=old, pooling="max", max_tokens=128, lower_case=True, prefix="query: "
    )
    plain = tmp_path / "plain"
    plain.mkdir()
    assert read_sentences(plain) == Sentences(transformer=plain)


def test_what_no_device_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is made of Transformer, Pooling, Dense"):
        read_sentences(write(tmp_path / "dense", "Transformer", "Pooling", "Dense"))
    with pytest.raises(UsageError, match="pools by lasttoken"):
        read_sentences(write(tmp_path / "last", "Transformer", "Pooling", pooling={"pooling_mode": "lasttoken"}))
    both = OLD | {"pooling_mode_cls_token": True}
    with pytest.raises(UsageError, match="pools by cls, max"):
        read_sentences(write(tmp_path / "both", "Transformer", "Pooling", pooling=both))
    left_out = {"pooling_mode": "mean", "include_prompt": False}
    prompted = {"prompts": {"q": "q: "}, "default_prompt_name": "q"}
    with pytest.raises(UsageError, match="out of the pooling"):
        read_sentences(
            write(
                tmp_path / "prompt", "Transformer", "Pooling", pooling=left_out, config_sentence_transformers=prompted
            )
        )
    (tmp_path / "dense" / "modules.json").write_text("[")
    with pytest.raises(ModelCorruptError, match="cannot be read as JSON"):
        read_sentences(tmp_path / "dense")
    with pytest.raises(ModelNotFoundError):
        read_sentences(tmp_path / "none")


def test_positions_that_a_padding_token_takes_are_none_to_read() -> None:
    assert longest({"model_type": "bert", "max_position_embeddings": 512}, 10**30) == 512
    assert longest({"model_type": "bert", "max_position_embeddings": 512}, 256) == 256
    assert longest({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 10**30) == 512


def test_the_texts_to_compare_are_records_and_one_that_is_too_long(tmp_path: Path) -> None:
    options = EncoderOptions(model=tmp_path, out=tmp_path / "out")
    texts = texts_of(options.data, 200)
    assert len(texts) == 51
    assert len(texts[-1]) > 2000
    assert texts_of(options.data, 5)[:5] == texts[:5]
    (tmp_path / "one.jsonl").write_text('{"text": "green tea"}\n')
    with pytest.raises(InputError, match="expected at least two"):
        texts_of([tmp_path / "one.jsonl"], 200)


@pytest.mark.parametrize("changes", [{"precision": "int4"}, {"target": "vax"}, {"kind": "judge"}, {"texts": 1}])
def test_options_that_make_no_sense(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"{next(iter(changes))} is"):
        EncoderOptions(model=tmp_path, out=tmp_path / "out", **changes)


def test_a_decoder_is_refused_and_without_optimum_the_extra_is_named(tmp_path: Path) -> None:
    from tests.export.small import write_model

    model = write_model(tmp_path / "model")
    with pytest.raises(UsageError, match="type 'llama': expected an encoder"):
        run(EncoderOptions(model=model, out=tmp_path / "out"))
    config = orjson.loads((model / "config.json").read_bytes()) | {"model_type": "bert"}
    (model / "config.json").write_bytes(orjson.dumps(config))
    if importlib.util.find_spec("optimum") is None:
        with pytest.raises(BackendUnavailableError, match=r"bump-edge\[optimum\]"):
            run(EncoderOptions(model=model, out=tmp_path / "out"))
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
