"""The backend's side of the protocol: words as tokens, streamed one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import orjson

from bump_edge.backends.base import Chunk, FinishReason, GenerationOptions
from bump_edge.backends.extractive.frames import FRAMES
from bump_edge.errors import GenerationError
from bump_edge.prompts import Prompt

VERSION = "1"
"""Of the way that sentences are chosen; counts up whenever the same log would give another text."""


class ExtractiveBackend:
    """Writes profiles without a model: counts, phrases that come back, and sentence frames.

    Deterministic: the seed chooses among wordings, and 0 is the plain one. Its tokens are words. Safe for several
    threads at once.
    """

    def __init__(self) -> None:
        self._closed = False

    @property
    def name(self) -> str:
        """``extractive``."""
        return "extractive"

    @property
    def model(self) -> str:
        """``extractive``: it is its own model."""
        return "extractive"

    @property
    def context_tokens(self) -> int:
        """As many words as anybody selects: nothing here grows with the square of it."""
        return 1_000_000

    @property
    def max_interactions(self) -> None:
        """Any number."""
        return

    @property
    def batch_size(self) -> int:
        """1: prompts are written one after the other."""
        return 1

    def fingerprint(self) -> Mapping[str, str]:
        """The version of the method and a hash over the sentence frames."""
        tables = {language: asdict(frames) for language, frames in FRAMES.items()}
        digest = hashlib.sha256(orjson.dumps(tables, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return {"writer": f"extractive/{VERSION}", "frames": digest[:16]}

    def count_tokens(self, text: str) -> int:
        """Words between white space."""
        return len(text.split())

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        """Write a profile for each prompt, a word at a time; see `Backend.stream`.

        Raises:
            GenerationError: the backend is closed.
            CancelledError: `options.cancel` was set.
        """
        if self._closed:
            raise GenerationError("the extractive backend is closed: make a new one")
        return self._stream(prompts, options)

    def _stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        # Here, because most runs find every profile up to date and write none.
        from bump_edge.backends.extractive.update import write

        for index, prompt in enumerate(prompts):
            options.check_cancelled()
            text = write(prompt, options.seed)
            at = min((p for s in options.stop if (p := text.find(s)) >= 0), default=-1)
            pieces = (text if at < 0 else text[:at]).split()
            finish: FinishReason = "stop" if len(pieces) <= options.max_tokens else "length"
            pieces = pieces[: options.max_tokens]
            read = len(prompt.system.split()) + len(prompt.user.split())
            if not pieces:
                yield Chunk(index=index, text="", tokens=0, finish=finish, prompt_tokens=read)
            for n, word in enumerate(pieces):
                options.check_cancelled()
                last = n == len(pieces) - 1
                yield Chunk(
                    index=index,
                    text=word if n == 0 else f" {word}",
                    finish=finish if last else None,
                    prompt_tokens=read if last else 0,
                )

    def close(self) -> None:
        """Close; `stream` raises afterwards."""
        self._closed = True
