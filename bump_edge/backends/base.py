"""What a backend is: something that turns prompts into text, a piece at a time.

One protocol with one way to generate. A single prompt is a batch of one; a blocking call is a stream read to its end
(`generate`); cancelling is closing the stream, or setting the event in the options. Every backend passes
`tests/conformance/`, and so can yours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from bump_edge.errors import CancelledError, UsageError
from bump_edge.prompts import Prompt

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationOptions:
    """How to generate.

    Args:
        max_tokens: a sequence ends after this many tokens, whatever the model wants; ≥ 1.
        temperature: 0 takes the likeliest token (greedy), above 0 samples; ≤ 5.
        top_p: nucleus sampling keeps the smallest set of tokens with this mass; in (0, 1].
        top_k: sampling keeps this many tokens; 0 keeps all.
        repetition_penalty: weakens tokens that the answer already has (a positive logit is divided by it, a negative
            one multiplied); the prompt's own words stay free; 1 is none; in [1, 2].
        seed: of the sampler: the same seed, prompt, model and machine give the same text; 0 to 2³¹ − 1.
        stop: strings at which a sequence ends; none of them is part of the text.
        cancel: when this event is set, the stream raises `CancelledError` before the next token.

    Raises:
        UsageError: a value outside its range.
    """

    max_tokens: int = 200
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    cancel: threading.Event | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("max_tokens", 1, 100_000),
            ("temperature", 0, 5),
            ("top_p", 1e-6, 1),
            ("top_k", 0, 1_000_000),
            ("repetition_penalty", 1, 2),
            ("seed", 0, 2**31 - 1),
        )
        for name, low, high in ranges:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}: expected {low:g} to {high:g}", details={"option": name})
        if any(not s for s in self.stop):
            raise UsageError("stop holds an empty string: expected strings of at least one character")

    def check_cancelled(self) -> None:
        """Raise `CancelledError` if the caller has set `cancel`."""
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError("generation was cancelled: the caller set the cancel event")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a stream.

    Args:
        index: which prompt of the batch it belongs to.
        text: new text; may be empty (half a character, a token held back because a stop string may have begun).
        tokens: tokens that this piece took, ≥ 0.
        finish: on the last chunk of a sequence, why it ended; None before. ``length`` also where a model that never
            would have ended had come to repeat itself.
        prompt_tokens: on the last chunk, the prompt's length in tokens.
        reused_tokens: on the last chunk, how many of them came from a kept prefix and were not computed again.
    """

    index: int
    text: str
    tokens: int = 1
    finish: FinishReason | None = None
    prompt_tokens: int = 0
    reused_tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One finished sequence: its text, why it ended, and what it cost in tokens."""

    text: str
    finish: FinishReason
    tokens: int
    prompt_tokens: int
    reused_tokens: int


@runtime_checkable
class Backend(Protocol):
    """Something that writes text from prompts. Not safe for several threads at once, unless it says so."""

    @property
    def name(self) -> str:
        """The kind: ``onnx``, ``gguf``, ``extractive``, ``scripted``, or your own."""
        ...

    @property
    def model(self) -> str:
        """The model's name, as profiles record it."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt and its answer may have together."""
        ...

    @property
    def max_interactions(self) -> int | None:
        """How many interactions a prompt may show: what the model learned to read; None where any number will do."""
        ...

    @property
    def batch_size(self) -> int:
        """How many prompts `stream` works on side by side; more are accepted and taken in turns."""
        ...

    def fingerprint(self) -> Mapping[str, str]:
        """What identifies the model and its runtime in a manifest: hashes and versions, no paths."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes; 0 for an empty one."""
        ...

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        """Write an answer to each prompt, a piece at a time.

        Chunks of different prompts may interleave; each sequence ends with exactly one chunk that has `finish`.
        Closing the iterator stops the work and leaves the backend usable.

        Raises:
            UsageError: a prompt and `max_tokens` do not fit `context_tokens`.
            GenerationError: the model failed.
            CancelledError: `options.cancel` was set.
        """
        ...

    def close(self) -> None:
        """Free the model. Calling it twice is fine; `stream` afterwards raises `GenerationError`."""
        ...


def check_interactions(count: int | None) -> int | None:
    """`count`, of interactions in a prompt; raise `UsageError` unless it is None or ≥ 1."""
    if count is not None and count < 1:
        raise UsageError(f"max_interactions is {count}: expected at least 1", details={"option": "max_interactions"})
    return count


def check_fits(prompt_tokens: int, options: GenerationOptions, context_tokens: int) -> None:
    """Raise `UsageError` if a prompt and the answer that may follow do not fit a context; all in tokens."""
    if prompt_tokens + options.max_tokens > context_tokens:
        raise UsageError(
            f"the prompt has {prompt_tokens} tokens and max_tokens is {options.max_tokens}: the model's context takes "
            f"{context_tokens} together; select fewer interactions, or lower max_tokens",
            details={
                "prompt_tokens": prompt_tokens,
                "max_tokens": options.max_tokens,
                "context_tokens": context_tokens,
            },
        )


def generate(backend: Backend, prompts: Sequence[Prompt], options: GenerationOptions) -> list[Generation]:
    """Read a stream to its end: one `Generation` a prompt, in the order of `prompts`."""
    texts: list[list[str]] = [[] for _ in prompts]
    tokens = [0] * len(prompts)
    last: list[Chunk | None] = [None] * len(prompts)
    for chunk in backend.stream(prompts, options):
        texts[chunk.index].append(chunk.text)
        tokens[chunk.index] += chunk.tokens
        if chunk.finish is not None:
            last[chunk.index] = chunk
    return [
        Generation(
            text="".join(text),
            finish=(end.finish if end is not None and end.finish is not None else "length"),
            tokens=count,
            prompt_tokens=end.prompt_tokens if end is not None else 0,
            reused_tokens=end.reused_tokens if end is not None else 0,
        )
        for text, count, end in zip(texts, tokens, last, strict=True)
    ]
