"""`manifest.json`: what reproduces and checks a model's files. The export stage writes the same form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError

MANIFEST = "manifest.json"
FORMAT = 1
"""Version of the form below."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFile:
    """One file of a model: its name inside the folder, its size in bytes, its sha256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelManifest:
    """A model's manifest.

    Args:
        name: the model's name.
        backend: ``onnx`` or ``gguf``.
        files: every file that belongs to it.
        source: the base name of what it was added from, or the address that it was fetched from.
        added_at: when it was added: ISO 8601, UTC; None in a folder that was exported and not yet added.
        licence: its licence, if known.
        max_interactions: that a prompt may show it, as it was trained; None for any number.
        figures: what was measured about it, as the export stage wrote it.
        extra: other keys of the file, kept as they are.
    """

    name: str
    backend: str
    files: tuple[ModelFile, ...]
    source: str
    added_at: str | None = None
    licence: str | None = None
    max_interactions: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(f.size for f in self.files)

    def as_dict(self) -> dict[str, Any]:
        """The content of ``manifest.json``."""
        return {
            **self.extra,
            "format": FORMAT,
            "name": self.name,
            "backend": self.backend,
            "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in self.files],
            "source": self.source,
            "added_at": self.added_at,
            "licence": self.licence,
            **({"max_interactions": self.max_interactions} if self.max_interactions is not None else {}),
            "figures": dict(self.figures),
        }


ADD_AGAIN = "add the model again"
"""What to do about a damaged model that was added."""


def read_manifest(folder: Path, *, remedy: str = ADD_AGAIN) -> ModelManifest | None:
    """The manifest of the model folder `folder`; None if it has none. `remedy` is what an error says to do.

    Raises:
        ModelCorruptError: it cannot be read, or is of a newer form.
    """
    path = folder / MANIFEST
    try:
        content = orjson.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise ModelCorruptError(
                f"{path} has the format {content['format']!r} and this bump-edge reads {FORMAT}: update bump-edge",
                details={"path": str(path)},
            )
        known = {"format", "name", "backend", "files", "source", "added_at", "licence", "max_interactions", "figures"}
        return ModelManifest(
            name=str(content["name"]),
            backend=_one_of(content["backend"], "onnx", "gguf"),
            files=_files(content["files"]),
            source=str(content.get("source") or ""),
            added_at=content.get("added_at"),
            licence=content.get("licence"),
            max_interactions=_count(content.get("max_interactions")),
            figures=content.get("figures") or {},
            extra={k: v for k, v in content.items() if k not in known},
        )
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise ModelCorruptError(
            f"{path} cannot be read as the manifest of a model ({type(error).__name__}: {error}): {remedy}",
            details={"path": str(path)},
        ) from error


def _files(content: list[Mapping[str, Any]]) -> tuple[ModelFile, ...]:
    if not isinstance(content, list) or not content:
        raise ValueError("it lists no files")
    return tuple(_file(f) for f in content)


def _file(content: Mapping[str, Any]) -> ModelFile:
    name = content["name"]
    if (
        not isinstance(name, str)
        or PurePosixPath(name).name != name
        or name in ("", ".", "..", MANIFEST)
        or not name.isprintable()
        or any(c in name for c in "\\:")
    ):
        raise ValueError(f"a file is named {name!r}")
    if not isinstance(content["size"], int) or not re.fullmatch(r"[0-9a-fA-F]{64}", content["sha256"]):
        raise ValueError(f"the size or the sha256 of {name!r} is none")
    return ModelFile(name=name, size=content["size"], sha256=content["sha256"].lower())


def _count(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"max_interactions is {value!r}")
    return value


def _one_of(value: object, *allowed: str) -> str:
    if value not in allowed:
        raise ValueError(f"backend is {value!r}")
    return str(value)


def check_sizes(folder: Path, manifest: ModelManifest, *, remedy: str = ADD_AGAIN) -> None:
    """See that the files of `manifest` are there, with their sizes: cheap, before a model is opened.

    `remedy` is what an error says to do.

    Raises:
        ModelCorruptError: one is missing or of another size.
    """
    for file in manifest.files:
        path = folder / file.name
        size = path.stat().st_size if path.is_file() else None
        if size != file.size:
            found = "is missing" if size is None else f"has {size} bytes"
            raise ModelCorruptError(
                f"{file.name} of the model {manifest.name!r} {found}, where its manifest says {file.size} bytes: "
                f"{remedy}",
                details={"model": manifest.name, "file": file.name, "size": size, "expected": file.size},
            )


def check_hashes(folder: Path, manifest: ModelManifest, *, remedy: str = ADD_AGAIN) -> None:
    """Read every file of `manifest` and compare its sha256. `remedy` is what an error says to do.

    Raises:
        ModelCorruptError: one differs, is missing or of another size.
    """
    check_sizes(folder, manifest, remedy=remedy)
    for file in manifest.files:
        with (folder / file.name).open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != file.sha256:
            raise ModelCorruptError(
                f"{file.name} of the model {manifest.name!r} has the sha256 {found}, where its manifest says "
                f"{file.sha256}: the file was changed or damaged; {remedy}",
                details={"model": manifest.name, "file": file.name, "sha256": found, "expected": file.sha256},
            )
