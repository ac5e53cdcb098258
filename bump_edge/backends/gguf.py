"""The `gguf` backend: llama.cpp, by default in a process of its own.

A model file is a stranger's data for native code. In a process of its own, a crash becomes an error of the host, which
lives on and may try again with a fresh process.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

from bump_edge.backends.base import Chunk, GenerationOptions, check_interactions
from bump_edge.backends.chat import messages_of
from bump_edge.backends.child import Child
from bump_edge.backends.gguf_file import read_header
from bump_edge.backends.wire import Message, pack_options, unpack_chunk, unpack_error
from bump_edge.errors import (
    BackendCrashedError,
    BackendUnavailableError,
    GenerationError,
    ModelCorruptError,
    UsageError,
)
from bump_edge.prompts import Prompt

_POLL_S = 0.02  # how often a waiting host looks at the cancel event


class GgufBackend:
    """Writes with a GGUF model through llama-cpp-python.

    Args:
        path: the ``.gguf`` file.
        model: the name that profiles record; the file's, without its ending, unless given.
        sha256: the file's hash, if it is known; else `fingerprint` reads the file once.
        context_tokens: of a prompt and its answer together; None takes the smaller of the model's own and 8192.
        max_interactions: that a prompt may show, see `Backend.max_interactions`; ≥ 1.
        batch_size: how many answers are written side by side, 1 to 64. With 1, flash attention makes a token 9 %
            faster; with more, an answer is the same in any company.
        threads: None takes the cores that this process may use, at most 8.
        gpu_layers: layers to put on a GPU, where llama.cpp was built for one.
        isolate: run the model in a process of its own. False saves 30 MB and a start, and a crash of the model is
            then a crash of your program.
        load_timeout_s: how long loading may take.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelCorruptError: the file is damaged or no model that writes text.
        BackendUnavailableError: llama-cpp-python is not installed or does not run here.
        BackendCrashedError: the process that loaded it died.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        model: str | None = None,
        sha256: str | None = None,
        context_tokens: int | None = None,
        max_interactions: int | None = None,
        batch_size: int = 4,
        threads: int | None = None,
        gpu_layers: int = 0,
        isolate: bool = True,
        load_timeout_s: float = 600.0,
    ) -> None:
        if not 1 <= batch_size <= 64:
            raise UsageError(f"batch_size is {batch_size}: expected 1 to 64", details={"option": "batch_size"})
        self.path = Path(path)
        header = read_header(self.path)
        if context_tokens is not None:
            most = header.context_tokens or 1_000_000
            if not 64 <= context_tokens <= most:
                raise UsageError(
                    f"context_tokens is {context_tokens}: expected 64 to {most}, what the model was made for"
                )
        self._model = model or self.path.stem.lower()
        self._sha256 = sha256
        self._batch_size = batch_size
        self._load = {
            "path": str(self.path.resolve()),
            "context_tokens": context_tokens,
            "batch_size": batch_size,
            "threads": threads,
            "gpu_layers": gpu_layers,
        }
        self._max_interactions = check_interactions(max_interactions)
        self._load_timeout_s = load_timeout_s
        self._closed = False
        self._engine: _InProcess | _Isolated = (_Isolated if isolate else _InProcess)(self._load, load_timeout_s)

    @property
    def name(self) -> str:
        """``gguf``."""
        return "gguf"

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt and its answer may have together."""
        return int(self._engine.ready["context_tokens"])

    @property
    def max_interactions(self) -> int | None:
        """As it was given."""
        return self._max_interactions

    @property
    def batch_size(self) -> int:
        """How many answers are written side by side."""
        return self._batch_size

    @property
    def pid(self) -> int | None:
        """The id of the model's process; None in process, or when there is none just now."""
        return self._engine.pid

    def fingerprint(self) -> Mapping[str, str]:
        """The file's hash, the chat format, the kind of attention, and the version of the runtime."""
        if self._sha256 is None:
            with self.path.open("rb") as file:
                self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        ready = self._engine.ready
        return {"sha256": self._sha256} | {key: str(ready[key]) for key in ("chat", "attention", "runtime")}

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes."""
        self._check_open()
        return self._engine.count(text) if text else 0

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        """Write an answer to each prompt, up to `batch_size` of them side by side; see `Backend.stream`.

        Raises:
            GenerationError: the backend is closed, or llama.cpp failed.
            BackendCrashedError: the model's process died; the next call starts a new one.
            UsageError: a prompt and `max_tokens` do not fit `context_tokens`.
            CancelledError: `options.cancel` was set.
        """
        self._check_open()
        return self._engine.stream([messages_of(p) for p in prompts], options)

    def _check_open(self) -> None:
        if self._closed:
            raise GenerationError(f"the gguf backend of {self._model!r} is closed: open it again")

    def close(self) -> None:
        """Free the model and end its process; twice is fine."""
        self._closed = True
        self._engine.close()


class _InProcess:
    """The model in the host's own process."""

    pid = None

    def __init__(self, load: Mapping[str, Any], _timeout_s: float) -> None:
        from bump_edge.backends.llama import LlamaModel

        settings = {**load}
        self._model = LlamaModel(Path(settings.pop("path")), **settings)
        self.ready = self._model.describe()

    def count(self, text: str) -> int:
        return self._model.count_tokens(text)

    def stream(self, prompts: list[list[dict[str, str]]], options: GenerationOptions) -> Iterator[Chunk]:
        for chunks in self._model.stream(prompts, options, options.check_cancelled):
            yield from chunks

    def close(self) -> None:
        self._model.close()


