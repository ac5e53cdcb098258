"""One device file, measured by itself: a process of its own for each, so that memory and speed are its alone.

    python -m export.measuring < spec.json

The specification is `Spec`; the last line of stdout is what was measured. `measure` starts such a process.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bump_edge.backends.base import GenerationOptions
from bump_edge.backends.chat import messages_of
from bump_edge.prompts import Prompt
from export.agreement import Agreement
from export.corpus import prompts_of
from export.processes import summary_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What to measure.

    Args:
        model: the path that the runtime opens: a folder of onnxruntime-genai, or a ``.gguf`` file.
        backend: ``onnx`` or ``gguf``.
        histories: a history file; a prompt a user.
        visible: interactions that a prompt shows.
        max_words, max_tokens: of a profile.
        threads: None for what the runtime takes by itself.
        write: how many profiles to write for the speed; 0 for none.
        source_logits: a folder of ``N.npy``, the checkpoint's logits of prompt N, with ``N.json``, its tokens; None to
            compare nothing.
    """

    model: str
    backend: str
    histories: str
    visible: int
    max_words: int
    max_tokens: int
    threads: int | None
    write: int = 0
    source_logits: str | None = None


def measure(spec: Spec) -> dict[str, Any]:
    """Measure in a new process; see `speed` and `compare` for what comes back.

    Raises:
        ModelError: the process failed; its last words are in the message.
    """
    return summary_of(f"measuring {Path(spec.model).name}", ["export.measuring"], given=asdict(spec))


def speed(backend: Any, prompts: Sequence[Prompt], max_tokens: int) -> dict[str, float | int | None]:
    """Write a profile to each prompt, one after the other, the first of them once before to warm up.

    Returns:
        `tokens_per_s` after the first token of each (None where no model wrote two), `first_token_ms`, the median time
        from asking to the first piece, the fixed prefix kept; `tokens`, `prompt_tokens`; `peak_rss_mib` of the process.
    """
    options = GenerationOptions(max_tokens=max_tokens)
    firsts, seconds, tokens, read = [], 0.0, 0, 0
    for number, prompt in enumerate([prompts[0], *prompts]):
        asked = time.perf_counter()
        first, written = None, 0
        for chunk in backend.stream([prompt], options):
            first = first or time.perf_counter()
            written += chunk.tokens
            length = chunk.prompt_tokens
        if not number:
            continue
        firsts.append((first or time.perf_counter()) - asked)
        if first is not None and written > 1:
            seconds += time.perf_counter() - first
            tokens += written - 1
        read += length
    return {
        "tokens_per_s": tokens / seconds if tokens else None,
        "first_token_ms": 1000 * median(firsts),
        "tokens": tokens,
        "prompt_tokens": read,
        "peak_rss_mib": peak_rss_mib(),
    }


def compare(model: Any, prompts: Sequence[Prompt], logits: Path) -> dict[str, Any]:
    """The figures of `export.agreement.Agreement` against the checkpoint's logits, and `same_tokens`.

    `same_tokens` is the share of prompts of which the device's own tokenizer makes the same tokens as the checkpoint's.
    """
    import numpy as np

    agreement, same = Agreement(), 0
    count = 0
    for number in itertools.count():
        path = logits / f"{number}.npy"
        if not path.exists():
            break
        count += 1
        tokens: list[int] = orjson.loads((logits / f"{number}.json").read_bytes())
        same += model.tokens_of(messages_of(prompts[number]))[0][: len(tokens)] == tokens
        source = np.load(path, mmap_mode="r")
        # a device may pad its vocabulary
        agreement.add(np.asarray(source), model.logits(tokens)[:, : source.shape[1]], tokens)
    return {**agreement.figures(), "same_tokens": same / count}


def peak_rss_mib() -> float:
    """The most memory that this process has held, in MiB."""
    try:
        # ru_maxrss of a new process begins with what its parent held
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _main() -> None:
    spec = Spec(**orjson.loads(sys.stdin.buffer.read()))
    prompts = prompts_of(Path(spec.histories), visible=spec.visible, max_words=spec.max_words)
    found: dict[str, Any] = {}
    if spec.write:
        from bump_edge.models import open_model
        from bump_edge.settings import load

        # in process: the same for both backends, and the memory counted is all of it
        more = {"isolate": False, "batch_size": 1} if spec.backend == "gguf" else {}
        backend = open_model(spec.model, load(), threads=spec.threads, **more)
        try:
            found |= speed(backend, prompts[: spec.write], spec.max_tokens)
        finally:
            backend.close()
    if spec.source_logits is not None:
        model: Any
        if spec.backend == "gguf":
            from bump_edge.backends.llama import LlamaModel

            model = LlamaModel(Path(spec.model), threads=spec.threads, batch_size=1)
        else:
            from bump_edge.backends.onnx import OnnxBackend

            model = OnnxBackend(spec.model, threads=spec.threads)
        try:
            found |= compare(model, prompts, Path(spec.source_logits))
        finally:
            model.close()
    print(orjson.dumps(found).decode(), flush=True)


if __name__ == "__main__":
    _main()
