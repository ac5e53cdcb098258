"""What a device file keeps of its checkpoint, measured and told: real processes, small real models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from bump_edge.errors import ModelCorruptError, ModelError, ModelNotFoundError, UsageError
from export import gguf, onnx
from export.agreement import Agreement, divergence, greedy_agreement
from export.gguf import GgufOptions
from export.onnx import OnnxOptions
from export.processes import ROOT, summary_of
from export.report import ReportOptions, default_of
from export.report import run as report
from export.verify import VerifyOptions
from export.verify import run as verify
from tests.cli import run as cli
from tests.export.small import write_lora, write_model
from tests.training.planted import COMMON, write_log

SMALL: dict[str, Any] = {
    "tokens": 60, "users": 4, "split": "all", "judges": ("bm25",), "visible": 4, "max_tokens": 6, "rounds": 1,
    "speed_profiles": 1, "threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `model`, its exports `f32`, `q4` and `onnx`, and `made.jsonl`."""
    folder = tmp_path_factory.mktemp("report")
    model = write_model(folder / "model", texts=COMMON)
    for kind, name in (("F32", "f32"), ("Q4_0", "q4")):
        gguf.run(GgufOptions(model=model, out=folder / name, type=kind))
    onnx.run(OnnxOptions(model=model, out=folder / "onnx", precision="fp32"))
    write_log(folder / "made.jsonl", range(8))
    return folder


def test_agreement_adds_up_what_the_whole_says() -> None:
    rng = np.random.default_rng(0)
    ours = rng.normal(size=(12, 9)).astype(np.float32)
    theirs = ours + rng.normal(size=(12, 9)).astype(np.float32) / 4
    tokens = rng.integers(0, 9, 12).tolist()
    parts = Agreement()
    parts.add(ours[:5], theirs[:5], tokens[:5])
    parts.add(ours[5:], theirs[5:], tokens[5:])
    said = parts.figures()
    assert said["greedy_agreement"] == pytest.approx(greedy_agreement(ours, theirs))
    assert said["kl"] == pytest.approx(divergence(ours, theirs))
    assert said["kl"] > 0
    # perplexity by hand: a uniform model over nine tokens has nine
    flat = Agreement()
    flat.add(np.zeros((3, 9), np.float32), np.zeros((3, 9), np.float32), [1, 2, 3])
    assert flat.figures()["perplexity"] == pytest.approx(9)
    assert (flat.figures()["kl"], flat.figures()["greedy_agreement"]) == (0, 1)
    with pytest.raises(ValueError, match="expected the same"):
        parts.add(ours, theirs[:, :8], tokens)
    with pytest.raises(ValueError, match="nothing was compared"):
        Agreement().figures()


def test_a_report_tells_exports_apart_and_the_manifest_and_models_show_it(home: Path, tmp_path: Path) -> None:
    artefacts = tuple(home / name for name in ("f32", "q4", "onnx"))
    options = {**SMALL, "model": home / "model", "data": home / "made.jsonl", "artefact": artefacts}
    said = report(ReportOptions(out=tmp_path / "report", **options))
    rows = said["variants"]
    assert list(rows) == ["f32", "q4", "onnx"]
    for name in ("f32", "onnx"):
        assert rows[name]["greedy_agreement"] == 1
        assert rows[name]["kl"] < 1e-4
        assert rows[name]["perplexity"] == pytest.approx(rows[name]["source_perplexity"], rel=1e-2)
        assert rows[name]["same_tokens"] == 1
    assert rows["q4"]["kl"] > 10 * rows["f32"]["kl"]
    assert rows["q4"]["bytes"] < rows["f32"]["bytes"]
    assert max(row["relative_speed"] or 0 for row in rows.values()) == 1
    for row in rows.values():
        assert row["users"] == 4
        assert row["tokens_compared"] == 60
        assert row["peak_rss_mib"] > 20
        assert row["first_token_ms"] > 0
        assert 0 <= row["ndcg_bm25"] <= 2
    # the checkpoint writes the same profiles as its float32 exports, so they gain and lose nothing
    assert rows["f32"]["ndcg_bm25_gain"] == rows["onnx"]["ndcg_bm25_gain"] == 0
    assert said["default"] in rows
    table = (tmp_path / "report/report.md").read_text()
    assert "| q4 |" in table.replace("**", "")
    assert f"Default: {said['default']}" in table
    assert orjson.loads((tmp_path / "report/report.json").read_bytes())["variants"] == rows
    with pytest.raises(UsageError, match="--force"):
        report(ReportOptions(out=tmp_path / "report", **options))
    # the runtime takes the figures along
    added = cli.run(tmp_path / "home", "models", "add", home / "q4", "--json")
    assert added.returncode == 0, added.stderr
    assert orjson.loads(added.stdout)["manifest"]["figures"]["kl"] == rows["q4"]["kl"]
    assert f"kl {rows['q4']['kl']}" in cli.run(tmp_path / "home", "models", "list").stdout.decode()


