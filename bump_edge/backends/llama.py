"""Runs a GGUF model with llama.cpp, in the process that imports this.

The low-level interface, because the high-level `Llama` has no argument for `use_extra_bufts`: where weights are
repacked for AMX, llama.cpp 0.3.36 crashes in `decode` for every quantised type, and that parameter switches it off.
"""

from __future__ import annotations

import codecs
import ctypes
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bump_edge.backends import chat
from bump_edge.backends.answer import Answer
from bump_edge.backends.base import Chunk, FinishReason, GenerationOptions, check_fits
from bump_edge.backends.llama_library import (
    abort_callback,
    load_library,
    log_tail,
    runtime_version,
    sampler_chain,
    silence,
    usable_cores,
)
from bump_edge.backends.llama_vocabulary import LlamaVocabulary
from bump_edge.errors import CancelledError, GenerationError, ModelCorruptError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DECODE = 256  # tokens a call while reading a prompt: between two calls the work can be stopped
_CELLS = 512  # a sequence's share of the context is a multiple of this, in tokens
_PREFIX = 0  # the sequence that keeps the fixed prefix; answers are in the lanes 1, 2, …


@dataclass(slots=True)
class _Sequence:
    """One answer in the making."""

    index: int
    tokens: list[int]
    fixed: int
    seq: int = 0
    sampler: Any = None
    position: int = 0
    written: int = 0
    reused: int = 0
    next_token: int = 0
    answer: Answer = field(default_factory=Answer)
    decoder: Any = None


