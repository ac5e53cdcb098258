"""README.md is true: its commands run, its Python runs, its output is what comes out.

``python -m tests.test_readme`` writes the output of command 1 into README.md anew.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bump_edge import Profiler, ProfilerOptions, ScriptedBackend, Store
from bump_edge.cli.output import emit_profile
from bump_edge.models import bundled
from bump_edge.text import stems
from tests.cli.run import DEFAULT, ROOT, environment, run
from tests.store.keychain import BACKEND, FILE

README = (ROOT / "README.md").read_text(encoding="utf-8")
OUTPUT = re.compile(r"(<!-- output of command 1[^\n]*-->\n```text\n)(.*?)(```)", re.S)
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.S)
COMMANDS = [
    line.split("  #")[0].strip() for block in CONSOLE for line in block.splitlines() if line.startswith("bump-edge")
]


def output_of_command_1() -> str:
    with tempfile.TemporaryDirectory() as home:
        done = run(Path(home), "profile", "--history", "examples/history.jsonl", **DEFAULT)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_the_two_commands_are_the_ones_that_ci_and_a_new_user_run() -> None:
    assert CONSOLE[0].strip() == "pip install . && bump-edge profile --history examples/history.jsonl"
    assert CONSOLE[1].strip() == "bash .ci/test"
    assert '"$(dirname "$0")/test"' in (ROOT / ".ci" / "run").read_text()


def shown_output() -> str:
    match = OUTPUT.search(README)
    assert match is not None
    return match.group(2)


def test_the_output_shown_is_the_output() -> None:
    shown, own = shown_output(), output_of_command_1()
    if bundled() is None or own == shown:
        assert own == shown
        return
    # Another processor adds in another order, and where two words are all but equally likely the model takes the other
    # one. What it writes there must still be much like what is shown; the rest is for the next test.
    here, there = (set(stems(text.partition("\n\n")[0])) for text in (own, shown))
    assert 3 * len(here & there) >= len(there), own


def test_what_is_shown_is_what_the_product_makes_of_that_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every sentence passes the checks and has the evidence that is shown, on whatever processor it was written."""
    carried = bundled()
    assert carried is not None
    assert carried.manifest is not None
    text = " ".join(shown_output().partition("\n\n")[0].split())
    options = ProfilerOptions(max_interactions=carried.manifest.max_interactions or 60)
    monkeypatch.setenv("COLUMNS", "100")
    with Store(tmp_path / "s.db") as store, Profiler(store, ScriptedBackend([text]), options=options) as profiler:
        store.ingest_file(ROOT / "examples" / "history.jsonl")
        emit_profile(profiler.profile())
    assert capsys.readouterr().out == shown_output()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(home: Path, command: str) -> None:
    from tests.real_models import smollm2_gguf

    words = shlex.split(command.replace("./SmolLM2-135M-Instruct.Q4_1.gguf", str(smollm2_gguf())))
    done = run(home, *words[1:], **DEFAULT)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_commands_about_encryption_run(home: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(bump-edge encrypt.*?)```", README, re.S)
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert len(commands) == 6
    chain = {"PYTHON_KEYRING_BACKEND": BACKEND, FILE: str(tmp_path / "keychain.json")}
    for command in commands:
        words = [str(tmp_path / word) if word == "recovery.txt" else word for word in command[1:]]
        done = run(home, *words, **chain, **DEFAULT)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_python_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        capture_output=True, text=True, cwd=tmp_path, env=environment(tmp_path, **DEFAULT), timeout=120, check=True,
    )  # fmt: skip
    assert "<-" in done.stdout


def test_the_card_has_the_figures_of_the_readme() -> None:
    card = (ROOT / "bump_edge" / "models" / "bundled" / "MODEL_CARD.md").read_text(encoding="utf-8")
    shown = README.partition("<!-- evaluation -->")[2].partition("The commands from raw histories")[0]
    figures = [line for line in shown.splitlines() if re.search(r"\d\.\d{2,}|\d %", line)]
    assert len(figures) > 12
    assert [line for line in figures if line not in card.splitlines()] == []


def test_every_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


if __name__ == "__main__":
    new = OUTPUT.sub(lambda m: m.group(1) + output_of_command_1() + m.group(3), README)
    (ROOT / "README.md").write_text(new, encoding="utf-8")
