"""What the host and the process that runs a model say to each other: JSON in frames, over pipes.

A frame is a length, four bytes big-endian, and that many bytes of JSON.
"""

from __future__ import annotations

import struct
import threading
from typing import IO, Any

import orjson

from bump_edge import errors
from bump_edge.backends.base import Chunk, GenerationOptions

_LENGTH = struct.Struct(">I")
_MAX_FRAME = 1 << 28

Message = dict[str, Any]


class Writer:
    """Sends frames from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send one frame.

        Raises:
            OSError: the other side has gone.
        """
        body = orjson.dumps(message)
        with self._lock:
            self._stream.write(_LENGTH.pack(len(body)) + body)
            self._stream.flush()


def receive(stream: IO[bytes]) -> Message | None:
    """The next frame; None once the other side has closed, or sent something that is no frame."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    if size > _MAX_FRAME:
        return None
    body = stream.read(size)
    if len(body) < size:
        return None
    message = orjson.loads(body)
    return message if isinstance(message, dict) else None


def pack_options(options: GenerationOptions) -> Message:
    """The options as JSON; `cancel` stays behind, cancelling is a frame of its own."""
    names = ("max_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed", "stop")
    return {name: getattr(options, name) for name in names}


def unpack_options(message: Message) -> GenerationOptions:
    """The reverse of `pack_options`."""
    return GenerationOptions(**{**message, "stop": tuple(message["stop"])})


def pack_chunk(chunk: Chunk) -> list[Any]:
    """A chunk as a JSON list."""
    return [chunk.index, chunk.text, chunk.tokens, chunk.finish, chunk.prompt_tokens, chunk.reused_tokens]


def unpack_chunk(values: list[Any]) -> Chunk:
    """The reverse of `pack_chunk`."""
    index, text, tokens, finish, prompt_tokens, reused_tokens = values
    return Chunk(
        index=index,
        text=text,
        tokens=tokens,
        finish=finish,
        prompt_tokens=prompt_tokens,
        reused_tokens=reused_tokens,
    )


def pack_error(error: Exception) -> Message:
    """An error as JSON; one that is not ours becomes a `GenerationError`."""
    if isinstance(error, errors.BumpEdgeError):
        return {"kind": type(error).__name__, "message": error.message, "details": error.details}
    return {"kind": "GenerationError", "message": f"{type(error).__name__}: {error}", "details": {}}


def unpack_error(message: Message) -> errors.BumpEdgeError:
    """The reverse of `pack_error`."""
    kind = getattr(errors, str(message["kind"]), errors.GenerationError)
    error: errors.BumpEdgeError = kind(message["message"], details=message["details"])
    return error
