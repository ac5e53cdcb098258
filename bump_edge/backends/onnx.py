"""The `onnx` backend: a folder for onnxruntime-genai, in process. The only module that imports onnxruntime_genai.

Prompts are written one after the other. Batches were measured and do not pay on a CPU: with SmolLM2-135M at int4 and
prompts of 978 tokens on two cores, a profile took 3.5 s alone, 3.4 s in a batch of two, 3.7 s of four, 3.6 s of eight,
because reading the prompt takes most of it; and a batch cannot be rewound to the fixed prefix, which a single one can.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bump_edge.backends import chat
from bump_edge.backends.answer import Answer
from bump_edge.backends.base import Chunk, FinishReason, GenerationOptions, check_fits, check_interactions
from bump_edge.backends.onnx_folder import check_folder
from bump_edge.backends.sampler import Sampler
from bump_edge.errors import BackendUnavailableError, GenerationError, ModelCorruptError, UsageError
from bump_edge.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_READ = 256  # tokens a call while reading a prompt: between two calls the work can be stopped
_CELLS = 1024  # the state's size is a multiple of this, in tokens: one of 8192 takes half a second to make
NO_TELEMETRY = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "ORT_GENAI_TELEMETRY_DISABLED")
"""One switch; its name differs between versions."""
_PACKAGES = ("onnxruntime-genai", "onnxruntime-genai-cuda")


def load_library() -> Any:
    """Import onnxruntime_genai and switch its telemetry off.

    Raises:
        BackendUnavailableError: it is not installed, or its native library does not load.
    """
    # The official wheels (ONNX Runtime since 1.29, GenAI 0.18) upload usage data unless told before they load: what
    # they send when the environment is made has gone by the time that `disable_telemetry_events` can be called.
    os.environ.update(dict.fromkeys(NO_TELEMETRY, "1"))
    try:
        import onnxruntime_genai as library
    except (ImportError, OSError) as error:
        raise BackendUnavailableError(
            f"the onnx backend needs onnxruntime-genai, which does not load ({error}): pip install onnxruntime-genai",
            details={"package": "onnxruntime-genai"},
        ) from error
    library.disable_telemetry_events()
    return library


def runtime_version() -> str:
    """``onnxruntime-genai 0.18.0``."""
    for package in _PACKAGES:
        try:
            return f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            continue
    return "onnxruntime-genai"


class OnnxBackend:
    """Writes with a model folder through onnxruntime-genai.

    Args:
        path: the folder.
        model: the name that profiles record; the folder's unless given.
        sha256: hashes by file name, where they are known; else `fingerprint` reads the files once.
        context_tokens: of a prompt and its answer together; None takes the smaller of the model's own and 8192.
        max_interactions: that a prompt may show, see `Backend.max_interactions`; ≥ 1.
        threads: None leaves it to ONNX Runtime, which takes the physical cores.
        provider: ``cpu``, or ``cuda`` where onnxruntime-genai-cuda is installed.

    Raises:
        ModelNotFoundError: there is no such folder.
        ModelCorruptError: a part of it is missing or damaged.
        BackendUnavailableError: onnxruntime-genai does not run here, or not with this provider.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        model: str | None = None,
        sha256: Mapping[str, str] | None = None,
        context_tokens: int | None = None,
        max_interactions: int | None = None,
        threads: int | None = None,
        provider: str = "cpu",
    ) -> None:
        if provider not in ("cpu", "cuda"):
            raise UsageError(f"provider is {provider!r}: expected 'cpu' or 'cuda'", details={"option": "provider"})
        self.folder = folder = check_folder(Path(path))
        if context_tokens is not None and not 64 <= context_tokens <= folder.context_tokens:
            raise UsageError(f"context_tokens is {context_tokens}: expected 64 to {folder.context_tokens}")
        self._model = model or folder.path.resolve().name.lower()
        self._sha256 = dict(sha256 or {})
        self._context_tokens = context_tokens or min(folder.context_tokens, 8192)
        self._max_interactions = check_interactions(max_interactions)
        self._provider = provider
        self._api = api = load_library()
        if provider == "cuda" and not api.is_cuda_available():
            raise BackendUnavailableError(
                'provider is "cuda", and this onnxruntime-genai was built without: pip install "bump-edge[gpu]" in an '
                "environment of its own",
                details={"provider": provider},
            )
        try:
            config = api.Config(str(folder.path))
            config.clear_providers()
            if provider == "cuda":
                config.append_provider("cuda")
            if threads is not None:
                session = {"intra_op_num_threads": threads}
                config.overlay(orjson.dumps({"model": {"decoder": {"session_options": session}}}).decode())
            self._native = api.Model(config)
            self._tokenizer = api.Tokenizer(self._native)
        except RuntimeError as error:
            raise ModelCorruptError(
                f"onnxruntime-genai cannot load {folder.path.name}: {error}. Build the folder with this version, or "
                "copy it again",
                details={"folder": folder.path.name, "reason": str(error)},
            ) from error
        self._inner = re.compile(
            "|".join(re.escape(s) for s in sorted(folder.special, key=len, reverse=True)) or "(?!)"
        )
        probe = list(self._tokenizer.encode("a"))
        self._adds_bos = len(probe) > 1 and probe[0] == self._tokenizer.bos_token_id
        self.format = chat.choose(lambda text: text in folder.special and self._special_id(text) >= 0)
        self._ends = folder.ends | {self._special_id(e) for e in self.format.end}
        self._generator: Any = None
        self._capacity = 0
        self._prefix: list[int] = []
        self._busy = False
        self._closed = False

    @property
    def name(self) -> str:
        """``onnx``."""
        return "onnx"

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt and its answer may have together."""
        return self._context_tokens

    @property
    def max_interactions(self) -> int | None:
        """As it was given."""
        return self._max_interactions

    @property
    def batch_size(self) -> int:
        """1: see the module's text."""
        return 1

    def fingerprint(self) -> Mapping[str, str]:
        """A hash over the files' hashes, the chat format, the provider and the version of the runtime."""
        whole = hashlib.sha256()
        for name in sorted(self.folder.files):
            if name not in self._sha256:
                with (self.folder.path / name).open("rb") as file:
                    self._sha256[name] = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{name} {self._sha256[name]}\n".encode())
        return {
            "sha256": whole.hexdigest(),
            "chat": self.format.name,
            "provider": self._provider,
            "runtime": runtime_version(),
        }

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes."""
        self._check_open()
        return len(self._encode(text)) if text else 0

    def tokens_of(self, messages: chat.Messages) -> tuple[list[int], int]:
        """The tokens that the model reads of chat messages, and how many of them are the fixed prefix."""
        self._check_open()
        tokens, fixed = chat.tokenize(self.format.render(messages), self._special_id, self._encode)
        if self.format.bos is None and self._adds_bos:
            tokens, fixed = [self._tokenizer.bos_token_id, *tokens], fixed + 1
        return tokens, fixed

    def logits(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """What the model makes of `tokens`, read one after the other as when it writes: (tokens, vocabulary).

        Row n holds the logits of what follows ``tokens[n]``. For measuring; a kept prefix is forgotten.

        Raises:
            GenerationError: the backend is closed, or ONNX Runtime failed.
            UsageError: there are more tokens than `context_tokens`, or another stream is still open.
        """
        import numpy as np

        self._check_open()
        if self._busy:
            raise UsageError("a stream of this backend is still open: read it to its end or close it first")
        if len(tokens) > self._context_tokens:
            raise UsageError(f"{len(tokens)} tokens: the model's context takes {self._context_tokens}")
        try:
            self._make_room(len(tokens) + 1)
            self._prefix = []
            self._generator.rewind_to(0)
            rows = []
            for token in tokens:
                self._append([token])
                rows.append(np.array(self._generator.get_logits()[0, -1], dtype=np.float32))
        except RuntimeError as error:
            self._generator, self._capacity = None, 0
            raise GenerationError(f"ONNX Runtime failed: {error}; verify the model's files") from error
        return np.stack(rows)

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        """Write an answer to each prompt, one after the other; see `Backend.stream`.

        Raises:
            GenerationError: the backend is closed, or ONNX Runtime failed.
            UsageError: a prompt and `max_tokens` do not fit `context_tokens`; or another stream is still open.
            CancelledError: `options.cancel` was set.
        """
        self._check_open()
        tokenized = [self.tokens_of(chat.messages_of(p)) for p in prompts]
        for tokens, _ in tokenized:
            check_fits(len(tokens), options, self._context_tokens)
        return self._stream(tokenized, options)

    def _stream(self, tokenized: list[tuple[list[int], int]], options: GenerationOptions) -> Iterator[Chunk]:
        if self._busy:
            raise UsageError("another stream of this backend is still open: read it to its end or close it first")
        self._busy = True
        try:
            self._make_room(max((len(tokens) + options.max_tokens for tokens, _ in tokenized), default=1))
            for index, (tokens, fixed) in enumerate(tokenized):
                yield from self._write(index, tokens, fixed, options)
        except RuntimeError as error:
            self._generator, self._capacity = None, 0
            raise GenerationError(
                f"ONNX Runtime failed: {error}; if it happens again, verify the model's files or take another model"
            ) from error
        finally:
            self._busy = False

    def _write(self, index: int, tokens: list[int], fixed: int, options: GenerationOptions) -> Iterator[Chunk]:
        reused = self._read(tokens, fixed, options)
        answer = Answer((*options.stop, *self.format.stop))
        sampler = Sampler(options)
        written: list[int] = []
        shown = _Decoder(self._tokenizer)
        while True:
            options.check_cancelled()
            token = sampler.pick(self._generator.get_logits()[0, -1])
            finish: FinishReason | None = None
            text = ""
            if token in self._ends:
                finish = "stop"
            else:
                written.append(token)
                text = answer.feed(shown.feed(token))
                full = len(written) >= options.max_tokens or answer.loops
                finish = "stop" if answer.stopped else "length" if full else None
            if finish is not None:
                yield Chunk(
                    index=index,
                    text=text + answer.end(),
                    tokens=0 if token in self._ends else 1,
                    finish=finish,
                    prompt_tokens=len(tokens),
                    reused_tokens=reused,
                )
                return
            yield Chunk(index=index, text=text)
            self._append([token])

    def _read(self, tokens: list[int], fixed: int, options: GenerationOptions) -> int:
        """Bring the generator to the end of the prompt; how many tokens of a kept prefix it did not read again."""
        prefix = tokens[:fixed]
        reused = fixed if prefix and prefix == self._prefix else 0
        self._generator.rewind_to(reused)
        if not reused:
            self._prefix = []
            self._append(prefix, options)
            self._prefix = prefix
        self._append(tokens[fixed:], options)
        return reused

    def _append(self, tokens: list[int], options: GenerationOptions | None = None) -> None:
        import numpy as np

        for at in range(0, len(tokens), _READ):
            if options is not None:
                options.check_cancelled()
            self._generator.append_tokens(np.array(tokens[at : at + _READ], dtype=np.int32))

    def _make_room(self, needed: int) -> None:
        if needed <= self._capacity:
            return
        self._generator, self._prefix = None, []
        capacity = min(-(-needed // _CELLS) * _CELLS, self.folder.context_tokens)
        params = self._api.GeneratorParams(self._native)
        # the model's own sampling defaults do not count: tokens are picked by `Sampler`
        params.set_search_options(max_length=capacity, batch_size=1, num_beams=1, do_sample=False)
        self._generator = self._api.Generator(self._native, params)
        self._capacity = capacity

    def _special_id(self, text: str) -> int:
        return int(self._tokenizer.to_token_id(text))

    def _encode(self, text: str) -> list[int]:
        """The tokens of a text as content.

        The tokenizer cannot be told to leave special tokens alone: a text that spells one is cut inside it.
        """
        cuts = [0, *(found.start() + 1 for found in self._inner.finditer(text) if len(found.group()) > 1), len(text)]
        tokens: list[int] = []
        for start, end in pairwise(cuts):
            if start < end:
                ids: NDArray[np.int32] = self._tokenizer.encode(text[start:end])
                tokens += ids.tolist()[1:] if self._adds_bos else ids.tolist()
        return tokens

    def _check_open(self) -> None:
        if self._closed:
            raise GenerationError(f"the onnx backend of {self._model!r} is closed: open it again")

    def close(self) -> None:
        """Free the model; twice is fine."""
        self._closed = True
        self._generator = self._tokenizer = self._native = None


class _Decoder:
    """Tokens to text, a token at a time, never half a character."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._before = ""

    def feed(self, token: int) -> str:
        import numpy as np

        self._tokens.append(token)
        text: str = self._tokenizer.decode(np.array(self._tokens, dtype=np.int32))
        # A character takes up to four bytes, each of which may be a token; five that make none are nonsense.
        if text.endswith("�") and len(self._tokens) < 6:
            return ""
        new = text[len(self._before) :]
        # The last token stays as context: alone, a tokenizer may drop the space before a word.
        self._tokens = self._tokens[-1:]
        self._before = self._tokenizer.decode(np.array(self._tokens, dtype=np.int32))
        return new
