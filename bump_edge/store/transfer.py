"""Stores on the move: `export` writes one file, `import` merges it into another store.

The format, version 1. UTF-8 JSON Lines; every line is one object, keys in this order, ends with one newline and has
at most 64 MiB. Times are milliseconds since 1970 UTC, ids are 32 hexadecimal digits. There is no clock and no name of
a machine in it: equal content, equal bytes.

1. ``{"bump_edge_export":1,"histories":true,"users":N}``
2. N users, ascending by the code points of their `user_id`; of each, in this order:

   * ``{"user":ID}``
   * ``{"marks":[MARK,…],"key":KEY}``: what was forgotten, up to 1,000 a line; MARK is the 16-byte BLAKE2b of an
     interaction's id (its 16 bytes) with KEY. Who holds the file can test a guess against it, as who holds the store.
   * ``{"unsaid":[[MARK,AT],…],"key":KEY}``: pins and rejections that were deleted up to AT, up to 1,000 a line; MARK is
     the BLAKE2b of the JSON ``["correction",kind,text]``. A later word stands.
   * ``{"gone":[UID,…]}``: versions of the profile of which forgetting left nothing, up to 1,000 a line
   * ``{"interaction":{"id","at","type","item","text","rating","meta"}}``: `id` is `types.content_digest`, the others
     are left out when there is nothing. First those without a time in the order of ingest, then by `at` and `id`.
   * ``{"correction":{"kind","text","at","active"}}``, by kind and text; `active` is false when it was taken back
   * ``{"version":{"uid","created_at","model","language","recipe","origin","updates","text","manifest","sentences"}}``,
     by `created_at` and `uid`; `sentences` is a list of ``{"text","confirmed","evidence":[ID,…]}``
3. ``{"lines":L,"sha256":"…"}``: how many lines come before this one, and the SHA-256 of their bytes.

The last line must be exactly this, byte for byte, so that a file cut anywhere, or with any byte changed, added or
taken away, is refused whole. That is also why an export is not compressed: bytes of a gzip header are covered by
nothing. The checksum is no signature: it does not say who wrote the file.

Without histories, interactions and all marks are left out, `evidence` is empty, `origin` is ``import``, and the
manifest has ``"imported":{"origin":…,"evidence":[how many interactions each sentence rested on]}``.

What merging does is in `bump_edge.store.merging`. Importing both ways ends with equal exports on both sides; only
interactions without a time keep the order in which each store took them in. A user deleted as a whole leaves nothing
behind, so that an import brings them back.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import io
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO

import orjson

from bump_edge.errors import InputError, PolicyError, StoreWriteError, UsageError
from bump_edge.store import forgetting, receipts, records, scanning
from bump_edge.store.connection import Connection
from bump_edge.store.interactions import need_user
from bump_edge.store.merging import Merge
from bump_edge.store.records import BadRecord, Version
from bump_edge.store.report import ExportReport, ImportReport
from bump_edge.store.schema import NO_TIME
from bump_edge.types import content_digest


class _Out:
    """Writes lines and sums them up."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sum = hashlib.sha256()
        self.lines = 0
        self.bytes = 0

    def line(self, line: bytes) -> None:
        if len(line) > records.MAX_LINE:
            raise UsageError(
                f"one line of the export would have {len(line):,} bytes: expected at most {records.MAX_LINE:,}. "
                "An interaction, or a version of a profile, is too long to be moved: forget it, or split it."
            )
        self._sum.update(line)
        self._write(line)
        self.lines += 1

    def end(self) -> str:
        digest = self._sum.hexdigest()
        self._write(records.trailer(self.lines, digest))
        self._stream.flush()
        return digest

    def _write(self, line: bytes) -> None:
        self._stream.write(line)
        self.bytes += len(line)