class LlamaModel:
    """A loaded model with one context.

    Args:
        path: the GGUF file; check it with `read_header` first.
        context_tokens: of the context; None takes the smaller of the model's own and 8192.
        batch_size: how many answers are written side by side.
        threads: None takes `usable_cores()`.
        gpu_layers: how many layers to put on a GPU, where llama.cpp was built for one.
        log_to_stderr: let llama.cpp write its log to stderr; else it goes to `log_tail`.
        abort: the address of a C string: as long as it reads as a number other than 0, the work is stopped, even in
            the middle of a call; None for none.

    Raises:
        BackendUnavailableError: no llama.cpp here.
        ModelCorruptError: llama.cpp does not take the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int | None = None,
        batch_size: int = 4,
        threads: int | None = None,
        gpu_layers: int = 0,
        log_to_stderr: bool = False,
        abort: int | None = None,
    ) -> None:
        self._model: Any = None
        self._context: Any = None
        self._memory: Any = None
        self._capacity = self._lanes = 0
        self.api = api = load_library()
        silence(api, to_stderr=log_to_stderr)
        api.llama_backend_init()
        settings = api.llama_model_default_params()
        settings.use_extra_bufts = False
        settings.n_gpu_layers = gpu_layers
        settings.load_mode = api.LLAMA_LOAD_MODE_MMAP
        self._model = api.llama_model_load_from_file(os.fsencode(path), settings)
        if not self._model:
            raise ModelCorruptError(
                f"llama.cpp cannot load {path.name}: get the file again, or a llama-cpp-python that knows its "
                "architecture",
                details={"file": path.name, "log": log_tail()},
            )
        if not api.llama_model_has_decoder(self._model) or api.llama_model_has_encoder(self._model):
            self.close()
            raise ModelCorruptError(f"{path.name} is no decoder-only model: expected one that writes text")
        self._vocab = LlamaVocabulary(api, self._model)
        trained = api.llama_model_n_ctx_train(self._model)
        self.context_tokens = context_tokens or min(trained or 8192, 8192)
        self.batch_size = batch_size
        self._name = path.name
        self._threads = threads or usable_cores()
        self._abort = abort
        self._batch = api.llama_batch_init(max(_DECODE, batch_size), 0, 1)
        self._prefix: list[int] = []
        self._wanted: list[int] = []
        self._busy = False
        self.format = chat.choose(lambda text: self._vocab.special_id(text) is not None)
        self._ends = {i for text in self.format.end if (i := self._vocab.special_id(text)) is not None}
        # The first decode is where a wrong build crashes: better when the model is opened.
        self._make_room(min(2 * _CELLS, self.context_tokens))
        self._decode([(max(self._vocab.bos, 0), 0, 1, True)])
        api.llama_memory_seq_rm(self._memory, 1, -1, -1)

    def _make_room(self, needed: int) -> None:
        """See that a sequence has `needed` cells; a new context is made when the present one is too small.

        Every sequence has cells of its own. Sharing them would save memory, but then an answer's numbers depend on
        where the others' cells lie: measured with SmolLM2 at Q4_1, logits move by up to 1 in a batch of three, where
        with cells of their own they are equal to the last bit (so at Q4_0, Q4_K_M and Q8_0; not at F16, where another
        kernel multiplies several columns). In turn, the lanes share a budget of cells.
        """
        if needed <= self._capacity:
            return
        self._free_context()
        capacity = min(-(-needed // _CELLS) * _CELLS, -(-self.context_tokens // 256) * 256)
        self._lanes = max(1, min(self.batch_size, max(self.context_tokens, 8192) // capacity - 1))
        wanted = self.api.llama_context_default_params()
        wanted.n_seq_max = self._lanes + 1
        wanted.n_ctx = capacity * wanted.n_seq_max
        wanted.kv_unified = False
        wanted.n_batch = wanted.n_ubatch = _DECODE
        wanted.n_threads = wanted.n_threads_batch = self._threads
        wanted.no_perf = True
        # With flash attention, a batch of several takes another way through long contexts than one alone does, and
        # rounds otherwise. Without it a token takes 9 % longer; who never batches keeps it.
        if self.batch_size > 1:
            wanted.flash_attn_type = self.api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        if self._abort is not None:
            wanted.abort_callback = abort_callback(self.api)
            wanted.abort_callback_data = self._abort
        self._context = self.api.llama_init_from_model(self._model, wanted)
        if not self._context:
            raise GenerationError(
                f"llama.cpp cannot make a context of {capacity} tokens for {self._name}: select fewer interactions, "
                "ask for fewer tokens, or free memory",
                details={"context_tokens": capacity, "log": log_tail()},
            )
        self._capacity = capacity
        self._memory = self.api.llama_get_memory(self._context)

    def _free_context(self) -> None:
        if self._context:
            self.api.llama_free(self._context)
        self._context, self._capacity, self._prefix = None, 0, []

    def describe(self) -> dict[str, str | int]:
        """What a host must know: the context's size in tokens, and what a fingerprint says about how it computes."""
        return {
            "context_tokens": self.context_tokens,
            "runtime": runtime_version(),
            "chat": self.format.name,
            "attention": "plain" if self.batch_size > 1 else "flash",
        }

    def close(self) -> None:
        """Free the model; twice is fine."""
        self._free_context()
        if self._model:
            self.api.llama_batch_free(self._batch)
            self.api.llama_model_free(self._model)
        self._model = None

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes as content."""
        return len(self._vocab.encode(text)) if text else 0

    def tokens_of(self, messages: chat.Messages) -> tuple[list[int], int]:
        """The tokens that the model reads of chat messages, and how many of them are the fixed prefix."""
        tokens, fixed = chat.tokenize(
            self.format.render(messages), lambda text: self._vocab.special_id(text) or 0, self._vocab.encode
        )
        if self.format.bos is None and self._vocab.adds_bos:
            tokens, fixed = [self._vocab.bos, *tokens], fixed + 1
        return tokens, fixed

    def logits(self, tokens: Sequence[int], *, adapter: Path | None = None) -> NDArray[np.float32]:
        """What the model makes of `tokens`: (tokens, vocabulary); row n holds the logits of what follows ``tokens[n]``.

        For measuring. A kept prefix is forgotten.

        Args:
            tokens: at most `context_tokens`.
            adapter: a LoRA as GGUF to put on top, for this call.

        Raises:
            UsageError: there are too many tokens, a stream is still open, or the adapter is not for this model.
        """
        import numpy as np

        if self._busy or not 0 < len(tokens) <= self.context_tokens:
            raise UsageError(
                f"{len(tokens)} tokens{' while a stream is open' if self._busy else ''}: expected 1 to "
                f"{self.context_tokens}, and no open stream"
            )
        self._make_room(len(tokens) + 1)
        if adapter is not None:
            self._put_on(adapter)
        width = self._vocab.size
        rows = np.empty((len(tokens), width), dtype=np.float32)
        try:
            for start in range(0, len(tokens), _DECODE):
                part = tokens[start : start + _DECODE]
                self._decode([(token, start + n, 1, True) for n, token in enumerate(part)])
                for n in range(len(part)):
                    found = self.api.llama_get_logits_ith(self._context, n)
                    rows[start + n] = np.ctypeslib.as_array(found, (width,))
        finally:
            self._free_context()  # the adapter with it
        return rows

    def _put_on(self, adapter: Path) -> None:
        lora = self.api.llama_adapter_lora_init(self._model, os.fsencode(adapter))
        if not lora:
            raise UsageError(f"{adapter.name} is no LoRA for {self._name}", details={"log": log_tail()})
        status = self.api.llama_set_adapters_lora(self._context, (type(lora) * 1)(lora), 1, (ctypes.c_float * 1)(1.0))
        if status != 0:
            raise GenerationError(f"llama.cpp cannot use the LoRA {adapter.name} (status {status})")

    def stream(
        self, prompts: Sequence[chat.Messages], options: GenerationOptions, check: Callable[[], None]
    ) -> Iterator[list[Chunk]]:
        """Write an answer to each prompt; yields the chunks of one step of all active sequences at a time.

        Args:
            prompts: chat messages.
            options: see `GenerationOptions`; `cancel` is `check`'s business.
            check: called before every step; whatever it raises ends the work.

        Raises:
            UsageError: a prompt does not fit, or another stream of this model is still open.
            GenerationError: llama.cpp failed.
        """
        if self._busy:
            raise UsageError("another stream of this model is still open: read it to its end or close it first")
        waiting: deque[_Sequence] = deque()
        for index, messages in enumerate(prompts):
            tokens, fixed = self.tokens_of(messages)
            check_fits(len(tokens), options, self.context_tokens)
            waiting.append(_Sequence(index, tokens, fixed, answer=Answer((*options.stop, *self.format.stop))))
        self._make_room(max((len(s.tokens) + options.max_tokens for s in waiting), default=1))
        self._busy = True
        active: list[_Sequence] = []
        try:
            while waiting or active:
                free = waiting and len(active) < self._lanes
                begun = [self._begin(waiting.popleft(), active, options, check)] if free else []
                check()
                if not begun:
                    self._step(active)
                fresh = begun or active
                yield [self._take(s, row, options) for row, s in enumerate(list(fresh))]
                for done in [s for s in active if s.sampler is None]:
                    active.remove(done)
        finally:
            for sequence in active:
                self._free(sequence)
            self._busy = False

    def _begin(
        self, sequence: _Sequence, active: list[_Sequence], options: GenerationOptions, check: Callable[[], None]
    ) -> _Sequence:
        """Read a prompt. Each is read by itself, so that its numbers do not depend on who else is in the batch."""
        sequence.seq = min(set(range(1, self._lanes + 1)) - {s.seq for s in active})
        sequence.sampler = sampler_chain(self.api, options, self._vocab.size)
        sequence.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        active.append(sequence)
        prefix = sequence.tokens[: sequence.fixed]
        if prefix and prefix == self._prefix:
            sequence.reused = len(prefix)
        else:
            self._prefix = []
            self.api.llama_memory_seq_rm(self._memory, _PREFIX, -1, -1)
            self._read(prefix, 0, _PREFIX, check)
            self._prefix = prefix
        if prefix:
            self.api.llama_memory_seq_cp(self._memory, _PREFIX, sequence.seq, -1, -1)
        self._read(sequence.tokens[sequence.fixed :], sequence.fixed, sequence.seq, check)
        sequence.position = len(sequence.tokens)
        return sequence

    def _read(self, tokens: list[int], start: int, seq: int, check: Callable[[], None]) -> None:
        for at in range(0, len(tokens), _DECODE):
            check()
            part = tokens[at : at + _DECODE]
            last = at + len(part) == len(tokens)
            self._decode([(t, start + at + n, seq, last and n == len(part) - 1) for n, t in enumerate(part)], check)

    def _step(self, active: list[_Sequence]) -> None:
        self._decode([(s.next_token, s.position, s.seq, True) for s in active])
        for sequence in active:
            sequence.position += 1

    def _decode(self, rows: list[tuple[int, int, int, bool]], check: Callable[[], None] = lambda: None) -> None:
        """Run the model on `(token, position, sequence, whether its logits are wanted)`."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for row, (token, position, seq, wanted) in enumerate(rows):
            batch.token[row] = token
            batch.pos[row] = position
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = seq
            batch.logits[row] = wanted
        self._wanted = [row for row, entry in enumerate(rows) if entry[3]]
        status = self.api.llama_decode(self._context, batch)
        if status == 2:
            check()
            raise CancelledError("generation was cancelled")
        if status != 0:
            raise GenerationError(
                f"llama.cpp could not run {len(rows)} tokens (status {status}): ask for a smaller context or batch",
                details={"status": status, "log": log_tail()},
            )

    def _take(self, sequence: _Sequence, row: int, options: GenerationOptions) -> Chunk:
        """Sample a sequence's next token from the last decode; its chunk."""
        output = self._wanted[row]
        token = self.api.llama_sampler_sample(sequence.sampler, self._context, output)
        if not math.isfinite(self.api.llama_get_logits_ith(self._context, output)[token]):
            raise GenerationError(
                "the model computes numbers that are not finite: its weights are damaged, or do not run here; "
                "`bump-edge models verify` compares them with what was added"
            )
        if token in self._ends or self._vocab.ends(token):
            return self._finish(sequence, "", 0, "stop")
        sequence.written += 1
        sequence.next_token = token
        text = sequence.answer.feed(sequence.decoder.decode(self._vocab.piece(token)))
        if sequence.answer.stopped:
            return self._finish(sequence, text, 1, "stop")
        if sequence.written >= options.max_tokens or sequence.answer.loops:
            return self._finish(sequence, text, 1, "length")
        return Chunk(index=sequence.index, text=text)

    def _finish(self, sequence: _Sequence, text: str, tokens: int, reason: FinishReason) -> Chunk:
        self._free(sequence)
        return Chunk(
            index=sequence.index,
            text=text + sequence.answer.end(),  # half a character in the decoder is left out
            tokens=tokens,
            finish=reason,
            prompt_tokens=len(sequence.tokens),
            reused_tokens=sequence.reused,
        )

    def _free(self, sequence: _Sequence) -> None:
        if sequence.sampler is not None and self._context:
            self.api.llama_sampler_free(sequence.sampler)
            self.api.llama_memory_seq_rm(self._memory, sequence.seq, -1, -1)
        sequence.sampler = None
