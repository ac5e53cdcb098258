"""`ScriptedBackend`, as an app's tests use it; and what `doctor` asks about the backends."""

from __future__ import annotations

import sys
import time

import pytest

from bump_edge import GenerationError, GenerationOptions, HistoryStats, Interaction, Prompt, ScriptedBackend, generate
from bump_edge.backends import BACKENDS, child
from bump_edge.backends.probe import probe
from tests.conformance.samples import CHESS, GUITARS, TEA

OPTIONS = GenerationOptions()


def test_replies_are_taken_in_turn_and_prompts_remembered() -> None:
    backend = ScriptedBackend(["One.", "Two."], batch_size=1)
    assert [g.text for g in generate(backend, [GUITARS, TEA], OPTIONS)] == ["One.", "Two."]
    assert generate(backend, [CHESS], OPTIONS)[0].text == "One."
    assert backend.prompts == [GUITARS, TEA, CHESS]
    assert backend.options == [OPTIONS, OPTIONS]


def test_replies_may_depend_on_the_prompt() -> None:
    backend = ScriptedBackend(lambda p: f"Has {len(p.interactions)}.", chunk_chars=1)
    chunks = list(backend.stream([GUITARS, TEA], OPTIONS))
    assert [c.index for c in chunks[:4]] == [0, 1, 0, 1]
    assert "".join(c.text for c in chunks if c.index == 0) == "Has 3."


def test_without_replies_it_says_what_the_history_supports() -> None:
    backend = ScriptedBackend()
    assert generate(backend, [GUITARS], OPTIONS)[0].text.startswith("Comes back to guitar")
    numbers = Prompt(interactions=(Interaction(text="12 34"),), stats=HistoryStats(count=1))
    assert generate(backend, [numbers], OPTIONS)[0].text == "Left few words behind."


def test_it_fails_as_told() -> None:
    stream = ScriptedBackend(["Long enough."], chunk_chars=2, fail_after=2).stream([GUITARS], OPTIONS)
    assert next(stream).text + next(stream).text == "Long"
    with pytest.raises(GenerationError, match="after 2 chunks, as told"):
        next(stream)
    with pytest.raises(MemoryError):
        generate(ScriptedBackend(fail_after=0, error=MemoryError()), [GUITARS], OPTIONS)


def test_it_takes_its_time_as_told() -> None:
    begun = time.monotonic()
    generate(ScriptedBackend(["12345678"], delay_s=0.05), [GUITARS], OPTIONS)
    assert time.monotonic() - begun >= 0.1


def test_nonsense_is_refused() -> None:
    for replies in ("text", []):
        with pytest.raises(ValueError, match="expected a list of texts"):
            ScriptedBackend(replies)
    with pytest.raises(ValueError, match="at least 1"):
        ScriptedBackend(chunk_chars=0)


def test_the_probe_knows_every_backend() -> None:
    found = {s.name: s for s in probe()}
    assert tuple(found) == BACKENDS
    assert all(s.available and s.version for s in found.values())
    assert (found["gguf"].version or "").startswith("llama-cpp-python 0.")


def test_the_probe_survives_a_runtime_that_crashes_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    missing = (
        "import sys; sys.modules['llama_cpp'] = sys.modules['onnxruntime_genai'] = None; import runpy; "
        "sys.argv = ['worker', '--probe', '{}']; runpy.run_module('bump_edge.backends.worker', run_name='__main__')"
    )
    monkeypatch.setattr("bump_edge.backends.probe.command", lambda *_: [sys.executable, "-c", crash])
    assert [s.reason for s in probe() if not s.available] == [
        "loading its runtime died of SIGSEGV (it said nothing)"
    ] * 2
    monkeypatch.setattr(
        "bump_edge.backends.probe.command", lambda _, name: [sys.executable, "-c", missing.format(name)]
    )
    onnx, gguf = (s for s in probe() if s.name in ("onnx", "gguf"))
    assert not onnx.available
    assert "needs onnxruntime-genai" in (onnx.reason or "")
    assert not gguf.available
    assert "needs llama-cpp-python" in (gguf.reason or "")
    # said once: in the remedy
    assert "pip install" not in (gguf.reason or "")
    assert 'pip install "bump-edge[gguf]"' in (gguf.remedy or "")


def test_the_worker_finds_the_package_and_no_module_of_the_current_directory() -> None:
    assert "-P" in child.command()
    assert child.environment()["PYTHONPATH"]
