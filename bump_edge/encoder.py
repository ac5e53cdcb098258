"""A sentence encoder on the device: texts → vectors, by ONNX Runtime. The only module that imports it, and tokenizers.

It is what `Profiler(embedder=…)`, `block` and `forget` take to recognise a topic in other words. The folder is what
``python -m export encoder`` writes, at a path or added by ``bump-edge models add``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bump_edge.backends.onnx import NO_TELEMETRY
from bump_edge.errors import BackendUnavailableError, GenerationError, ModelCorruptError, ModelError, UsageError
from bump_edge.models.encoder_folder import MODEL, TOKENIZER, check_encoder
from bump_edge.models.manifest import ModelManifest, check_hashes, check_sizes, read_manifest
from bump_edge.models.registry import resolve
from bump_edge.settings import Settings, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_BATCH = 32  # texts at once, at most
_CELLS = 4096  # tokens at once, at most, what fills a batch up included


class OnnxEncoder:
    """Texts → one vector each. An `Embedder`: call it.

    The model is loaded when the first text comes, and its files are hashed then; whether they are there is seen at
    once. Several threads may call it. Texts of like length are run together; a text is read up to `max_tokens`, and
    what follows is left out of its vector.

    Args:
        folder: what ``python -m export encoder`` wrote.
        name: what it is called; by default what its manifest says, or the folder.
        provider: ``cpu``, or ``cuda`` where onnxruntime-gpu is installed.
        threads: None leaves it to ONNX Runtime, which takes the physical cores.

    Raises:
        ModelNotFoundError: there is no such folder.
        ModelCorruptError: a part of it is missing, cut off, or not what it should be.
    """

    def __init__(
        self, folder: Path | str, *, name: str | None = None, provider: str = "cpu", threads: int | None = None
    ) -> None:
        if provider not in _PROVIDERS:
            raise UsageError(f"provider is {provider!r}: expected 'cpu' or 'cuda'", details={"option": "provider"})
        self.folder = check_encoder(Path(folder))
        self._manifest = read_manifest(self.folder.path)
        if self._manifest is not None:
            check_sizes(self.folder.path, self._manifest)
        self.name = name or (self._manifest.name if self._manifest else self.folder.path.resolve().name)
        self._provider = provider
        self._threads = threads
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any] | None = None
        self._closed = False

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return self.folder.dimensions

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read, the encoder's own marks included."""
        return self.folder.max_tokens

    @property
    def manifest(self) -> ModelManifest | None:
        """What the export said about it; None in a folder without a manifest."""
        return self._manifest

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in their order: (texts, `dimensions`), of length 1 where the encoder is so made.

        Raises:
            BackendUnavailableError: onnxruntime or tokenizers is not installed, or the provider does not run here.
            ModelCorruptError: a file is not what the manifest says, or cannot be loaded.
            GenerationError: the encoder is closed, or ONNX Runtime failed.
            UsageError: `texts` is one string.
        """
        if isinstance(texts, str):
            raise UsageError("an encoder got one text: expected a list of texts")
        if not texts:
            return []
        import numpy as np

        session, tokenizer = self._open()
        folder = self.folder
        rows = []
        for text in texts:
            encoded = tokenizer.encode(folder.prefix + (text.lower() if folder.lower_case else text))
            rows.append((encoded.ids, encoded.type_ids))
        out = np.empty((len(rows), folder.dimensions), dtype=np.float32)
        for batch in self._batches([len(ids) for ids, _ in rows]):
            out[batch] = self._run(session, [rows[n] for n in batch])
        if not np.isfinite(out).all():
            raise GenerationError(f"the encoder {self.name!r} gave numbers that are none: export it again")
        vectors: list[list[float]] = out.tolist()
        return vectors

    def fingerprint(self) -> Mapping[str, Any]:
        """What decides its vectors: its name and the hashes of its files, as JSON-ready values."""
        files = {} if self._manifest is None else {f.name: f.sha256 for f in self._manifest.files}
        return {"name": self.name, "sha256": files}

    def close(self) -> None:
        """Free the model; twice is fine."""
        self._closed = True
        self._opened = None

    def __enter__(self) -> OnnxEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> tuple[Any, Any]:
        with self._lock:
            if self._closed:
                raise GenerationError(f"the encoder {self.name!r} is closed: open it again")
            if self._opened is None:
                if self._manifest is not None:
                    check_hashes(self.folder.path, self._manifest)
                self._opened = (self._session(), self._tokenizer())
            return self._opened

    def _session(self) -> Any:
        # Before it loads: see `bump_edge.backends.onnx.load_library`.
        os.environ.update(dict.fromkeys(NO_TELEMETRY, "1"))
        try:
            import onnxruntime as library
        except (ImportError, OSError) as error:
            raise BackendUnavailableError(
                f"a sentence encoder needs onnxruntime, which does not load ({error}): pip install onnxruntime",
                details={"package": "onnxruntime"},
            ) from error
        library.disable_telemetry_events()
        wanted = _PROVIDERS[self._provider]
        if self._provider == "cuda" and hasattr(library, "preload_dlls"):
            library.preload_dlls()  # CUDA's libraries out of NVIDIA's wheels, where they are installed
        if wanted not in library.get_available_providers():
            raise self._no_cuda("this onnxruntime was built without")
        options = library.SessionOptions()
        options.log_severity_level = 3
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        try:
            session = library.InferenceSession(str(self.folder.path / MODEL), options, providers=[wanted])
        except Exception as error:  # its exceptions have no parent of their own
            raise ModelCorruptError(
                f"ONNX Runtime cannot load {MODEL} of the encoder {self.name!r}: {error}. Export it again",
                details={"model": self.name, "reason": str(error)},
            ) from error
        if wanted not in session.get_providers():  # it falls back to the CPU without a word
            raise self._no_cuda("CUDA did not start")
        return session

    def _no_cuda(self, why: str) -> BackendUnavailableError:
        return BackendUnavailableError(
            f'provider is "cuda", and {why}: pip install "bump-edge[encoder,gpu]" in an environment of its own, on a '
            'machine with an NVIDIA GPU, or take "cpu"',
            details={"provider": self._provider},
        )

    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise BackendUnavailableError(
                'a sentence encoder needs tokenizers, which is not installed: pip install "bump-edge[encoder]"',
                details={"package": "tokenizers"},
            ) from error
        try:
            tokenizer = Tokenizer.from_file(str(self.folder.path / TOKENIZER))
        except Exception as error:  # Rust's errors come as the bare class
            raise ModelCorruptError(
                f"{TOKENIZER} of the encoder {self.name!r} cannot be loaded: {error}. Export it again",
                details={"model": self.name, "reason": str(error)},
            ) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=self.folder.max_tokens)
        return tokenizer

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Positions of texts to run together: of like length, so that little is filled up."""
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        if not self.folder.batches:
            yield from ([n] for n in order)
            return
        sizes: list[int] = []  # the batch of each text in `order`; a batch is as wide as its last
        number = count = 0
        for n in order:
            if count == _BATCH or (count + 1) * lengths[n] > _CELLS:
                number, count = number + 1, 0
            sizes.append(number)
            count += 1
        for _, group in groupby(range(len(order)), key=sizes.__getitem__):
            yield [order[n] for n in group]

    def _run(self, session: Any, rows: Sequence[tuple[list[int], list[int]]]) -> NDArray[np.float32]:
        import numpy as np

        width = max(len(ids) for ids, _ in rows)
        given = {
            "input_ids": np.full((len(rows), width), self.folder.pad_id, dtype=np.int64),
            "attention_mask": np.zeros((len(rows), width), dtype=np.int64),
            "token_type_ids": np.zeros((len(rows), width), dtype=np.int64),
        }
        for n, (ids, types) in enumerate(rows):
            given["input_ids"][n, : len(ids)] = ids
            given["attention_mask"][n, : len(ids)] = 1
            given["token_type_ids"][n, : len(ids)] = types
        try:
            (states,) = session.run(
                [session.get_outputs()[0].name], {i.name: given[i.name] for i in session.get_inputs()}
            )
            vectors = pool(states, given["attention_mask"], self.folder.pooling)
        except Exception as error:  # see `_session`
            raise GenerationError(
                f"ONNX Runtime failed in the encoder {self.name!r}: {error}; export it again"
            ) from error
        if vectors.shape != (len(rows), self.folder.dimensions):
            raise ModelCorruptError(
                f"the encoder {self.name!r} gave vectors of {vectors.shape[-1]} numbers, where its folder says "
                f"{self.folder.dimensions}: export it again"
            )
        if self.folder.normalize:
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def pool(states: NDArray[np.float32], mask: NDArray[np.int64], how: str) -> NDArray[np.float32]:
    """The vectors of tokens (texts, tokens, dimensions) as one a text: (texts, dimensions).

    Args:
        states: of every token.
        mask: (texts, tokens): 1 where there is a token, 0 where a row is filled up.
        how: ``mean``, ``cls`` or ``max``.
    """
    import numpy as np

    if how == "cls":
        first: NDArray[np.float32] = states[:, 0]
        return first
    there = mask[:, :, None].astype(states.dtype)
    out: NDArray[np.float32]
    if how == "max":
        out = np.where(there > 0, states, -np.inf).max(axis=1)
    else:
        out = (states * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1e-9)
    return out


def open_encoder(reference: str, settings: Settings | None = None, **options: Any) -> OnnxEncoder:
    """The sentence encoder that `reference` means; it is loaded when the first text comes.

    Args:
        reference: the name of an added encoder, or the beginning of exactly one; or the path of a folder.
        settings: says where added models lie; by default those of the environment.
        options: of `OnnxEncoder`.

    Raises:
        ModelNotFoundError: the reference means nothing, or several models.
        ModelCorruptError: the encoder's files are damaged.
        ModelError: it is a model of another kind.
    """
    spec = resolve(reference, settings or load())
    if spec.kind != "encoder" or spec.path is None:
        raise ModelError(
            f"{spec.name!r} is a {spec.kind}, no sentence encoder: the setting embedder (BUMP_EDGE_EMBEDDER) takes "
            "what `python -m export encoder` wrote",
            details={"model": spec.name, "kind": spec.kind},
        )
    return OnnxEncoder(spec.path, name=spec.name, **options)
