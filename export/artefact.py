"""An artefact: a folder of files with a manifest, which is there as a whole or not at all.

    PARENT/.NAME.exporting-HOST-PID-RANDOM/new       what is being written
    PARENT/.NAME.exporting-HOST-PID-RANDOM/scratch   what is thrown away at the end
    PARENT/.NAME.exporting-HOST-PID-RANDOM/old       what was at NAME, for the moment of the exchange
    PARENT/NAME                                      the artefact

A killed process leaves the first behind; the next export to the same place removes it, and puts `old` back if the kill
fell between the two renames. The manifest has no dates, so that the same input gives the same bytes wherever the tools
do (GGUF does; so does the builder of onnxruntime-genai 0.18, seen on the tests' models).
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import BumpEdgeError, ModelError, UsageError
from bump_edge.models.adding import sync
from bump_edge.models.manifest import MANIFEST, ModelFile, ModelManifest
from bump_edge.models.registry import check_name, default_name
from export.progress import say

_STALE_S = 24 * 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_TEXT = ("No space left on device", "Disk quota exceeded", "File too large", " requested and ")
"""What a tool says about a full disk; the last is numpy's, which keeps no number of the error."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """An artefact that is being written.

    Args:
        target: where it appears.
        folder: where its files go meanwhile.
        scratch: for what is needed on the way; on the same disk, thrown away at the end.
    """

    target: Path
    folder: Path
    scratch: Path

    def finish(
        self,
        *,
        backend: str,
        source: str,
        name: str | None = None,
        licence: str | None = None,
        max_interactions: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> ModelManifest:
        """Hash the files, write the manifest beside them; returns it.

        Args:
            backend: ``onnx``, ``gguf``, or ``transformers`` for a checkpoint that no device runs.
            source: the name of the checkpoint.
            name: the model's name; by default after the target.
            licence: of the base.
            max_interactions: that a prompt may show the model; None for any number.
            extra: what else the manifest says.
        """
        files = []
        for path in sorted(p for p in self.folder.iterdir() if p.name != MANIFEST):
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            files.append(ModelFile(name=path.name, size=path.stat().st_size, sha256=digest))
        manifest = ModelManifest(
            name=check_name(name or default_name(self.target.name)),
            backend=backend,
            files=tuple(files),
            source=source,
            licence=licence,
            max_interactions=max_interactions,
            extra=dict(extra or {}),
        )
        (self.folder / MANIFEST).write_bytes(_manifest_bytes(manifest.as_dict()))
        return manifest


@contextmanager
def writing(target: Path, *, force: bool = False) -> Iterator[Artefact]:
    """Write an artefact; it takes its place when the block ends without an error and `Artefact.finish` was called.

    Args:
        target: its folder.
        force: replace what is there; that stays until the new one is whole.

    Raises:
        UsageError: there is something at `target` and not `force`; or it is no folder.
        ModelError: it cannot be written, as on a full disk; nothing is left behind.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 (resolve would follow a link at the target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        _check_free(target, force)
        prefix = f".{target.name}.exporting-{_host()}-{os.getpid()}-"
        work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        artefact = Artefact(target, work / "new", work / "scratch")
        artefact.folder.mkdir()
        artefact.scratch.mkdir()
    except OSError as error:
        raise _unwritten(target, error) from error
    try:
        yield artefact
        for path in [*artefact.folder.iterdir(), artefact.folder]:
            sync(path)
        _check_free(target, force)
        _put(work, target)
    except BumpEdgeError:
        raise
    except OSError as error:
        raise _unwritten(target, error) from error
    except Exception as error:
        if is_full(str(error)):  # the writer of safetensors has an error of its own
            raise _unwritten(target, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
        raise
    finally:
        if not (work / "old").exists():
            shutil.rmtree(work, ignore_errors=True)


def stamp(folder: Path, figures: Mapping[str, Any]) -> None:
    """Put what was measured into the manifest of the artefact in `folder`, in place of what was there.

    Raises:
        ModelError: it cannot be written; the manifest is as it was.
    """
    path = folder / MANIFEST
    replace_file(path, _manifest_bytes(orjson.loads(path.read_bytes()) | {"figures": dict(figures)}))


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old bytes or the new ones.

    Raises:
        ModelError: it cannot be written; what was there is as it was.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(data)
        sync(new)
        new.rename(path)
        sync(path.parent)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise _unwritten(path, error) from error


def _manifest_bytes(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of `packages`, those that are; of bump-edge always."""
    found = {}
    for package in ("bump-edge", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def is_full(text: str) -> bool:
    """Whether a tool's last words are those of a full disk."""
    return any(phrase in text for phrase in _FULL_TEXT)


def _check_free(target: Path, force: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not force:
        raise UsageError(
            f"there is {target} already: replace it with --force, or give another --out", details={"out": str(target)}
        )
    if target.is_symlink() or not target.is_dir():
        raise UsageError(f"{target} is no folder: give another --out", details={"out": str(target)})
    # --force replaces artefacts, not whatever a slip of the hand points at
    if any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise UsageError(
            f"{target} is no exported model, it has no {MANIFEST}: give another --out, or remove it",
            details={"out": str(target)},
        )


def _put(work: Path, target: Path) -> None:
    if not (work / "new" / MANIFEST).is_file():
        raise ModelError(f"{target} was not finished: nothing was written")
    old = work / "old"
    if target.exists():
        target.rename(old)
    try:
        (work / "new").rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Remove what killed exports to the same target have left; put back what one had set aside."""
    for work in target.parent.glob(f".{_escaped(target.name)}.exporting-*-*-*"):
        host, pid, _ = work.name.rpartition(".exporting-")[2].rsplit("-", 2)
        # on Windows, os.kill would end the process
        known = os.name == "posix" and host == _host() and pid.isdigit()
        if _runs(int(pid)) if known else time.time() - work.stat().st_mtime < _STALE_S:
            continue
        if (work / "old").is_dir() and not target.exists():
            (work / "old").rename(target)
            say(f"{target.name}: put back, as an earlier export had been killed while replacing it")
        shutil.rmtree(work, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum()) or "host"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _unwritten(target: Path, error: OSError) -> ModelError:
    full = error.errno in _FULL or is_full(str(error))
    why = error.strerror or (os.strerror(errno.ENOSPC) if full else str(error))
    free = "; free some space" if full else ""
    return ModelError(
        f"{target} cannot be written: {why}{free}, and export again. Nothing was left behind",
        details={"out": str(target), "reason": why},
    )
