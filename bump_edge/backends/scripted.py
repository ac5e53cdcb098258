"""`ScriptedBackend`: writes what it was told to. For your tests, and for trying an app without a model."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from bump_edge.backends.answer import Answer
from bump_edge.backends.base import Chunk, GenerationOptions, check_fits
from bump_edge.errors import GenerationError
from bump_edge.prompts import Prompt
from bump_edge.text import fold, stopwords, words

Replies = Sequence[str] | Callable[[Prompt], str] | None


class ScriptedBackend:
    """A deterministic backend without a model.

    Args:
        replies: what to write: texts, taken in turn by the prompts as they come and from the start again when used up;
            or a function of the prompt; or None for a plain sentence that the prompt's interactions support.
        chunk_chars: characters a token, ≥ 1; a chunk is a token.
        delay_s: seconds to wait before every chunk: for progress bars, time limits and cancellation.
        fail_after: raise `error` after this many chunks of a stream; None never does.
        error: what is raised then; a `GenerationError` unless given.
        context_tokens: how many tokens a prompt and its answer may have together.
        batch_size: how many answers are written side by side.
        model: the model's name, as profiles record it.

    Attributes:
        prompts: every prompt that it was given, in order.
        options: the options of every stream, in order.
    """

    def __init__(
        self,
        replies: Replies = None,
        *,
        chunk_chars: int = 4,
        delay_s: float = 0.0,
        fail_after: int | None = None,
        error: BaseException | None = None,
        context_tokens: int = 32_768,
        batch_size: int = 4,
        model: str = "scripted",
    ) -> None:
        if chunk_chars < 1 or batch_size < 1:
            raise ValueError(f"chunk_chars is {chunk_chars}, batch_size is {batch_size}: expected at least 1")
        if isinstance(replies, str) or (isinstance(replies, Sequence) and not replies):
            raise ValueError(f"replies is {replies!r}: expected a list of texts, a function of the prompt, or None")
        self._replies = replies
        self._chunk_chars = chunk_chars
        self._delay_s = delay_s
        self._fail_after = fail_after
        self._error = error
        self._context_tokens = context_tokens
        self._batch_size = batch_size
        self._model = model
        self._closed = False
        self.prompts: list[Prompt] = []
        self.options: list[GenerationOptions] = []

    @property
    def name(self) -> str:
        """``scripted``."""
        return "scripted"

    @property
    def model(self) -> str:
        """The name that it was given."""
        return self._model

    @property
    def context_tokens(self) -> int:
        """As it was given."""
        return self._context_tokens

    @property
    def max_interactions(self) -> None:
        """Any number."""
        return

    @property
    def batch_size(self) -> int:
        """As it was given."""
        return self._batch_size

    def fingerprint(self) -> Mapping[str, str]:
        """A hash over the replies; of a function, its name."""
        told = getattr(self._replies, "__qualname__", None) or repr(self._replies)
        return {"replies": hashlib.sha256(told.encode()).hexdigest()[:16]}

    def count_tokens(self, text: str) -> int:
        """The characters of `text` by `chunk_chars`, rounded up."""
        return -(-len(text) // self._chunk_chars)

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        """Write the replies, `batch_size` of them side by side; see `Backend.stream`.

        Raises:
            GenerationError: the backend is closed, or `fail_after` chunks were written.
            UsageError: a prompt and `max_tokens` do not fit `context_tokens`.
            CancelledError: `options.cancel` was set.
        """
        if self._closed:
            raise GenerationError("the scripted backend is closed: make a new one")
        sizes = [self.count_tokens(p.system) + self.count_tokens(p.user) for p in prompts]
        for size in sizes:
            check_fits(size, options, self._context_tokens)
        replies = []
        for prompt in prompts:
            replies.append(self._reply(prompt, len(self.prompts)))
            self.prompts.append(prompt)
        self.options.append(options)
        return self._stream(replies, sizes, options)

    def _stream(self, replies: list[str], sizes: list[int], options: GenerationOptions) -> Iterator[Chunk]:
        waiting = deque(self._pieces(i, reply, sizes[i], options) for i, reply in enumerate(replies))
        active: deque[Iterator[Chunk]] = deque()
        written = 0
        while waiting or active:
            while waiting and len(active) < self._batch_size:
                active.append(waiting.popleft())
            pieces = active.popleft()
            options.check_cancelled()
            if self._fail_after is not None and written >= self._fail_after:
                raise self._error or GenerationError(f"the scripted backend failed after {written} chunks, as told")
            if self._delay_s:
                time.sleep(self._delay_s)
            options.check_cancelled()
            chunk = next(pieces)
            written += 1
            yield chunk
            if chunk.finish is None:
                active.append(pieces)

    def _pieces(self, index: int, reply: str, size: int, options: GenerationOptions) -> Iterator[Chunk]:
        answer = Answer(options.stop)
        pieces = [reply[at : at + self._chunk_chars] for at in range(0, len(reply), self._chunk_chars)]
        for count, piece in enumerate(pieces, 1):
            text = answer.feed(piece)
            if answer.stopped or count == len(pieces):
                yield Chunk(index=index, text=text + answer.end(), finish="stop", prompt_tokens=size)
                return
            if count == options.max_tokens:
                yield Chunk(index=index, text=text + answer.end(), finish="length", prompt_tokens=size)
                return
            yield Chunk(index=index, text=text)
        yield Chunk(index=index, text="", tokens=0, finish="stop", prompt_tokens=size)

    def _reply(self, prompt: Prompt, number: int) -> str:
        if self._replies is None:
            return plain_sentence(prompt)
        if callable(self._replies):
            return self._replies(prompt)
        return self._replies[number % len(self._replies)]

    def close(self) -> None:
        """Close; `stream` raises afterwards."""
        self._closed = True


def plain_sentence(prompt: Prompt) -> str:
    """One sentence about the words that the prompt's interactions repeat: dull, short, and supported by them."""
    function_words = stopwords(prompt.language)
    counted: Counter[str] = Counter()
    for interaction in prompt.interactions:
        text = f"{interaction.item or ''} {interaction.text or ''}"
        counted.update({fold(w) for w in words(text) if len(w) > 2 and fold(w) not in function_words and w.isalpha()})
    named = [word for word, _ in counted.most_common(3)]
    if not named:
        return "Left few words behind."
    return (
        f"Comes back to {named[0]}." if len(named) == 1 else f"Comes back to {', '.join(named[:-1])} and {named[-1]}."
    )
