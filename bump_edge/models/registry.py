"""Which models there are: the one that the package carries, those that were added, each a folder under
`Settings.models`, and those at a path.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bump_edge.backends.onnx_folder import CONFIG
from bump_edge.errors import ModelCorruptError, ModelNotFoundError, UsageError
from bump_edge.models.encoder_folder import ENCODER, is_encoder
from bump_edge.models.manifest import ADD_AGAIN, ModelManifest, check_hashes, read_manifest
from bump_edge.settings import Settings

EXTRACTIVE = "extractive"
BUNDLED = "bundled"
"""What the model that the package carries may be called beside its own name."""
CARRIED = Path(__file__).with_name(BUNDLED)
"""Where it lies: among the package's files, never written to. A checkout without weights has no such folder."""
_INSTALL_AGAIN = "install bump-edge again (pip install --force-reinstall --no-deps bump-edge)"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model that can be opened.

    Args:
        name: as profiles record it.
        backend: ``extractive``, ``onnx`` or ``gguf``.
        path: the folder (onnx) or file (gguf); None for ``extractive``.
        manifest: of the bundled or an added model, or of an exported folder.
        bundled: whether the package carries it.
    """

    name: str
    backend: str
    path: Path | None = None
    manifest: ModelManifest | None = None
    bundled: bool = False

    @property
    def folder(self) -> Path | None:
        """Where its files lie; None for ``extractive``."""
        return self.path if self.path is None or self.path.is_dir() else self.path.parent

    @property
    def remedy(self) -> str:
        """What to do where a file of it is damaged."""
        return _INSTALL_AGAIN if self.bundled else ADD_AGAIN

    @property
    def kind(self) -> str:
        """What it is for: ``profiler`` (it writes), ``judge`` (it ranks) or ``encoder`` (it sees what texts mean)."""
        if self.path is not None and is_encoder(self.path):
            return "encoder"
        return str((self.manifest.extra if self.manifest else {}).get("kind") or "profiler")


def check_name(name: str) -> str:
    """`name`, if a model may be called that.

    Raises:
        UsageError: it is empty, reserved, or has other characters than a-z, 0-9, dot, hyphen and underscore.
    """
    if not _NAME.fullmatch(name) or ".." in name or name in (EXTRACTIVE, BUNDLED):
        raise UsageError(
            f"a model cannot be named {name!r}: expected up to 100 of a-z, 0-9, '.', '_' and '-', beginning with a "
            f"letter or digit, without '..', and not {EXTRACTIVE!r} or {BUNDLED!r}",
            details={"name": name},
        )
    return name


def default_name(source: str) -> str:
    """The name of a model that is added from the file or folder `source`: ``A B.gguf`` → ``a-b``."""
    base = source.removesuffix(".gguf").lower()
    return re.sub(r"\.{2,}", ".", re.sub(r"[^a-z0-9._-]+", "-", base)).strip("-._")[:100]


def bundled() -> ModelSpec | None:
    """The model that this package carries; None where it carries none.

    Raises:
        ModelCorruptError: its manifest is missing or cannot be read.
    """
    if not CARRIED.is_dir():
        return None
    manifest = _manifest(CARRIED, BUNDLED, _INSTALL_AGAIN)
    path = model_path(CARRIED, manifest.backend)
    return ModelSpec(name=manifest.name, backend=manifest.backend, path=path, manifest=manifest, bundled=True)


def bundled_name() -> str | None:
    """The own name of the bundled model, if there is one whose manifest can be read: for where it is only mentioned."""
    try:
        carried = bundled()
    except ModelCorruptError:
        return None
    return None if carried is None else carried.name


def list_models(settings: Settings) -> list[ModelSpec]:
    """The models that were added, by name. A folder whose manifest cannot be read is left out; `verify` says why."""
    found = []
    for name in _names(settings):
        try:
            found.append(_spec(settings.models / name, name))
        except ModelCorruptError:
            continue
    return found


def resolve(reference: str | None, settings: Settings) -> ModelSpec:
    """The model that `reference` means.

    Args:
        reference: ``extractive``; ``bundled`` for the model that the package carries; its name or that of an added
            model, or the beginning of exactly one; or the path of a ``.gguf`` file or an onnxruntime-genai folder.
            None for the default: the bundled model where the package carries one, else ``extractive``.
        settings: says where added models lie.

    Raises:
        ModelNotFoundError: it means nothing, or several.
        ModelCorruptError: the model's manifest cannot be read.
    """
    if reference is None:
        return bundled() or resolve(EXTRACTIVE, settings)
    if reference == EXTRACTIVE:
        return ModelSpec(name=EXTRACTIVE, backend=EXTRACTIVE)
    if reference == BUNDLED and (carried := bundled()) is not None:
        return carried
    looks_like_path = os.sep in reference or "/" in reference or reference.endswith(".gguf") or reference in (".", "..")
    added = _names(settings)
    ours = bundled_name()
    # a name that was taken before the package carried a model of that name stays the added one's
    names = added if ours is None or ours in added else [*added, ours]
    if not looks_like_path:
        wanted = reference.lower()
        fitting = [n for n in names if n == wanted] or [n for n in names if wanted and n.startswith(wanted)]
        if len(fitting) == 1 and fitting[0] not in added:
            return resolve(BUNDLED, settings)
        if len(fitting) == 1:
            return _spec(settings.models / fitting[0], fitting[0])
        if fitting:
            raise ModelNotFoundError(
                f"{reference!r} may be {', '.join(fitting)}: write more of the name",
                details={"model": reference, "models": fitting},
            )
    path = Path(reference).expanduser()
    if reference and path.exists():
        return _at(path)
    there = ", ".join([EXTRACTIVE, *names])
    raise ModelNotFoundError(
        f"there is no model {reference!r}: expected one of {there}, or the path of a .gguf file or an "
        "onnxruntime-genai folder; `bump-edge models add FILE` adds one",
        details={"model": reference, "models": [EXTRACTIVE, *names]},
    )


def verify(name: str, settings: Settings) -> ModelManifest:
    """Compare every file of an added model, or of the bundled one, with its manifest; its manifest.

    Args:
        name: the full name; ``bundled`` for the bundled model.
        settings: says where added models lie.

    Raises:
        ModelNotFoundError: no such model was added.
        ModelCorruptError: a file was changed, is missing, or the manifest cannot be read.
    """
    ours = _is_bundled(name, settings)
    folder, remedy = (CARRIED, _INSTALL_AGAIN) if ours else (_added(name, settings), ADD_AGAIN)
    manifest = _manifest(folder, name, remedy)
    check_hashes(folder, manifest, remedy=remedy)
    return manifest


def remove(name: str, settings: Settings) -> None:
    """Delete an added model; the full name, no beginning of one.

    Raises:
        ModelNotFoundError: no such model was added.
        UsageError: it is the bundled model.
    """
    if _is_bundled(name, settings):
        raise UsageError(
            f"{name!r} is the model that came with bump-edge: expected one that was added; name another with --model "
            "or BUMP_EDGE_MODEL to write without it",
            details={"name": name},
        )
    folder = _added(name, settings)
    # out of sight at once, then gone: an interrupted removal leaves no half model
    hidden = folder.with_name(f".removed-{time.time_ns()}-{folder.name}")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def _is_bundled(name: str, settings: Settings) -> bool:
    return CARRIED.is_dir() and name not in _names(settings) and name in (BUNDLED, bundled_name())


def _added(name: str, settings: Settings) -> Path:
    names = _names(settings)
    if name not in names:
        raise ModelNotFoundError(
            f"no model {name!r} was added: expected {_or(names)}", details={"model": name, "models": names}
        )
    return settings.models / name


def _or(names: list[str]) -> str:
    return f"one of {', '.join(names)}" if names else "a name, and none was added yet (`bump-edge models add FILE`)"


def _names(settings: Settings) -> list[str]:
    try:
        return sorted(p.name for p in settings.models.iterdir() if p.is_dir() and _NAME.fullmatch(p.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _spec(folder: Path, name: str) -> ModelSpec:
    manifest = _manifest(folder, name, ADD_AGAIN)
    return ModelSpec(name=name, backend=manifest.backend, path=model_path(folder, manifest.backend), manifest=manifest)


def _manifest(folder: Path, name: str, remedy: str) -> ModelManifest:
    manifest = read_manifest(folder, remedy=remedy)
    if manifest is None:
        raise ModelCorruptError(f"the model {name!r} has no manifest.json: {remedy}", details={"model": name})
    return manifest


def _at(path: Path) -> ModelSpec:
    if path.is_file():
        return ModelSpec(name=path.stem.lower(), backend="gguf", path=path)
    backend = backend_of(path)
    manifest = read_manifest(path)
    name = manifest.name if manifest is not None else path.resolve().name.lower()
    return ModelSpec(name=name, backend=backend, path=model_path(path, backend), manifest=manifest)


def backend_of(folder: Path) -> str:
    """The backend that runs the model in `folder`, by the files that are there.

    Raises:
        ModelCorruptError: none does.
    """
    if (folder / CONFIG).exists() or is_encoder(folder):
        return "onnx"
    if len(list(folder.glob("*.gguf"))) == 1:
        return "gguf"
    other = (
        "it holds weights for training (safetensors), which the export stage turns into a device model"
        if list(folder.glob("*.safetensors"))
        else f"it holds neither {CONFIG} nor one .gguf file nor {ENCODER}"
    )
    raise ModelCorruptError(
        f"{folder} is no model that a backend runs: {other}. Name a .gguf file or an onnxruntime-genai folder",
        details={"path": str(folder)},
    )


def model_path(folder: Path, backend: str) -> Path:
    """What the backend opens in a model's folder: the folder itself, or its one ``.gguf`` file."""
    if backend == "onnx":
        return folder
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise ModelCorruptError(
            f"{folder} has {len(files)} .gguf files: expected one; add the model again", details={"path": str(folder)}
        )
    return files[0]
