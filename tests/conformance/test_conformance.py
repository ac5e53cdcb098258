"""What every backend does: the contract of `bump_edge.backends.base`, on real models."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bump_edge import Backend, CancelledError, Generation, GenerationError, GenerationOptions, UsageError, generate
from tests.conformance.kinds import KEEPS_PREFIX, KINDS, NEVER_STOPS, REAL, SAMPLES, UNLIMITED
from tests.conformance.samples import CHESS, GUITARS, HALF_A_PAIR, HOSTILE, STRANGE, TEA, prompt

OPTIONS = GenerationOptions(max_tokens=8)
SAMPLING = GenerationOptions(max_tokens=8, temperature=0.9, top_p=0.95, top_k=40, seed=7)


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def backend(kind: str) -> Iterator[Backend]:
    made = KINDS[kind]()
    yield made
    made.close()


def text(backend: Backend, of: object = GUITARS, options: GenerationOptions = OPTIONS) -> str:
    (written,) = generate(backend, [of], options)  # type: ignore[list-item]
    return written.text


def test_it_is_a_backend(backend: Backend) -> None:
    assert isinstance(backend, Backend)
    assert backend.name
    assert backend.model
    assert backend.batch_size >= 1
    assert backend.context_tokens >= 1
    assert backend.max_interactions is None or backend.max_interactions >= 1


def test_a_stream_is_what_a_blocking_call_returns(backend: Backend) -> None:
    prompts = [GUITARS, TEA]
    chunks = list(backend.stream(prompts, OPTIONS))
    written = generate(backend, prompts, OPTIONS)
    assert len(written) == 2
    for index, whole in enumerate(written):
        own = [c for c in chunks if c.index == index]
        assert "".join(c.text for c in own) == whole.text
        assert whole.text.strip()
        assert [c.finish is not None for c in own] == [False] * (len(own) - 1) + [True]
        assert sum(c.tokens for c in own) == whole.tokens
        assert own[-1].finish == whole.finish
        assert own[-1].prompt_tokens == whole.prompt_tokens > 0


def test_no_prompt_is_no_work(backend: Backend) -> None:
    assert list(backend.stream([], OPTIONS)) == []


def test_it_ends_after_max_tokens(kind: str, backend: Backend) -> None:
    for limit in (1, 6):
        for written in generate(backend, [GUITARS, TEA], replace(OPTIONS, max_tokens=limit)):
            assert written.tokens <= limit
            assert written.finish == "stop" or written.tokens == limit
            if kind in NEVER_STOPS or kind in SAMPLES:
                assert (written.finish, written.tokens) == ("length", limit)


def test_it_ends_before_a_stop_string(backend: Backend) -> None:
    whole = text(backend)
    # one inside a word, one over a space, one that never comes
    for stop in (
        whole[len(whole) // 2 :][:3],
        next(whole[i - 1 : i + 2] for i, c in enumerate(whole) if i and c == " "),
    ):
        (cut,) = generate(backend, [GUITARS], replace(OPTIONS, stop=("\x07never", stop)))
        assert cut.text.rstrip() == whole[: whole.index(stop)].rstrip()
        assert cut.finish == "stop"
    assert text(backend, options=replace(OPTIONS, stop=("\x07never", whole[-2:] + "\x07"))) == whole


def test_the_likeliest_words_are_the_same_every_time(backend: Backend) -> None:
    assert text(backend) == text(backend)


def test_the_same_seed_samples_the_same(kind: str, backend: Backend) -> None:
    first = text(backend, options=SAMPLING)
    assert text(backend, options=SAMPLING) == first
    if kind in SAMPLES:
        assert {text(backend, options=replace(SAMPLING, seed=seed)) for seed in (8, 9)} != {first}


@pytest.mark.parametrize("options", [OPTIONS, SAMPLING], ids=["greedy", "sampling"])
def test_company_in_a_batch_changes_nothing(backend: Backend, options: GenerationOptions) -> None:
    """Bit for bit, real models too: gguf gives every sequence its own cells (not so at F16), onnx takes turns."""
    prompts = [GUITARS, TEA, CHESS]
    together = [g.text for g in generate(backend, prompts, options)]
    assert together == [text(backend, p, options) for p in prompts]
    assert [g.text for g in generate(backend, prompts[::-1], options)] == together[::-1]


def test_it_is_cancelled_by_the_event_and_goes_on_afterwards(backend: Backend) -> None:
    before = text(backend)
    event = threading.Event()
    stream = backend.stream([GUITARS, TEA], replace(OPTIONS, cancel=event))
    next(stream)
    event.set()
    with pytest.raises(CancelledError):
        list(stream)
    with pytest.raises(CancelledError):
        generate(backend, [GUITARS], replace(OPTIONS, cancel=event))
    assert text(backend) == before


def test_it_is_cancelled_by_closing_the_stream_and_goes_on_afterwards(backend: Backend) -> None:
    before = text(backend)
    stream = backend.stream([GUITARS, TEA], OPTIONS)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert text(backend) == before


def test_too_long_a_prompt_is_refused_with_both_numbers(kind: str, backend: Backend) -> None:
    long = prompt(*(f"guitar number {n}" for n in range(700)))
    if kind in UNLIMITED:
        assert text(backend, long)
        return
    with pytest.raises(UsageError, match=r"prompt has \d{4,} tokens .* takes 2048") as caught:
        generate(backend, [GUITARS, long], OPTIONS)
    assert caught.value.details["context_tokens"] == 2048
    assert caught.value.details["prompt_tokens"] > 2048
    with pytest.raises(UsageError, match="max_tokens is 2048"):
        generate(backend, [GUITARS], replace(OPTIONS, max_tokens=2048))
    assert text(backend)


def test_the_fixed_prefix_is_read_once(kind: str, backend: Backend) -> None:
    text(backend, prompt("other", language="de"))  # another prefix
    first, second = (generate(backend, [p], OPTIONS)[0] for p in (GUITARS, TEA))
    again = generate(backend, [GUITARS], OPTIONS)[0]
    assert again.text == first.text
    if kind in KEEPS_PREFIX:
        assert first.reused_tokens == 0
        assert 0.3 * second.prompt_tokens < second.reused_tokens == again.reused_tokens < second.prompt_tokens
        shared = generate(backend, [prompt("x", language="fr"), prompt("y", language="fr")], OPTIONS)
        assert [g.reused_tokens > 0 for g in shared] == [False, True]


def test_any_text_goes_in_and_whole_characters_come_out(kind: str, backend: Backend) -> None:
    stranger: list[Generation] = generate(backend, [STRANGE, HOSTILE], OPTIONS)
    if kind in REAL:
        stranger += generate(backend, [HALF_A_PAIR], OPTIONS)
    for chunk in backend.stream([STRANGE], OPTIONS):
        assert "\ufffd" not in chunk.text
    for written in stranger:
        written.text.encode()
        assert not any(marker in written.text for marker in ("<|im_start|>", "<|im_end|>", "<think>"))


def test_tokens_are_counted(backend: Backend) -> None:
    assert backend.count_tokens("") == 0
    assert 0 < backend.count_tokens("tea") <= backend.count_tokens("tea and cake, tea and cake")
    assert backend.count_tokens("☕️ 📚") > 0


def test_the_fingerprint_is_stable_and_holds_no_path(kind: str, backend: Backend) -> None:
    first = dict(backend.fingerprint())
    assert first == dict(backend.fingerprint())
    assert first
    for key, value in first.items():
        assert isinstance(value, str), key
        assert os.sep not in value.replace("extractive/", "").replace("bump-edge/", ""), key


def test_a_closed_backend_says_so(kind: str) -> None:
    made = KINDS[kind]()
    made.close()
    made.close()
    with pytest.raises(GenerationError, match="closed"):
        list(made.stream([GUITARS], OPTIONS))
