"""From a reference to an open backend."""

from __future__ import annotations

from typing import Any

from bump_edge.backends.base import Backend
from bump_edge.errors import ModelError
from bump_edge.models.manifest import check_sizes
from bump_edge.models.registry import BUNDLED, ModelSpec, bundled_name, resolve
from bump_edge.settings import Settings


def open_model(reference: str | None, settings: Settings, **options: Any) -> Backend:
    """Open the model that `reference` means; close it when done.

    Args:
        reference: see `resolve`; None for the default.
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
    if spec.path is None or spec.folder is None:
        from bump_edge.backends.extractive import ExtractiveBackend

        return ExtractiveBackend(**options)
    hashes: dict[str, str] = {}
    if spec.manifest is not None:
        options = {"max_interactions": spec.manifest.max_interactions, **options}
        check_sizes(spec.folder, spec.manifest, remedy=spec.remedy)
        hashes = {f.name: f.sha256 for f in spec.manifest.files}
    if spec.backend == "gguf":
        from bump_edge.backends.gguf import GgufBackend

        return GgufBackend(spec.path, model=spec.name, sha256=hashes.get(spec.path.name), **options)
    from bump_edge.backends.onnx import OnnxBackend

    return OnnxBackend(spec.path, model=spec.name, sha256=hashes, **options)


def open_writer(settings: Settings, *, fallback: bool) -> Backend:
    """Open the model that the settings name, or the default; close it when done.

    Args:
        settings: name the model.
        fallback: where they name none, and the bundled model does not open, open a `StandIn`: the extractive backend,
            which knows why. A model that was named is never replaced.

    Raises:
        ModelError: as `open_model`.
    """
    try:
        return open_model(settings.model, settings)
    except ModelError as error:
        if settings.model is not None or not fallback:
            raise
        from bump_edge.models.stand_in import StandIn

        return StandIn(bundled_name() or BUNDLED, error)


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