def test_a_report_that_was_killed_goes_on(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, artefacts = tmp_path / "report", tuple(home / name for name in ("f32", "q4"))
    options = {**SMALL, "model": home / "model", "data": home / "made.jsonl", "artefact": artefacts, "out": out}
    code = f"from pathlib import *; from export.report import *; run(ReportOptions(**{options!r}))"
    begun = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(out.glob(".measured/*/checkpoint/evaluation.json")) and time.monotonic() < deadline:
        assert begun.poll() is None
        time.sleep(0.02)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    assert not (out / "report.json").exists()
    capfd.readouterr()
    rows = report(ReportOptions(**options))["variants"]
    said = capfd.readouterr().err
    for name in ("f32", "q4"):
        assert f"{name}: next tokens, measured before" in said
    assert "the checkpoint: profiles, written before" in said
    assert rows["f32"]["kl"] < 1e-4 < rows["q4"]["kl"]
    assert rows["f32"]["ndcg_bm25_gain"] == 0
    assert sorted(path.name for path in out.iterdir() if path.suffix != ".png") == ["report.json", "report.md"]
    # other options, or another file, are another measurement
    report(ReportOptions(**{**options, "tokens": 50, "force": True}))
    assert "before" not in capfd.readouterr().err


def test_verify_measures_a_lora_and_a_judge_writes_no_profiles(home: Path, tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "lora", home / "model")
    gguf.run(GgufOptions(model=lora, out=tmp_path / "m", type="F32", kind="judge"))
    options = {**SMALL, "data": home / "made.jsonl", "artefact": tmp_path / "m"}
    said = verify(VerifyOptions(model=lora, **options))["figures"]
    assert said["kl"] < 1e-4
    assert "ndcg_bm25" not in said
    with pytest.raises(UsageError, match="made of another checkpoint"):
        verify(VerifyOptions(model=home / "model", **options))


def test_what_cannot_be_verified(home: Path, tmp_path: Path) -> None:
    options = {**SMALL, "model": home / "model", "data": home / "made.jsonl"}
    with pytest.raises(ModelNotFoundError):
        verify(VerifyOptions(artefact=tmp_path / "none", **options))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelCorruptError, match="no manifest"):
        verify(VerifyOptions(artefact=tmp_path / "empty", **options))
    lora = write_lora(tmp_path / "lora", home / "model")
    gguf.run(GgufOptions(model=lora, out=tmp_path / "adapter", adapter=True))
    with pytest.raises(UsageError, match="is a lora"):
        verify(VerifyOptions(artefact=tmp_path / "adapter", **{**options, "model": lora}))
    gguf.run(GgufOptions(model=home / "model", out=tmp_path / "m", type="Q8_0"))
    file = next((tmp_path / "m").glob("*.gguf"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelCorruptError, match="sha256"):
        verify(VerifyOptions(artefact=tmp_path / "m", **options))
    for wrong in ({"users": 1}, {"tokens": 1}, {"judges": ()}, {"rounds": 0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            VerifyOptions(artefact=tmp_path / "m", **{**options, **wrong})


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(ModelError, match=r"it failed \(exit code 2\): .*expected"):
        summary_of("it", ["training", "evaluate", "--data", "nowhere.jsonl"])
    with pytest.raises(ModelError, match="No module named"):
        summary_of("it", ["nowhere"])


def test_the_default_is_the_smallest_that_keeps_the_quality() -> None:
    def row(size: int, *gains: float) -> dict[str, Any]:
        return {"bytes": size} | {f"ndcg_{j}": 1.0 for j in "ab"} | {
            f"ndcg_{j}_gain": g for j, g in zip("ab", gains, strict=True)
        }  # fmt: skip

    variants = {"big": row(100, 0, 0), "mid": row(50, 0.02, -0.009), "small": row(20, -0.002, -0.03), "judge": {}}
    assert default_of(variants, "ab", 0.01) == "mid"
    assert default_of(variants, "ab", 0.05) == "small"
    assert default_of({"small": variants["small"], "mid": row(50, -0.02, 0)}, "ab", 0.01) == "mid"
    assert default_of({"judge": {}}, "ab", 0.01) is None
