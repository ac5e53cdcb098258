"""The host's side of a process that runs a model: starts it, talks to it, and says what became of it.

A crash in native code ends that process and nothing else. No sockets, and not `multiprocessing`: a script without a
``__main__`` guard can use it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from queue import SimpleQueue
from typing import IO, cast

from bump_edge.backends.wire import Message, Writer, receive
from bump_edge.errors import BackendUnavailableError


def command(*arguments: str) -> list[str]:
    """The command that runs the worker.

    Raises:
        BackendUnavailableError: there is no Python interpreter to run it with.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        raise BackendUnavailableError(
            "this program is frozen and has no Python interpreter to start a model's process with: open the model in "
            "process, with isolate=False"
        )
    # -P: a module in the current directory must not stand in for one of ours
    return [sys.executable, "-P", "-m", "bump_edge.backends.worker", *arguments]


def environment() -> dict[str, str]:
    """The environment of the worker: the host's, and where the host finds its modules."""
    root = str(Path(__file__).parents[2])
    paths = [p for p in sys.path if p]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(paths if root in paths else [*paths, root])}


class Child:
    """A running worker.

    Each job has a number and a queue of its own, into which a thread puts the frames that belong to it; None there
    means that the process has ended.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            # out of the terminal's foreground group: Ctrl-C reaches the host only
            process_group=0 if os.name == "posix" else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._writer = Writer(cast("IO[bytes]", self._process.stdin))
        self._log: deque[bytes] = deque(maxlen=40)
        self._queues: dict[int, SimpleQueue[Message | None]] = {}
        self._lock = threading.Lock()
        self._last_job = 0
        self._ended = False
        self._threads = [
            threading.Thread(target=self._listen, name="bump-edge-model", daemon=True),
            threading.Thread(target=self._drain, name="bump-edge-model-log", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can take requests."""
        return not self._ended and self._process.poll() is None

    def request(self, message: Message, *, job: int | None = None) -> tuple[int, SimpleQueue[Message | None]]:
        """Send a request; its number, and the queue that its answers will come to."""
        queue: SimpleQueue[Message | None] = SimpleQueue()
        with self._lock:
            if job is None:
                self._last_job += 1
                job = self._last_job
            self._queues[job] = queue
            ended = self._ended
        if ended:
            queue.put(None)
            return job, queue
        with contextlib.suppress(OSError):  # it has died: its queue will say so
            self._writer.send({**message, "id": job})
        return job, queue

    def forget(self, job: int, *, cancel: bool) -> None:
        """No longer listen to a job; with `cancel`, stop it."""
        with self._lock:
            self._queues.pop(job, None)
        if cancel and self.alive:
            with contextlib.suppress(OSError):
                self._writer.send({"op": "cancel", "id": job})

    def cause(self) -> tuple[str, str | None, list[str]]:
        """What ended it, in words; the signal's name, if it was one; the last lines that it wrote on stderr."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self._threads[1].join(timeout=2)
        log = [line.decode("utf-8", "replace").rstrip() for line in self._log]
        code = self._process.returncode
        if code is None:
            return "stopped answering", None, log
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return f"died of {name}", name, log
        return f"ended with exit code {code}", None, log

    def close(self) -> None:
        """End it, at once if it does not end by itself within two seconds."""
        with contextlib.suppress(OSError):
            cast("IO[bytes]", self._process.stdin).close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(timeout=2)
        for stream in (self._process.stdout, self._process.stderr):
            cast("IO[bytes]", stream).close()

    def _listen(self) -> None:
        stream = cast("IO[bytes]", self._process.stdout)
        with contextlib.suppress(ValueError, OSError):  # closed under us; or no frame
            while (message := receive(stream)) is not None:
                with self._lock:
                    queue = self._queues.get(message["id"])
                if queue is not None:
                    queue.put(message)
        with self._lock:
            self._ended = True
            queues = list(self._queues.values())
        for queue in queues:
            queue.put(None)

    def _drain(self) -> None:
        stream = cast("IO[bytes]", self._process.stderr)
        with contextlib.suppress(ValueError, OSError):
            for line in iter(lambda: stream.readline(4096), b""):
                if line.strip(b". \r\n"):
                    self._log.append(line)
