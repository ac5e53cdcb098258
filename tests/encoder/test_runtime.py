"""The encoder at run time: the vectors are the right ones, and what is wrong with a folder is said."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bump_edge import (
    BackendUnavailableError,
    GenerationError,
    ModelCorruptError,
    ModelNotFoundError,
    OnnxEncoder,
    Store,
    UsageError,
)
from bump_edge.profiler import Profiler
from bump_edge.profiler.corrections import block
from bump_edge.types import Interaction
from tests.encoder.small import WIDTH, WORDS, vector, write_encoder, write_manifest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["lacquer", "strings and pickups", "varnish", "", "ramen broth noodles " * 3, "guitar"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "small")


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_every_vector_is_the_one_of_its_text(tmp_path: Path, pooling: str, normalize: bool) -> None:
    folder = write_encoder(tmp_path / "e", changes={"pooling": pooling, "normalize": normalize})
    with OnnxEncoder(folder) as encoder:
        vectors = encoder(TEXTS)
    expected = [vector(text, pooling=pooling, normalize=normalize) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-5)
    assert all(type(x) is float for x in vectors[0])


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from([*WORDS[4:], "other"]), max_size=30).map(" ".join), max_size=80))
def test_neither_the_order_nor_the_neighbours_of_a_text_matter(folder: Path, texts: list[str]) -> None:
    encoder = OnnxEncoder(folder)
    vectors = encoder(texts)
    assert len(vectors) == len(texts)
    for text, found in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(found, vector(text), rtol=1e-5, atol=1e-5)


def test_a_text_is_cut_at_the_limit(folder: Path) -> None:
    encoder = OnnxEncoder(folder)
    assert (encoder.max_tokens, encoder.dimensions, encoder.name) == (16, WIDTH, "small")
    head, tail = "lacquer " * 14, "noodles " * 50
    one, other = encoder([head, head + tail])
    assert one == other
    (unlike,) = encoder(["lacquer " * 13 + tail])
    assert unlike != one


def test_long_and_short_texts_are_run_apart_and_where_asked_each_alone(folder: Path, tmp_path: Path) -> None:
    lengths = [5, 4000, 6, 5, 4000, *[7] * 40]
    runs = list(OnnxEncoder(folder)._batches(lengths))
    assert sorted(n for run in runs for n in run) == list(range(len(lengths)))
    assert max(len(run) for run in runs) <= 32
    assert all(len(run) * max(lengths[n] for n in run) <= 4096 for run in runs)
    alone = OnnxEncoder(write_encoder(tmp_path / "alone", changes={"batches": False}))
    assert [len(run) for run in alone._batches(lengths)] == [1] * len(lengths)
    np.testing.assert_allclose(alone(TEXTS), OnnxEncoder(folder)(TEXTS), rtol=1e-6)


def test_lower_case_and_prefix_come_before_the_tokenizer(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write_encoder(tmp_path / "e", changes={"lower_case": True, "prefix": "ramen "}))
    np.testing.assert_allclose(encoder(["LACQUER"]), [vector("ramen lacquer")], rtol=1e-5, atol=1e-6)


def test_nothing_is_loaded_before_the_first_text_and_several_threads_may_ask(folder: Path) -> None:
    code = (
        "import sys; from bump_edge import OnnxEncoder; e = OnnxEncoder(sys.argv[1]); e([]);"
        "print([m for m in ('onnxruntime', 'tokenizers', 'numpy') if m in sys.modules]); e(['lacquer']);"
        "print([m for m in ('onnxruntime', 'tokenizers', 'numpy', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == ["[]", "['onnxruntime', 'tokenizers', 'numpy']"]
    encoder = OnnxEncoder(folder)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: encoder(TEXTS), range(24)):
            np.testing.assert_allclose(vectors, [vector(t) for t in TEXTS], rtol=1e-5, atol=1e-5)


def test_one_text_instead_of_a_list_and_a_closed_encoder_are_errors(folder: Path) -> None:
    encoder = OnnxEncoder(folder)
    with pytest.raises(UsageError, match="expected a list"):
        encoder("lacquer")
    encoder.close()
    encoder.close()
    with pytest.raises(GenerationError, match="is closed"):
        encoder(["lacquer"])
    with pytest.raises(UsageError, match="provider is 'tpu'"):
        OnnxEncoder(folder, provider="tpu")


def test_cuda_where_there_is_none_names_the_extra(folder: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        assert OnnxEncoder(folder, provider="cuda")(["lacquer"])
        return
    with pytest.raises(BackendUnavailableError, match=r"bump-edge\[encoder,gpu\]"):
        OnnxEncoder(folder, provider="cuda")(["lacquer"])


def test_without_tokenizers_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(BackendUnavailableError, match=r"bump-edge\[encoder\]"):
        OnnxEncoder(folder)(["lacquer"])


def test_a_changed_byte_is_found_when_it_is_loaded(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "e")
    for name in ("model.onnx", "tokenizer.json", "encoder.json"):
        content = (folder / name).read_bytes()
        at = content.rindex(b"16") if name == "encoder.json" else len(content) // 2
        (folder / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ModelCorruptError, match=r"has the sha256|cannot be read as JSON"):
            OnnxEncoder(folder)(["lacquer"])
        (folder / name).write_bytes(content[:-5])
        with pytest.raises(ModelCorruptError):
            OnnxEncoder(folder)
        (folder / name).unlink()
        with pytest.raises(ModelCorruptError, match="is missing"):
            OnnxEncoder(folder)
        (folder / name).write_bytes(content)
    assert OnnxEncoder(folder)(["lacquer"])
    with pytest.raises(ModelNotFoundError):
        OnnxEncoder(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format 2"), ({"pooling": "sum"}, "pooling 'sum'"), ({"max_tokens": True}, "max_tokens True"),
        ({"max_tokens": 0}, "cannot be"), ({"normalize": 1}, "normalize 1"), ({"dimensions": None}, "dimensions None"),
    ],
)  # fmt: skip
def test_an_encoder_json_that_says_nonsense(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    folder = write_encoder(tmp_path / "e", changes=changes)
    with pytest.raises(ModelCorruptError, match=said):
        OnnxEncoder(folder)


def test_a_folder_that_lies_about_its_model(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "e", changes={"dimensions": 7})
    with pytest.raises(ModelCorruptError, match="16 numbers, where its folder says 7"):
        OnnxEncoder(folder)(["lacquer"])
    write_encoder(folder)
    (folder / "tokenizer.json").write_text("{}")
    write_manifest(folder)
    with pytest.raises(ModelCorruptError, match=r"tokenizer\.json .* cannot be loaded"):
        OnnxEncoder(folder)(["lacquer"])


def test_a_profile_under_an_embedder_says_so_and_another_embedder_makes_it_stale(folder: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store, OnnxEncoder(folder) as encoder:
        store.ingest([Interaction(item="Nitro lacquer"), Interaction(item="Guitar strings", rating=5)] * 2)
        store.ingest([Interaction(item="Guitar strings, light", rating=5), Interaction(item="Lacquer thinner")])
        with Profiler(store, "extractive") as profiler:
            plain = profiler.profile()
        assert "embedder" not in plain.manifest
        blocked = block(store, "local", "varnish", embedder=encoder)
        assert "acquer" in plain.text
        assert "acquer" in " ".join(blocked.dropped)
        with Profiler(store, "extractive", embedder=encoder) as profiler:
            written = profiler.profile()
            assert profiler.profile().version == written.version
        assert written.manifest["embedder"]["sha256"].keys() == {"encoder.json", "model.onnx", "tokenizer.json"}
        assert "acquer" not in written.text
        assert "trings" in written.text
