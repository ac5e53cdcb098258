"""From a reference to an open backend."""

from __future__ import annotations

from typing import Any

from bump_edge.backends.base import Backend
from bump_edge.errors import ModelError
from bump_edge.models.manifest import check_sizes
from bump_edge.models.registry import ModelSpec, resolve
from bump_edge.settings import Settings


def open_model(reference: str, settings: Settings, **options: Any) -> Backend:
    """Open the model that `reference` means; close it when done.

    Args:
        reference: see `resolve`.
        settings: says where added models lie.
        options: of the backend: see `GgufBackend` and `OnnxBackend`; ``extractive`` has none.

    Raises:
        ModelNotFoundError: the reference means nothing, or several models.
        ModelCorruptError: the model's files are damaged.
        ModelError: it is a sentence encoder.
        BackendUnavailableError: what runs it is not installed, or does not run here.
    """
    spec = resolve(reference, settings)
    check_writes(spec)
    if spec.path is None:
        from bump_edge.backends.extractive import ExtractiveBackend

        return ExtractiveBackend(**options)
    hashes: dict[str, str] = {}
    if spec.manifest is not None:
        check_sizes(spec.path if spec.path.is_dir() else spec.path.parent, spec.manifest)
        hashes = {f.name: f.sha256 for f in spec.manifest.files}
    if spec.backend == "gguf":
        from bump_edge.backends.gguf import GgufBackend

        return GgufBackend(spec.path, model=spec.name, sha256=hashes.get(spec.path.name), **options)
    from bump_edge.backends.onnx import OnnxBackend

    return OnnxBackend(spec.path, model=spec.name, sha256=hashes, **options)


def check_writes(spec: ModelSpec) -> None:
    """See that a model writes text.

    Raises:
        ModelError: it is a sentence encoder.
    """
    if spec.kind == "encoder":
        raise ModelError(
            f"{spec.name!r} is a sentence encoder, which writes no profiles: name a model that writes with --model "
            "(`bump-edge models list`); an encoder belongs into the setting embedder (BUMP_EDGE_EMBEDDER)",
            details={"model": spec.name, "kind": spec.kind},
        )
