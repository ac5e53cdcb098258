"""The gguf backend when things go wrong: damaged files, a process that dies, a host that dies, Ctrl-C."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bump_edge import (
    BackendCrashedError,
    BackendUnavailableError,
    CancelledError,
    GenerationOptions,
    ModelCorruptError,
    ModelError,
    ModelNotFoundError,
    UsageError,
    generate,
)
from bump_edge.backends import child
from bump_edge.backends.answer import Answer
from bump_edge.backends.gguf import GgufBackend
from bump_edge.backends.gguf_file import read_header
from tests.conformance.samples import GUITARS, TEA, prompt
from tests.real_models import smollm2_gguf

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = GenerationOptions(max_tokens=4)


@pytest.fixture(scope="module")
def head() -> bytes:
    """The first 4 MB of a real file: its header and some weights."""
    with smollm2_gguf().open("rb") as file:
        return file.read(4_000_000)


def gone(pid: int, within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_an_answer_that_repeats_itself_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answer, "loops", property(lambda answer: len(answer._tail) > 20))
    backend = GgufBackend(smollm2_gguf(), context_tokens=1024, isolate=False)
    written = generate(backend, [GUITARS, TEA], GenerationOptions(max_tokens=100))
    backend.close()
    assert [w.finish for w in written] == ["length", "length"]
    assert all(20 < len(w.text) < 40 for w in written)


def test_the_header_says_what_a_file_is() -> None:
    header = read_header(smollm2_gguf())
    assert (header.architecture, header.tokenizer, header.context_tokens) == ("llama", "gpt2", 8192)
    assert header.licence == "apache-2.0"


@pytest.mark.parametrize("size", [0, 3, 4, 20, 500, 100_000, 1_700_000, 3_999_999])
def test_a_truncated_file_is_an_error_before_native_code_sees_it(tmp_path: Path, head: bytes, size: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(head[:size])
    with pytest.raises(ModelCorruptError, match=r"cut\.gguf is no usable GGUF model: it .*Get the file again"):
        GgufBackend(path)


def test_noise_in_a_file_never_ends_the_host(tmp_path: Path, head: bytes) -> None:
    rng = random.Random(5)
    path = tmp_path / "noise.gguf"
    for _ in range(60):
        noisy = bytearray(head)
        for _ in range(rng.choice((1, 10, 1000))):
            noisy[rng.randrange(2000)] = rng.randrange(256)
        path.write_bytes(noisy)
        with pytest.raises(ModelError):
            read_header(path)
    path.write_bytes(b"GGUF" + rng.randbytes(50_000))
    with pytest.raises(ModelCorruptError, match="its version is"):
        GgufBackend(path)
    with pytest.raises(ModelNotFoundError):
        GgufBackend(tmp_path / "nothing.gguf")


def test_what_the_header_check_cannot_see_is_still_an_error(tmp_path: Path) -> None:
    """A sound header of an architecture that llama.cpp does not know: its refusal and its words come through."""
    with smollm2_gguf().open("rb") as file:
        data = bytearray(file.read())
    at = data.index(b"general.architecture")
    at = data.index(b"llama", at)
    data[at : at + 5] = b"lamah"
    path = tmp_path / "odd.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelCorruptError, match=r"cannot load odd\.gguf") as caught:
        GgufBackend(path)
    assert any("lamah" in line for line in caught.value.details["log"])
    with pytest.raises(ModelCorruptError, match=r"cannot load odd\.gguf") as caught:
        GgufBackend(path, isolate=False)
    assert any("lamah" in line for line in caught.value.details["log"])


def test_a_crash_in_the_middle_is_an_error_and_the_next_call_works() -> None:
    backend = GgufBackend(smollm2_gguf(), context_tokens=1024)
    before = generate(backend, [GUITARS], OPTIONS)[0].text
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL):
        stream = backend.stream([GUITARS, TEA], GenerationOptions(max_tokens=200))
        next(stream)
        assert backend.pid is not None
        os.kill(backend.pid, number)
        with pytest.raises(BackendCrashedError, match=number.name) as caught:
            list(stream)
        assert caught.value.details["signal"] == number.name
    assert generate(backend, [GUITARS], OPTIONS)[0].text == before
    pid = backend.pid
    backend.close()
    assert pid is not None
    assert gone(pid)


def test_a_crash_while_loading_names_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(name: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            f"import os, signal; os.write(2, b'GGML_ASSERT\\n'); os.kill(os.getpid(), signal.{name})",
        ]

    for name, error in (
        ("SIGSEGV", ModelCorruptError),
        ("SIGILL", BackendUnavailableError),
        ("SIGKILL", BackendCrashedError),
    ):
        monkeypatch.setattr(child, "command", lambda name=name: dies(name))
        with pytest.raises(error, match=name) as caught:
            GgufBackend(smollm2_gguf())
        assert caught.value.details["log"] == ["GGML_ASSERT"]


def test_a_frozen_program_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(BackendUnavailableError, match="isolate=False"):
        GgufBackend(smollm2_gguf())


def test_cancelling_stops_in_the_middle_of_a_long_prompt() -> None:
    backend = GgufBackend(smollm2_gguf())
    long = prompt(*(f"guitar number {n}" for n in range(300)))
    event = threading.Event()
    begun = time.monotonic()
    threading.Timer(0.3, event.set).start()
    with pytest.raises(CancelledError):
        generate(backend, [long], GenerationOptions(max_tokens=8, cancel=event))
    assert time.monotonic() - begun < 3  # reading it takes over ten seconds
    assert generate(backend, [GUITARS], OPTIONS)[0].text
    assert time.monotonic() - begun < 8
    backend.close()


def test_two_streams_of_one_process_do_not_mix() -> None:
    backend = GgufBackend(smollm2_gguf(), context_tokens=1024)
    alone = [generate(backend, [p], OPTIONS)[0].text for p in (GUITARS, TEA)]
    first, second = backend.stream([GUITARS], OPTIONS), backend.stream([TEA], OPTIONS)
    texts = ["", ""]
    for one, two in zip(first, second, strict=True):
        texts[0] += one.text
        texts[1] += two.text
    assert texts == alone
    backend.close()


def test_two_streams_in_process_are_refused() -> None:
    backend = GgufBackend(smollm2_gguf(), context_tokens=1024, isolate=False)
    stream = backend.stream([GUITARS], OPTIONS)
    next(stream)
    with pytest.raises(UsageError, match="still open"):
        generate(backend, [TEA], OPTIONS)
    stream.close()  # type: ignore[attr-defined]
    assert generate(backend, [TEA], OPTIONS)[0].text
    backend.close()


def test_a_backend_that_nobody_closes_leaves_no_process() -> None:
    backend = GgufBackend(smollm2_gguf(), context_tokens=512)
    pid = backend.pid
    del backend
    gc.collect()
    assert pid is not None
    assert gone(pid)


HOST = """
import sys, time
from bump_edge import GenerationOptions
from bump_edge.backends.gguf import GgufBackend
from tests.conformance.samples import GUITARS
from tests.real_models import smollm2_gguf
backend = GgufBackend(smollm2_gguf(), context_tokens=2048)  # no __main__ guard
print(backend.pid, flush=True)
for chunk in backend.stream([GUITARS], GenerationOptions(max_tokens=1500)):
    print("x", end="", flush=True)
"""


def host() -> tuple[subprocess.Popen[bytes], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOST], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert process.stdout.read(1) == b"x"
    return process, pid


def test_the_process_ends_with_a_host_that_is_killed() -> None:
    process, pid = host()
    process.kill()
    process.communicate()
    assert gone(pid)


def test_ctrl_c_is_the_hosts_business() -> None:
    """As a terminal sends it: to the whole group; and to the child itself, for good measure."""
    process, pid = host()
    os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert said.count(b"Traceback") == 1  # the host's own
    assert b"KeyboardInterrupt" in said
    assert gone(pid)
