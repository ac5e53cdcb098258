"""The process that runs a model for a host: ``python -m bump_edge.backends.worker``.

It reads frames from stdin (see `bump_edge.backends.wire`) and answers on stdout: one ``load``, then any number of
``generate``, ``count`` and ``cancel``. It ends when stdin closes, and so when its host dies, however that happens.
With ``--probe`` it loads the named runtime, prints its version and ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from bump_edge.backends.wire import Message, Writer, pack_chunk, pack_error, receive, unpack_options
from bump_edge.errors import CancelledError, UsageError

_SEND_EVERY_S = 0.05


class _Inbox:
    """Reads the host's frames on a thread of its own, so that a cancel is seen while the model runs."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._cancelled = 0  # jobs up to this number are to stop
        self._job = 0
        self.abort = ctypes.create_string_buffer(b"0", 2)  # llama.cpp reads it, see llama_library.abort_callback
        self.requests: SimpleQueue[Message] = SimpleQueue()

    def run(self) -> None:
        while (message := receive(self._stream)) is not None:
            if message["op"] == "cancel":
                with self._lock:
                    self._cancelled = max(self._cancelled, message["id"])
                    self._raise_flag()
            else:
                self.requests.put(message)
        os._exit(0)  # the host has gone, or wants no more: nothing here is worth a tidy end

    def begin(self, job: int) -> None:
        with self._lock:
            self._job = job
            self._raise_flag()

    def _raise_flag(self) -> None:
        self.abort.value = b"1" if self._job and self._job <= self._cancelled else b"0"

    def end(self) -> None:
        with self._lock:
            self._job = 0
            self._raise_flag()

    def check(self) -> None:
        if self.abort.value == b"1":
            raise CancelledError("generation was cancelled")


def _watch_parent() -> None:
    # A process that the host forked may keep our stdin open when the host has died: the parent's id tells.
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def main() -> None:
    """Serve the host until it closes stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's business
    # Frames go out on a copy of stdout; whatever native code prints there goes to stderr instead.
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    writer = Writer(outgoing)
    inbox = _Inbox(sys.stdin.buffer)
    threading.Thread(target=inbox.run, daemon=True).start()
    if os.name == "posix":
        threading.Thread(target=_watch_parent, daemon=True).start()
    try:
        _serve(inbox, writer)
    except OSError:
        os._exit(0)  # the host stopped listening


def _serve(inbox: _Inbox, writer: Writer) -> None:
    from bump_edge.backends.llama import LlamaModel

    load = inbox.requests.get()
    try:
        model = LlamaModel(
            Path(load["path"]),
            context_tokens=load["context_tokens"],
            batch_size=load["batch_size"],
            threads=load["threads"],
            gpu_layers=load["gpu_layers"],
            log_to_stderr=True,
            abort=ctypes.addressof(inbox.abort),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must hear of it
        writer.send({"id": 0, "error": pack_error(error)})
        return
    writer.send({"id": 0, "ready": model.describe()})
    while True:
        request = inbox.requests.get()
        job = request["id"]
        inbox.begin(job)
        try:
            if request["op"] == "count":
                writer.send({"id": job, "count": model.count_tokens(request["text"])})
            elif request["op"] == "generate":
                options = unpack_options(request["options"])
                unsent: list[Any] = []
                sent_at = 0.0
                for chunks in model.stream(request["prompts"], options, inbox.check):
                    unsent += map(pack_chunk, chunks)
                    # Whoever reads a frame takes a core from the model for a moment: a reader of text sees no
                    # difference between a token every 10 ms and five every 50.
                    if (now := time.monotonic()) - sent_at >= _SEND_EVERY_S:
                        writer.send({"id": job, "chunks": unsent})
                        unsent, sent_at = [], now
                writer.send({"id": job, "chunks": unsent})
                writer.send({"id": job, "done": True})
            else:
                raise UsageError(f"unknown request {request['op']!r}")
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the host decides what an error means
            writer.send({"id": job, "error": pack_error(error)})
        finally:
            inbox.end()


def _probe(backend: str) -> None:
    if backend == "gguf":
        from bump_edge.backends.llama_library import load_library, runtime_version, silence

        library = load_library()
        silence(library, to_stderr=True)
        library.llama_backend_init()
        print(runtime_version())
    else:
        from bump_edge.backends import onnx as genai

        genai.load_library()
        print(genai.runtime_version())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        from bump_edge.errors import BackendUnavailableError

        try:
            _probe(sys.argv[2])
        except BackendUnavailableError as unavailable:
            print(unavailable.message, file=sys.stderr)
            sys.exit(unavailable.exit_code)
    else:
        main()
