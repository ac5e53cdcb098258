"""Checkpoints through both formats, run by the runtime's own backends: the same next tokens come out."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from bump_edge.backends.gguf_file import read_header
from bump_edge.backends.onnx import load_library
from bump_edge.errors import ModelCorruptError, ModelError, ModelNotFoundError, UsageError
from bump_edge.models import add, open_model
from bump_edge.settings import Settings
from export import gguf, onnx
from export.agreement import divergence, greedy_agreement
from export.gguf import GgufOptions
from export.gguf_tokenizer import pre_name
from export.judge import JudgeOptions
from export.judge import run as run_judge
from export.onnx import OnnxOptions
from export.source import look_at
from export.trim import TrimOptions
from export.trim import run as run_trim
from tests.export.logits import of_checkpoint, of_gguf, of_onnx
from tests.export.small import write_lora, write_model

TOKENS = [(7 * n) % 250 + 3 for n in range(64)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each family; Qwen2's output is a matrix of its own."""
    home = tmp_path_factory.mktemp("models")
    made = {
        kind: write_model(home / kind, kind=kind, tied=kind != "qwen2") for kind in ("llama", "qwen2", "qwen3", "gpt2")
    }
    made["lora"] = write_lora(home / "lora", made["llama"])
    return made


def settings(home: Path) -> Settings:
    return Settings(home=home, db=home / "db", model="extractive", json=False)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_float32_gguf_says_what_the_checkpoint_says(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    said = gguf.run(GgufOptions(model=models[kind], out=tmp_path / "m", type="F32"))
    wanted = of_checkpoint(models[kind], TOKENS)
    found = of_gguf(tmp_path / "m/m-f32.gguf", TOKENS)
    assert greedy_agreement(wanted, found) == 1
    assert divergence(wanted, found) < 1e-4
    assert read_header(tmp_path / "m/m-f32.gguf").architecture == kind
    assert said["chat"] == "chatml"


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0"])
def test_every_type_stays_near(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    gguf.run(GgufOptions(model=models["qwen3"], out=tmp_path / "m", type=kind))
    wanted = of_checkpoint(models["qwen3"], TOKENS)
    found = of_gguf(next((tmp_path / "m").glob("*.gguf")), TOKENS)
    most = {"F16": 1e-3, "BF16": 0.05, "Q8_0": 0.05, "Q4_0": 3.0}[kind]
    assert divergence(wanted, found) < most
    assert kind != "F16" or greedy_agreement(wanted, found) >= 0.98


def test_an_importance_matrix_changes_what_is_written(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("guitar strings and a small amp\n" * 50)
    for name, texts in (("with", (tmp_path / "texts.txt",)), ("without", ())):
        gguf.run(GgufOptions(model=models["llama"], out=tmp_path / name, name="m", type="Q4_0", calibration=texts))
    files = [(tmp_path / name / "m-q4_0.gguf").read_bytes() for name in ("with", "without")]
    assert files[0] != files[1]
    assert divergence(of_checkpoint(models["llama"], TOKENS), of_gguf(tmp_path / "with/m-q4_0.gguf", TOKENS)) < 3


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_float_onnx_says_what_the_checkpoint_says(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    sizes = {}
    for precision, agreed, most in (("fp32", 1.0, 1e-4), ("fp16", 0.98, 1e-3)):
        out = tmp_path / precision
        onnx.run(OnnxOptions(model=models[kind], out=out, precision=precision))
        wanted, found = of_checkpoint(models[kind], TOKENS), of_onnx(out, TOKENS)
        assert greedy_agreement(wanted, found) >= agreed
        assert divergence(wanted, found) < most
        sizes[precision] = (out / "model.onnx.data").stat().st_size
    assert sizes["fp16"] < 0.7 * sizes["fp32"]


def test_a_weight_beyond_float16_is_no_float16(models: dict[str, Path], tmp_path: Path) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(models["llama"])
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1e5
    shutil.copytree(models["llama"], tmp_path / "large")
    model.save_pretrained(tmp_path / "large")
    with pytest.raises(ModelError, match="has a weight of 1e\\+05, and float16 ends at 65504"):
        onnx.run(OnnxOptions(model=tmp_path / "large", out=tmp_path / "m", precision="fp16"))
    assert not (tmp_path / "m").exists()


def test_int4_onnx_of_qwen3_stays_near(models: dict[str, Path], tmp_path: Path) -> None:
    onnx.run(OnnxOptions(model=models["qwen3"], out=tmp_path / "m", precision="int4", accuracy_level=1))
    assert divergence(of_checkpoint(models["qwen3"], TOKENS), of_onnx(tmp_path / "m", TOKENS)) < 3


def test_better_int4_keeps_more_and_what_is_mixed_takes_more_room(models: dict[str, Path], tmp_path: Path) -> None:
    wanted = of_checkpoint(models["llama"], TOKENS)
    far, size = {}, {}
    kinds: dict[str, dict[str, Any]] = {
        "rtn": {}, "k_quant": {"algorithm": "k_quant"}, "mixed": {"algorithm": "k_quant", "mixed": True},
    }  # fmt: skip
    for name, more in kinds.items():
        said = onnx.run(OnnxOptions(model=models["llama"], out=tmp_path / name, precision="int4", **more))
        far[name], size[name] = divergence(wanted, of_onnx(tmp_path / name, TOKENS)), said["bytes"]
    assert far["k_quant"] < far["rtn"]
    assert far["mixed"] < far["rtn"]
    assert size["mixed"] > size["k_quant"]
    with pytest.raises(UsageError, match="mixed is for precision int4, got int8"):
        OnnxOptions(model=models["llama"], out=tmp_path / "m", precision="int8", mixed=True)
    with pytest.raises(UsageError, match="algorithm is 'gptq': expected one of rtn, k_quant"):
        OnnxOptions(model=models["llama"], out=tmp_path / "m", algorithm="gptq")


def test_a_lora_beside_its_base_is_the_lora_merged(models: dict[str, Path], tmp_path: Path) -> None:
    said = gguf.run(GgufOptions(model=models["lora"], out=tmp_path / "lora", adapter=True))
    assert (said["kind"], said["rank"]) == ("lora", 4)
    gguf.run(GgufOptions(model=models["llama"], out=tmp_path / "base", type="F32"))
    gguf.run(GgufOptions(model=models["lora"], out=tmp_path / "merged", type="F32"))
    run_trim(TrimOptions(model=models["lora"], out=tmp_path / "plain"))
    wanted = of_checkpoint(tmp_path / "plain", TOKENS)
    base = tmp_path / "base/base-f32.gguf"
    for found in (
        of_gguf(base, TOKENS, tmp_path / "lora/lora.gguf"),
        of_gguf(tmp_path / "merged/merged-f32.gguf", TOKENS),
    ):
        assert divergence(wanted, found) < 1e-4
    assert divergence(wanted, of_gguf(base, TOKENS)) > 0.01
    with pytest.raises(ModelCorruptError, match="carries no tokenizer"):
        add(tmp_path / "lora", settings(tmp_path / "home"))


def test_a_judge_is_marked_as_one(models: dict[str, Path], tmp_path: Path) -> None:
    said = run_judge(JudgeOptions(model=models["qwen3"], out=tmp_path / "judge", format="gguf", type="Q8_0"))
    assert (said["kind"], said["format"]) == ("judge", "gguf")
    manifest = json.loads((tmp_path / "judge/manifest.json").read_bytes())
    assert manifest["kind"] == "judge"
    assert manifest["recipe"] == {"command": "judge", "type": "Q8_0", "calibration": [], "adapter": False}
    with pytest.raises(UsageError, match="--type is no option of onnx"):
        run_judge(JudgeOptions(model=models["qwen3"], out=tmp_path / "other", format="onnx", type="Q8_0"))


def test_the_same_checkpoint_twice_is_the_same_bytes(models: dict[str, Path], tmp_path: Path) -> None:
    for place in ("a", "b"):
        gguf.run(GgufOptions(model=models["llama"], out=tmp_path / place / "m", type="Q8_0"))
    for path in (tmp_path / "a/m").iterdir():
        assert path.read_bytes() == (tmp_path / "b/m" / path.name).read_bytes()


def test_the_commit_of_the_checkout_is_no_part_of_an_onnx_folder(models: dict[str, Path], tmp_path: Path) -> None:
    """The builder asks git, where its environment lies in a checkout: the bytes would change with every commit."""
    for place in ("a", "b"):
        onnx.run(OnnxOptions(model=models["llama"], out=tmp_path / place / "m", precision="int4"))
    for path in (tmp_path / "a/m").iterdir():
        assert path.read_bytes() == (tmp_path / "b/m" / path.name).read_bytes()
    assert (
        load_library().__commit__[:7].encode() in (tmp_path / "a/m/model.onnx").read_bytes()[:200]
    )  # the wheel's own, everywhere


def test_the_runtime_takes_it_and_refuses_one_that_was_touched(models: dict[str, Path], tmp_path: Path) -> None:
    gguf.run(GgufOptions(model=models["llama"], out=tmp_path / "m", type="F16", licence="mit", max_interactions=18))
    home = settings(tmp_path / "home")
    spec = add(tmp_path / "m", home, name="good")
    assert spec.manifest is not None
    assert (spec.manifest.licence, spec.manifest.extra["kind"]) == ("mit", "profiler")
    assert spec.manifest.max_interactions == 18
    with closing(open_model("good", home)) as backend:
        assert backend.max_interactions == 18
    with pytest.raises(UsageError, match="max_interactions is 0: expected at least 1"):
        GgufOptions(model=models["llama"], out=tmp_path / "n", max_interactions=0)
    file, manifest = tmp_path / "m/m-f16.gguf", tmp_path / "m/manifest.json"
    whole, written = file.read_bytes(), manifest.read_bytes()
    file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(ModelCorruptError, match="sha256"):
        add(tmp_path / "m", home, name="changed")
    file.write_bytes(whole)
    lies: tuple[dict[str, Any], ...] = ({"backend": "onnx"}, {"files": []}, {"format": 2})
    for lie in lies:
        manifest.write_bytes(json.dumps(json.loads(written) | lie).encode())
        with pytest.raises(ModelCorruptError):
            add(tmp_path / "m", home, name="lie")
    (tmp_path / "m/other.txt").write_text("x")
    listed = json.loads(written)["files"][0]
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    manifest.write_bytes(
        json.dumps(
            json.loads(written) | {"files": [{**listed, "name": "other.txt", "size": 1, "sha256": digest}]}
        ).encode()
    )
    with pytest.raises(ModelCorruptError):  # it lists everything but the model
        add(tmp_path / "m", home, name="lie")
    assert [p.name for p in home.models.iterdir()] == ["good"]


def test_what_no_export_takes_is_refused_by_name(models: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"GPT2LMHeadModel: .*LlamaForCausalLM"):
        onnx.run(OnnxOptions(model=models["gpt2"], out=tmp_path / "m"))
    with pytest.raises(UsageError, match=r"GPT2LMHeadModel: .*convert_hf_to_gguf\.py"):
        gguf.run(GgufOptions(model=models["gpt2"], out=tmp_path / "m"))
    with pytest.raises(ModelNotFoundError, match="is no folder"):
        gguf.run(GgufOptions(model=tmp_path / "nowhere", out=tmp_path / "m"))
    with pytest.raises(UsageError, match="is no LoRA"):
        gguf.run(GgufOptions(model=models["llama"], out=tmp_path / "m", adapter=True))
    with pytest.raises(UsageError, match="expected one of F32"):
        GgufOptions(model=models["llama"], out=tmp_path / "m", type="Q3")
    assert list(tmp_path.iterdir()) == []


def test_a_lora_for_another_base_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    wider = write_model(tmp_path / "wider", width=96)
    same_form = write_model(tmp_path / "llama", seed=5)
    adapter = models["lora"] / "adapter_config.json"
    for base in (wider, same_form):  # its own base is there: the weights differ
        with pytest.raises(UsageError, match=r"is for another base than .*whose weights differ"):
            look_at(models["lora"], base)
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in models["lora"].iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    config = json.loads(adapter.read_bytes())
    for name, why in (("/gone/base", "trained on '/gone/base'"), ("/gone/wider", r"made for \d+ inputs")):
        (moved / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": name}))
        with pytest.raises(UsageError, match=why):
            look_at(moved, wider)
        with pytest.raises(ModelNotFoundError, match="give it with --base"):
            look_at(moved)
    with pytest.raises(UsageError, match="is no LoRA: leave it out"):
        look_at(models["llama"], wider)


def test_weights_that_are_cut_off_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in models["llama"].iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    whole = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(ModelError):
        gguf.run(GgufOptions(model=broken, out=tmp_path / "m", type="F16"))
    with pytest.raises(ModelError):
        onnx.run(OnnxOptions(model=broken, out=tmp_path / "m"))
    assert not (tmp_path / "m").exists()


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLIT_THREE = SPLIT.replace(r"\p{N}|", r"\p{N}{1,3}|")


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([BYTES], "gpt-2"),
        ([{"type": "Digits", "individual_digits": True}, BYTES], "smollm"),
        (
            [
                {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False},
                {**BYTES, "use_regex": False},
            ],
            "qwen2",
        ),
        (
            [
                {
                    "type": "Split",
                    "pattern": {"Regex": SPLIT_THREE},
                    "behavior": "Isolated",
                },
                {**BYTES, "use_regex": False},
            ],
            "llama-bpe",
        ),
        ([{"type": "Digits", "individual_digits": False}, BYTES], None),
        ([{"type": "Whitespace"}, BYTES], None),
        ([{**BYTES, "add_prefix_space": True}], None),
        ([{"type": "Metaspace"}], None),
    ],
)
def test_the_way_of_cutting_is_recognised_or_refused(steps: list[dict[str, Any]], name: str | None) -> None:
    content = {"model": {"type": "BPE"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}
    if name is not None:
        assert pre_name(content) == name
    else:
        with pytest.raises(UsageError, match=r"convert_hf_to_gguf\.py"):
            pre_name(content)
