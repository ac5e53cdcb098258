"""Adding a model: check it, copy it under a temporary name, rename it into place."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from bump_edge.backends.gguf_file import read_header
from bump_edge.backends.onnx_folder import check_folder
from bump_edge.errors import ModelCorruptError, ModelError, ModelNotFoundError, UsageError
from bump_edge.models.encoder_folder import check_encoder, is_encoder
from bump_edge.models.manifest import MANIFEST, ModelFile, ModelManifest, check_hashes, read_manifest
from bump_edge.models.registry import ModelSpec, backend_of, bundled_name, check_name, default_name, model_path
from bump_edge.settings import Settings

if TYPE_CHECKING:
    from bump_edge.models.download import Progress

_BLOCK = 1 << 20
_STALE_S = 24 * 3600.0


def add(
    source: str | Path,
    settings: Settings,
    *,
    name: str | None = None,
    force: bool = False,
    sha256: str | None = None,
    licence: str | None = None,
    notify: Progress | None = None,
) -> ModelSpec:
    """Add a model: copy its files to `Settings.models`, with a manifest.

    Args:
        source: a ``.gguf`` file, an onnxruntime-genai folder, a folder that the export stage wrote (a sentence
            encoder's too), or the https address of a ``.gguf`` file.
        settings: says where added models lie.
        name: what to call it; by default after the source.
        force: replace a model of that name.
        sha256: what the ``.gguf`` file must have; required for an address.
        licence: its licence; by default what the file or its manifest says.
        notify: told what is done, and how far, in bytes.

    Raises:
        ModelNotFoundError: there is no such file or folder.
        ModelCorruptError: it is no model that a backend runs, damaged, or not what `sha256` or its manifest says.
        UsageError: a bad name, one that is taken or the bundled model's, an address without `sha256`, a symbolic link
            in the folder.
        ModelError: it cannot be fetched or written (a full disk leaves nothing behind).
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"sha256 is {sha256!r}: expected 64 hex digits", details={"option": "sha256"})
    # Here, so that nothing that connects is even loaded unless a model is added.
    from bump_edge.models.download import fetch, file_name

    address = str(source) if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", str(source)) else None
    path = Path(source).expanduser()
    base = file_name(address) if address is not None else path.resolve().name
    chosen = check_name(name if name is not None else default_name(base))
    if chosen == bundled_name():
        raise UsageError(
            f"{chosen!r} is the model that came with bump-edge: name this one otherwise with --name",
            details={"name": chosen},
        )
    target = settings.models / chosen
    if target.exists() and not force:
        raise UsageError(
            f"there is a model {chosen!r} already: replace it with --force, or name this one with --name",
            details={"name": chosen},
        )
    if address is not None and sha256 is None:
        raise UsageError(
            f"a model from {address} needs the sha256 that it must have: give it with --sha256",
            details={"source": address},
        )
    if address is None and not path.exists():
        raise ModelNotFoundError(
            f"there is no file or folder {path}: expected a .gguf file or an onnxruntime-genai folder",
            details={"path": str(path)},
        )
    try:
        settings.models.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(settings.models)
        work = Path(tempfile.mkdtemp(prefix=".adding-", dir=settings.models))
    except OSError as error:
        raise _unwritten(settings.models, error) from error
    try:
        if address is not None:
            fetched = work / (default_name(base) + ".gguf")
            fetch(address, fetched, sha256=sha256 or "", notify=notify)
            manifest = _of_file(fetched, fetched.name, chosen, address, sha256, licence)
        elif path.is_dir():
            manifest = _copy_folder(path, work, chosen, licence, notify)
        else:
            manifest = _copy_gguf(path, work, chosen, sha256, licence, notify)
        manifest = replace(manifest, added_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"))
        (work / MANIFEST).write_bytes(orjson.dumps(manifest.as_dict(), option=orjson.OPT_INDENT_2))
        for file in work.iterdir():
            sync(file)
        sync(work)
        _put(work, target, force=force)
    except OSError as error:
        raise _unwritten(settings.models, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return ModelSpec(
        name=chosen, backend=manifest.backend, path=model_path(target, manifest.backend), manifest=manifest
    )


def _copy_gguf(
    path: Path, work: Path, name: str, sha256: str | None, licence: str | None, notify: Progress | None
) -> ModelManifest:
    header = read_header(path)
    file = path.name if path.suffix == ".gguf" else f"{path.name}.gguf"
    copied = _copy(path, work / file, notify)
    if sha256 is not None and copied.sha256 != sha256.lower():
        raise ModelCorruptError(
            f"{path} has the sha256 {copied.sha256}, expected {sha256}: another file was meant; nothing was added",
            details={"path": str(path), "sha256": copied.sha256, "expected": sha256},
        )
    return ModelManifest(
        name=name, backend="gguf", files=(copied,), source=path.name, licence=licence or header.licence
    )


def _of_file(path: Path, file: str, name: str, source: str, sha256: str | None, licence: str | None) -> ModelManifest:
    header = read_header(path)
    known = ModelFile(name=file, size=path.stat().st_size, sha256=(sha256 or "").lower())
    return ModelManifest(name=name, backend="gguf", files=(known,), source=source, licence=licence or header.licence)


def _copy_folder(path: Path, work: Path, name: str, licence: str | None, notify: Progress | None) -> ModelManifest:
    backend = backend_of(path)
    files = []
    for entry in sorted(path.iterdir()):
        if entry.is_symlink() or not entry.is_file():
            kind = "a symbolic link" if entry.is_symlink() else "no plain file"
            raise UsageError(
                f"{entry.name} in {path} is {kind}: a model's folder holds its files and nothing else",
                details={"path": str(entry)},
            )
        files.append(entry)
    written = read_manifest(path)
    if written is not None:
        check_hashes(path, written)
        listed = {f.name for f in written.files}
        files = [f for f in files if f.name in listed]
        if written.backend != backend:
            raise ModelCorruptError(
                f"the manifest in {path} says {written.backend!r}, and its files are for {backend!r}: export it again",
                details={"path": str(path), "backend": written.backend},
            )
        said = str(written.extra.get("kind", "profiler"))
        if (said == "encoder") != is_encoder(path):
            raise ModelCorruptError(
                f"the manifest in {path} says that it is a {said}, and its files are not those of one: export it again",
                details={"path": str(path), "kind": said},
            )
    _check_model(path, backend)
    copied = tuple(_copy(f, work / f.name, notify) for f in files if f.name != MANIFEST)
    if written is not None:
        _check_model(work, backend)  # a manifest may leave out a file that the model needs
        if {f.name: f.sha256 for f in copied} != {f.name: f.sha256 for f in written.files}:
            raise ModelCorruptError(f"the files of {path} changed while they were copied: nothing was added")
        return replace(
            written, name=name, source=written.source or path.resolve().name, licence=licence or written.licence
        )
    extra = {"kind": "encoder"} if is_encoder(path) else {}
    return ModelManifest(
        name=name, backend=backend, files=copied, source=path.resolve().name, licence=licence, extra=extra
    )


def _check_model(folder: Path, backend: str) -> None:
    if is_encoder(folder):
        check_encoder(folder)
    elif backend == "onnx":
        check_folder(folder)
    else:
        read_header(model_path(folder, backend))


def _copy(source: Path, target: Path, notify: Progress | None) -> ModelFile:
    # Copied, never linked: a later change of the source must not change the model.
    digest = hashlib.sha256()
    try:
        incoming = source.open("rb")
    except OSError as error:
        raise ModelError(f"{source} cannot be read: {error.strerror}", details={"path": str(source)}) from error
    with incoming, target.open("xb") as out:
        done, total = 0, os.fstat(incoming.fileno()).st_size
        while block := incoming.read(_BLOCK):
            digest.update(block)
            out.write(block)
            done += len(block)
            if notify is not None:
                notify(f"copying {source.name}", done, total)
    return ModelFile(name=target.name, size=done, sha256=digest.hexdigest())


def _put(work: Path, target: Path, *, force: bool) -> None:
    if target.exists() and force:
        old = target.with_name(f".removed-{time.time_ns()}-{target.name}")
        target.rename(old)
        try:
            work.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    else:
        try:
            work.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # somebody else was quicker
                raise UsageError(
                    f"there is a model {target.name!r} already: replace it with --force, or name this one with --name",
                    details={"name": target.name},
                ) from error
            raise
    sync(target.parent)


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(models: Path) -> None:
    """Delete what an interrupted add or remove left more than a day ago."""
    for entry in models.glob(".[ar]*-*"):
        if entry.name.startswith((".adding-", ".removed-")) and time.time() - entry.stat().st_mtime > _STALE_S:
            shutil.rmtree(entry, ignore_errors=True)


def _unwritten(models: Path, error: OSError) -> ModelError:
    why = error.strerror or str(error)
    free = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = "; free some space"
    return ModelError(
        f"the model cannot be written to {models}: {why}{free}, and add it again. Nothing was left behind",
        details={"path": str(models), "reason": why},
    )
