"""The command line, as real processes: what it prints, its exit codes, and the way from a checkpoint to a profile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge.errors import UsageError
from export.__main__ import COMMANDS, main
from export.processes import OFFLINE
from tests.cli import run as cli
from tests.export.small import write_model

ROOT = Path(__file__).resolve().parents[2]


def export(*arguments: object, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, summary (the last line of stdout) and stderr of a real run."""
    done = subprocess.run(
        [sys.executable, "-m", "export", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=280, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, orjson.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize(
    ("command", "options"),
    [("onnx", ["--precision", "fp32"]), ("onnx", ["--precision", "fp16"]), ("gguf", ["--type", "Q8_0"])],
    ids=["fp32", "fp16", "gguf"],
)
def test_from_a_checkpoint_to_a_profile(tmp_path: Path, command: str, options: list[str]) -> None:
    model = write_model(tmp_path / "model")
    code, summary, said = export(command, "--model", model, "--out", tmp_path / "device", *options)
    assert code == 0, said
    assert (summary["command"], summary["backend"], summary["name"]) == (command, command, "device")
    assert summary["bytes"] > 0
    assert "error" not in said
    # again: not without --force
    code, failure, _ = export(command, "--model", model, "--out", tmp_path / "device", *options)
    assert (code, failure["error"]["code"]) == (2, "usage")
    home = tmp_path / "home"
    added = cli.run(home, "models", "add", tmp_path / "device")
    assert added.returncode == 0, added.stderr
    history = tmp_path / "history.jsonl"
    history.write_bytes(b"".join(orjson.dumps({"text": f"guitar strings number {n}"}) + b"\n" for n in range(12)))
    wrote = cli.run(home, "profile", "--history", history, "--model", "device", "--json")
    assert wrote.returncode == 0, wrote.stderr
    profile = orjson.loads(wrote.stdout)
    assert profile["text"]
    # random weights write nonsense, which the checks throw away; but it was this model that was run
    assert b"device" in wrote.stdout + wrote.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["dream"], "invalid choice: 'dream'"),
        (["onnx", "--out", "x"], "required: --model"),
        (["onnx", "--model", "m", "--out", "o", "--precision", "int2"], "precision is 'int2': expected one of fp32"),
        (["onnx", "--model", "m", "--out", "o", "--block-size", "20"], "block_size is 20: expected one of 16"),
        (["onnx", "--model", "m", "--out", "o", "--provider", "tpu"], "provider is 'tpu'"),
        (["gguf", "--model", "m", "--out", "o", "--type", "q8"], "type is 'q8': expected one of F32"),
        (["gguf", "--model", "m", "--out", "o", "--type", "F16", "--calibration", "x"], "quantised types"),
        (["trim", "--model", "m", "--out", "o", "--coverage", "1.5"], "coverage is 1.5"),
        (["trim", "--model", "m", "--out", "o", "--drop-layers", "one"], "expected numbers with commas"),
        (["judge", "--model", "m", "--out", "o"], "required: --format"),
    ],
)
def test_options_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    for name in OFFLINE:
        monkeypatch.setenv(name, "1")  # what main sets is taken back after the test
    assert main(arguments) == 2
    out = capsys.readouterr().out
    error = orjson.loads(out.splitlines()[-1])["error"]
    assert error["code"] == UsageError.code
    assert message in error["message"]


def test_a_model_that_is_not_there_is_exit_code_5(tmp_path: Path) -> None:
    code, failure, said = export("gguf", "--model", tmp_path / "none", "--out", tmp_path / "out")
    assert (code, failure["error"]["code"]) == (5, "model_not_found")
    assert "is no folder" in said
    assert list(tmp_path.iterdir()) == []


def test_every_command_explains_itself() -> None:
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "export", command, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0
        assert "--model" in done.stdout


def test_files_may_be_named_by_one_flag_or_by_several(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for file in files:
        file.write_text(f"strings of {file.stem}\n")
    one = ["--corpus", *files]
    several = ["--corpus", files[0], "--corpus", files[1]]
    counted = {}
    for name, given in (("one", one), ("several", several), ("less", one[:2])):
        code, summary, said = export("trim", "--model", model, "--out", tmp_path / name, *given)
        assert code == 0, said
        counted[name] = summary["corpus_tokens"]
    assert counted["one"] == counted["several"] > counted["less"]