def export(
    connection: Connection,
    target: Path | str | BinaryIO,
    *,
    user_ids: Iterable[str] | None,
    histories: bool,
    overwrite: bool,
    permitted: Collection[str] | None = None,
) -> ExportReport:
    """Write users to a file or stream, in flat memory and from one snapshot; see `Store.export_file`."""
    wanted = None if user_ids is None else sorted(set(user_ids))
    if not isinstance(target, str | Path):
        with _written("the stream"):
            return _export(connection, target, wanted, histories=histories, permitted=permitted)
    path = Path(target).resolve()
    _may_write(path, overwrite=overwrite)
    temporary: Path | None = None
    try:
        receipts.note_export(connection, path)
        with _written(str(path)):
            _sweep(path)
            # mkstemp makes it readable by its owner only
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.{os.getpid()}-", suffix=".part", dir=path.parent)
            temporary = Path(name)
            with os.fdopen(handle, "wb", buffering=1 << 20) as stream:
                report = _export(connection, stream, wanted, histories=histories, permitted=permitted)
                stream.flush()
                os.fsync(stream.fileno())
            _may_write(path, overwrite=overwrite)
            temporary.replace(path)
            temporary = None
            _sync_directory(path.parent)
            return report
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # a broken disk: what failed before is what to tell
                temporary.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what killed exports to `path` have left: histories, in a file that nobody would look for."""
    if os.name != "posix":
        return  # os.kill would end the process that it asks about
    for part in path.parent.glob(f".{glob.escape(path.name)}.*-*.part"):
        pid = part.name.removeprefix(f".{path.name}.").partition("-")[0]
        if pid.isdigit():
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                part.unlink(missing_ok=True)
            except PermissionError:
                continue


def _may_write(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no regular file: expected a new file, or - for standard output.")
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path} exists: expected a new file. Name another one, or overwrite it with --yes (overwrite=True).",
            details={"path": str(path)},
        )


@contextmanager
def _written(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever reads has enough
        raise
    except OSError as error:
        raise StoreWriteError(
            f"the export cannot be written to {name} ({error.strerror or error}): expected a writable directory and "
            "free space. Nothing was written; free some space, or name another file.",
            details={"path": name},
        ) from error


def _sync_directory(path: Path) -> None:
    with contextlib.suppress(OSError):  # not every system lets a directory be opened
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _permit(texts: Iterable[str], permitted: Collection[str] | None) -> None:
    if permitted is not None and any(text not in permitted for text in texts):
        raise PolicyError(
            "the store changed between the audit and the export: a text is there now that nobody looked at. It was not "
            "written; export again."
        )


def _export(
    connection: Connection,
    stream: BinaryIO,
    wanted: list[str] | None,
    *,
    histories: bool,
    permitted: Collection[str] | None,
) -> ExportReport:
    out = _Out(stream)
    counts: Counter[str] = Counter()
    with connection.reading() as sql:
        if wanted is None:
            users = sql.execute("SELECT user_id, no FROM users ORDER BY user_id").fetchall()
        else:
            users = [(name, need_user(sql, name)[0]) for name in wanted]
        out.line(records.header(histories=histories, users=len(users)))
        key = forgetting.key_of(sql)
        for user_id, no in users:
            out.line(records.user_line(user_id))
            renamed: dict[bytes, bytes] = {}
            if histories:
                marks = sql.execute(forgetting.MARKS, {"own": key, "no": no})
                for of, group in groupby(marks, key=lambda row: bytes(row[0])):
                    while part := [bytes(mark) for _, mark in islice(group, records.MARKS)]:
                        counts["marks"] += len(part)
                        out.line(records.marks_line(of, part))
                unsaid = sql.execute(
                    "SELECT key, mark, at FROM forgotten_corrections WHERE user_no = ? ORDER BY key, mark", (no,)
                )
                for of, group in groupby(unsaid, key=lambda row: bytes(row[0])):
                    while pairs := [(bytes(mark), at) for _, mark, at in islice(group, records.MARKS)]:
                        counts["marks"] += len(pairs)
                        out.line(records.unsaid_line(of, pairs))
            gone = sql.execute("SELECT uid FROM gone_profiles WHERE user_no = ? ORDER BY uid", (no,))
            while rows := gone.fetchmany(records.MARKS):
                out.line(records.gone_line([uid for (uid,) in rows]))
            if histories:
                counts["interactions"] += _interactions(sql, out, user_id, no, renamed)
            for kind, text, at, active in sql.execute(
                "SELECT kind, text, at, active FROM corrections WHERE user_no = ? ORDER BY kind, text", (no,)
            ):
                counts["corrections"] += 1
                _permit([text], permitted)
                out.line(records.correction_line(kind, text, at, active=bool(active)))
            for version in _versions(sql, no, renamed):
                counts["versions"] += 1
                _permit([version.text, *(said for said, _, _ in version.sentences)], permitted)
                out.line(records.version_line(version if histories else version.without_evidence()))
        digest = out.end()
    return ExportReport(
        users=len(users),
        interactions=counts["interactions"],
        corrections=counts["corrections"],
        versions=counts["versions"],
        marks=counts["marks"],
        histories=histories,
        bytes=out.bytes,
        sha256=digest,
    )


def _interactions(sql: sqlite3.Connection, out: _Out, user_id: str, no: int, renamed: dict[bytes, bytes]) -> int:
    count = 0
    for at, digest, type_, item, text, rating, meta in sql.execute(
        "SELECT at, digest, type, item, text, rating, meta FROM interactions WHERE user_no = ? ORDER BY at, digest",
        (no,),
    ):
        ms = None if at < NO_TIME else at
        actual = content_digest(user_id, ms, type_, item, text, rating, None if meta is None else orjson.loads(meta))
        if actual != digest:  # SQLite has no -0.0: what is stored is another number than what was ingested
            renamed[digest] = actual
        out.line(records.interaction_line((actual, ms, type_, item, text, rating, meta)))
        count += 1
    return count


def _versions(sql: sqlite3.Connection, no: int, renamed: dict[bytes, bytes]) -> Iterator[Version]:
    for profile, uid, created_at, model, language, recipe, origin, updates, text, manifest in sql.execute(
        """SELECT id, uid, created_at, model, language, recipe, origin, updates, text, manifest FROM profiles
           WHERE user_no = ? ORDER BY created_at, uid""",
        (no,),
    ):
        evidence: dict[int, list[bytes]] = {}
        for position, digest in sql.execute(
            """SELECT sentence, digest FROM evidence JOIN interactions ON id = interaction_id
               WHERE profile_id = ? ORDER BY sentence, rank""",
            (profile,),
        ):
            evidence.setdefault(position, []).append(renamed.get(digest, digest))
        sentences = sql.execute(
            "SELECT position, text, confirmed FROM sentences WHERE profile_id = ? ORDER BY position", (profile,)
        )
        yield Version(
            uid=uid,
            created_at=created_at,
            model=model,
            language=language,
            recipe=recipe,
            origin=origin,
            updates=updates,
            text=text,
            manifest=orjson.loads(manifest),
            sentences=[(said, bool(confirmed), evidence.get(n, [])) for n, said, confirmed in sentences],
        )


def import_(connection: Connection, source: Path | str | BinaryIO) -> ImportReport:
    """Check an export whole, then merge it in one transaction; see `Store.import_file`."""
    name = str(source) if isinstance(source, str | Path) else "the stream"
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(source, str | Path):
                stream: BinaryIO = stack.enter_context(Path(source).open("rb"))
            else:
                stream = source
            if not stream.seekable():
                # has no name from the start, or is deleted when it is closed; readable by its owner only
                # (a plain store's; of an encrypted one nothing may come to the disk as plain text)
                spool: BinaryIO
                if connection.key is None:
                    spool = stack.enter_context(tempfile.TemporaryFile(dir=connection.path.parent))
                else:
                    spool = io.BytesIO()
                shutil.copyfileobj(stream, spool, 1 << 20)
                spool.seek(0)
                stream = spool
            start = stream.tell()
            for _ in records.verified(stream, name):
                pass
            stream.seek(start)
            counts = _import(connection, stream, name)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read ({error.strerror or error}): expected an export. Nothing was taken in.",
            details={"source": name},
        ) from error
    if counts["removed"] or counts["versions_removed"] or counts["corrections_removed"]:
        scanning.truncate_wal(connection)
    counts["duplicates"] = counts["interactions"] - counts["added"] - counts["forgotten"]
    return ImportReport(**counts)


def _import(connection: Connection, stream: BinaryIO, name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    number = 1
    with connection.writing() as sql:
        # The file is checked again while it is read: it may have changed since.
        lines = records.verified(stream, name)
        try:
            histories, users = records.read_header(next(lines))
            merge: Merge | None = None
            current, place, dirty = "", 0, False
            for line in lines:
                number += 1
                kind, value = records.read(line)
                if kind == "user":
                    dirty |= merge is not None and merge.finish()
                    if value <= current:
                        raise BadRecord("its user comes twice, or not in order")
                    merge, current, place = Merge(sql, value, histories=histories, counts=counts), value, 0
                    continue
                if merge is None:
                    raise BadRecord("it comes before the first user")
                if records.section(kind) < place:
                    raise BadRecord(f"{kind} comes too late within its user")
                if not histories and kind in ("marks", "unsaid", "interaction"):
                    raise BadRecord(f"there is a line of {kind} in an export without histories")
                place = records.section(kind)
                if kind == "interaction":
                    merge.interaction(records.read_interaction(value, current))
                elif kind == "marks":
                    merge.marks(*value)
                elif kind == "unsaid":
                    merge.unsaid(*value)
                elif kind == "gone":
                    merge.gone(value)
                elif kind == "correction":
                    merge.correction(*records.read_correction(value))
                else:
                    merge.version(records.read_version(value, histories=histories))
            dirty |= merge is not None and merge.finish()
            if counts["users"] != users:
                raise BadRecord(f"it is the last, and there are {counts['users']} users where the header says {users}")
            if dirty:
                forgetting.pack(sql)
        except BadRecord as wrong:
            raise InputError(
                f"{name} is no export that bump-edge wrote: line {number}: {wrong}. Nothing was taken in; export again "
                "from the store.",
                details={"source": name, "line": number},
            ) from wrong
    return counts
