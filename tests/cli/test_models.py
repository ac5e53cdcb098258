"""Models from the command line: added, used, interrupted, removed; with a real small language model."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.run import PROGRAM, ROOT, environment, error, lines, run
from tests.real_models import smollm2_gguf, smollm2_onnx

HISTORY = ROOT / "examples" / "history.jsonl"
NAME = "smollm2-135m-instruct.q4_1"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home to which both small models were added."""
    folder = tmp_path_factory.mktemp("models")
    assert run(folder, "models", "add", smollm2_gguf()).returncode == 0
    assert run(folder, "models", "add", smollm2_onnx(), "--name", "small-onnx").returncode == 0
    return folder


def test_added_models_are_listed_and_verified(home: Path) -> None:
    assert {m["name"]: m["backend"] for m in lines(run(home, "models", "list", "--json")) if not m["bundled"]} == {
        "extractive": "extractive",
        NAME: "gguf",
        "small-onnx": "onnx",
    }
    assert "98 MB" in run(home, "models", "list").stdout.decode()
    assert {m["name"] for m in lines(run(home, "models", "verify", "--json")) if not m["bundled"]} == {
        NAME,
        "small-onnx",
    }


@pytest.mark.parametrize(("model", "backend"), [("smollm2", "gguf"), ("small-onnx", "onnx")])
def test_a_language_model_writes_under_the_same_checks(home: Path, model: str, backend: str) -> None:
    arguments = ("--model", model, "--max-tokens", "48", "--repetition-penalty", "1.1", "--force", "--json")
    (profile,) = lines(run(home, "profile", "--history", HISTORY, *arguments))
    manifest = profile["manifest"]
    assert manifest["backend"] == backend
    assert 1 <= manifest["tokens"]["generated"] <= 200
    assert all(entry["interactions"] for entry in profile["evidence"])
    # zero-shot, this model rarely writes a sentence that the history bears out: then the manifest says who wrote
    assert (profile["model"] == "extractive") == ("fallback" in manifest)


def test_ctrl_c_while_a_model_writes(home: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "profile", "--model", "smollm2", "--max-tokens", "4000", "--history", str(HISTORY), "--force"],
        env=environment(home), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(5)
    workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, check=False).stdout.split()
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert time.monotonic() - begun < 10
    assert workers
    for worker in workers:
        assert not Path(f"/proc/{worker.decode()}").exists()


def test_removing_asks_first(home: Path, tmp_path: Path) -> None:
    run(tmp_path, "models", "add", smollm2_onnx(), "--name", "gone")
    refused = run(tmp_path, "models", "remove", "gone", stdin=b"n\n")
    assert refused.returncode == 2
    assert b"gone" in run(tmp_path, "models", "list").stdout
    assert run(tmp_path, "models", "remove", "gone", "--yes").returncode == 0
    assert b"gone" not in run(tmp_path, "models", "list").stdout


def test_doctor_says_what_runs_and_fails_for_a_model_that_was_tampered_with(tmp_path: Path) -> None:
    (report,) = lines(run(tmp_path, "doctor", "--json"))
    assert {b["name"]: b["available"] for b in report["backends"]} == dict.fromkeys(
        ("extractive", "scripted", "onnx", "gguf"), True
    )
    assert not (tmp_path / "bump-edge.db").exists()
    run(tmp_path, "models", "add", smollm2_gguf(), "--name", "small")
    with (tmp_path / "models" / "small" / smollm2_gguf().name).open("r+b") as file:
        file.seek(60_000_000)
        file.write(b"tampered")
    done = run(tmp_path, "doctor", "--model", "small", "--json")
    assert done.returncode == 1
    assert not lines(done)[0]["model"]["ok"]
    done = run(tmp_path, "models", "verify", "small", "--json")
    assert (done.returncode, error(done)["code"]) == (5, "model_corrupt")
