"""llama.cpp's library: loading it, its version, its log. The only module that imports llama_cpp."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from importlib import metadata
from typing import Any

from bump_edge.backends.base import GenerationOptions
from bump_edge.errors import BackendUnavailableError

_LOGGED = deque[str](maxlen=30)
_WARNING_OR_ERROR = (3, 4)  # of ggml.h; the numbers in the comments of llama_cpp are old
_keep_alive: list[Any] = []  # callbacks that llama.cpp holds


def usable_cores() -> int:
    """How many cores this process may use, at most 8: beyond, memory is what a small model waits for."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, min(8, len(affinity(0)) if affinity else os.cpu_count() or 1))


def load_library() -> Any:
    """Import llama_cpp.

    Raises:
        BackendUnavailableError: it is not installed, or its native library does not load.
    """
    # OpenMP's threads spin while they wait for each other, which starves them on a busy machine: with both of two cores
    # taken, 1000 rounds of spinning write 11 tokens/s where the default writes 2; on a free machine both write 135.
    # OpenMP reads this once, when it is loaded.
    spinning = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if not spinning:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        import llama_cpp.llama_cpp as library
    except ImportError as error:
        raise BackendUnavailableError(
            f'the gguf backend needs llama-cpp-python ({error}): pip install "bump-edge[gguf]"',
            details={"package": "llama-cpp-python"},
        ) from error
    except (OSError, RuntimeError) as error:
        raise BackendUnavailableError(
            f"llama-cpp-python is installed, but its library does not load ({error}): build it anew with "
            "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python",
            details={"package": "llama-cpp-python"},
        ) from error
    finally:
        if not spinning:
            os.environ.pop("GOMP_SPINCOUNT", None)
    return library


def runtime_version() -> str:
    """``llama-cpp-python 0.3.36``."""
    return f"llama-cpp-python {metadata.version('llama-cpp-python')}"


def silence(library: Any, *, to_stderr: bool) -> None:
    """Keep llama.cpp off the terminal: its warnings go to `log_tail`, or to stderr where that is the host's pipe."""

    def log(level: int, text: bytes, _data: object) -> None:
        if level not in _WARNING_OR_ERROR:
            return
        if to_stderr:
            os.write(2, text)
        else:
            _LOGGED.append(text.decode("utf-8", "replace"))

    callback = library.llama_log_callback(log)
    _keep_alive.append(callback)
    library.llama_log_set(callback, None)


def log_tail() -> list[str]:
    """The last lines that llama.cpp logged in this process."""
    return [line for line in "".join(_LOGGED).splitlines() if line.strip()][-12:]


def abort_callback(library: Any) -> Any:
    """A callback that stops llama.cpp as long as its data, a C string, reads as a number other than 0.

    llama.cpp asks before every operation whether to go on, thousands of times a second: C's own atoi answers, without
    Python and its lock.
    """
    c = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    callback = ctypes.cast(c.atoi, library.ggml_abort_callback)
    _keep_alive.append(callback)
    return callback


def sampler_chain(library: Any, options: GenerationOptions, vocabulary: int) -> Any:
    """A sampler of llama.cpp for one sequence; free it with ``llama_sampler_free``.

    Args:
        library: the loaded library.
        options: see `GenerationOptions`.
        vocabulary: how many tokens the model has.
    """
    chain = library.llama_sampler_chain_init(library.llama_sampler_chain_default_params())
    parts = []
    if options.repetition_penalty != 1:
        # a window longer than any answer: every token that was written counts
        parts.append(
            library.llama_sampler_init_penalties(vocabulary, options.max_tokens, options.repetition_penalty, 0.0, 0.0)
        )
    if options.temperature == 0:
        parts.append(library.llama_sampler_init_greedy())
    else:
        # the order of transformers, so that training and the device sample alike
        parts.append(library.llama_sampler_init_temp(options.temperature))
        if options.top_k:
            parts.append(library.llama_sampler_init_top_k(options.top_k))
        if options.top_p < 1:
            parts.append(library.llama_sampler_init_top_p(options.top_p, 1))
        parts.append(library.llama_sampler_init_dist(options.seed))
    for part in parts:
        library.llama_sampler_chain_add(chain, part)
    return chain