class _Isolated:
    """The model in a process of its own, started anew after a crash. Safe for several threads at once."""

    def __init__(self, load: Mapping[str, Any], timeout_s: float) -> None:
        self._load = dict(load)
        self._file = Path(self._load["path"]).name
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._end: Callable[[], Any] = lambda: None
        self.ready: Message = {}
        self._running()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.alive else None

    def _running(self) -> Child:
        with self._lock:
            if self._child is not None and self._child.alive:
                return self._child
            self._end()
            child = Child()
            self._child = child
            # whoever forgets to close the backend leaves no process behind
            self._end = weakref.finalize(self, child.close)
            _, queue = child.request({"op": "load", **self._load}, job=0)
            try:
                answer = queue.get(timeout=self._timeout_s)
            except Empty:
                self._end()
                raise GenerationError(
                    f"{self._file} did not load within {self._timeout_s:g} s: allow more time, or take a smaller model"
                ) from None
            except BaseException:
                self._end()
                raise
            if answer is None:
                self._report_death(child, loading=True)
            if "error" in answer:
                error = unpack_error(answer["error"])
                error.details["log"] = child.cause()[2][-12:]
                self._end()
                raise error
            self.ready = answer["ready"]
            return child

    def count(self, text: str) -> int:
        child = self._running()
        job, queue = child.request({"op": "count", "text": text})
        answer = queue.get()
        child.forget(job, cancel=False)
        if answer is None:
            self._report_death(child)
        if "error" in answer:
            raise unpack_error(answer["error"])
        return int(answer["count"])

    def stream(self, prompts: list[list[dict[str, str]]], options: GenerationOptions) -> Iterator[Chunk]:
        options.check_cancelled()
        child = self._running()
        job, queue = child.request({"op": "generate", "prompts": prompts, "options": pack_options(options)})
        over = False
        try:
            while True:
                message = self._next(queue, options)
                if message is None:
                    over = True
                    self._report_death(child)
                if "error" in message:
                    over = True
                    raise unpack_error(message["error"])
                if "done" in message:
                    over = True
                    return
                for chunk in message["chunks"]:
                    options.check_cancelled()
                    yield unpack_chunk(chunk)
        finally:
            child.forget(job, cancel=not over)

    def _next(self, queue: SimpleQueue[Message | None], options: GenerationOptions) -> Message | None:
        while True:
            options.check_cancelled()
            try:
                return queue.get(timeout=_POLL_S if options.cancel is not None else 1.0)
            except Empty:
                continue

    def _report_death(self, child: Child, *, loading: bool = False) -> NoReturn:
        cause, name, log = child.cause()
        doing = "while it loaded" if loading else "while it ran"
        details = {"file": self._file, "signal": name, "log": log[-12:]}
        start = f"the process of the model {self._file} {cause} {doing}"
        child.close()
        if name == signal.Signals.SIGILL.name:
            raise BackendUnavailableError(
                f"{start}: llama-cpp-python was built for another processor; build it here with "
                "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python",
                details=details,
            )
        if name == "SIGKILL":
            raise BackendCrashedError(
                f"{start}: somebody ended it, or memory ran out; try again, with a smaller model or context",
                details=details,
            )
        if loading and name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE"):
            raise ModelCorruptError(
                f"{start}: its file is damaged, or this llama-cpp-python cannot run it here; compare its sha256 "
                "with its source's, or take another model",
                details=details,
            )
        raise BackendCrashedError(
            f"{start}: your program lives on, and the next call starts a new one; if it happens again, take another "
            "model or another version of llama-cpp-python",
            details=details,
        )

    def close(self) -> None:
        with self._lock:
            self._end()
            self._child = None
