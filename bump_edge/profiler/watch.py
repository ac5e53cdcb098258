"""Following a growing log: take in what is appended, and update profiles when enough is new and it is quiet."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bump_edge.errors import BumpEdgeError, EmptyHistoryError, InputError, UsageError
from bump_edge.pii import Detector
from bump_edge.profiler.profiler import Profiler
from bump_edge.store import IngestReport
from bump_edge.types import Profile

_CHUNK = 8 << 20  # bytes taken in at a time
_OTHERS = (".gz", ".zst", ".csv", ".tsv")


def follow(
    profiler: Profiler,
    path: Path | str,
    *,
    update_after: int = 10,
    idle_s: float = 5.0,
    poll_s: float = 0.5,
    user_id: str | None = None,
    mapping: Mapping[str, str] | None = None,
    redact: bool | Detector = False,
    stop: threading.Event | None = None,
    on_error: Callable[[BumpEdgeError], None] | None = None,
) -> Iterator[IngestReport | Profile]:
    """Take in a JSON Lines file and whatever is appended to it, until `stop` is set; yields reports and profiles.

    A line counts once it ends. A file that is replaced or cut (log rotation) is read from its beginning; lines that the
    store has are not added again. A user's profile is updated when `update_after` interactions are new, or there is
    no profile yet, and nothing was appended for `idle_s`.

    Args:
        profiler: writes the profiles; its store takes the interactions.
        path: the log; it need not exist yet.
        update_after: interactions, ≥ 1.
        idle_s: seconds without a new line before a model is run, ≥ 0.
        poll_s: seconds between two looks at the file, > 0.
        user_id, mapping, redact: see `Store.ingest_file`.
        stop: ends it; a profile that is being written is cancelled and not stored.
        on_error: called with what went wrong with some lines or a profile; without it, such an error is raised.

    Raises:
        UsageError: a compressed or CSV file, or a number outside its range.
    """
    path = Path(path)
    if path.suffix.lower() in _OTHERS:
        raise UsageError(f"{path.name} cannot be followed: expected a plain JSON Lines file, which grows line by line")
    if update_after < 1 or idle_s < 0 or poll_s <= 0:
        raise UsageError(
            f"update_after is {update_after}, idle_s {idle_s:g}, poll_s {poll_s:g}: expected at least 1, at least 0, "
            "and more than 0"
        )
    stop = stop or threading.Event()
    store = profiler.store
    tail = _Tail(path)
    waiting: dict[str, None] = {}
    last_line = time.monotonic()

    def failed(error: BumpEdgeError) -> None:
        if on_error is None:
            raise error
        on_error(error)

    while not stop.is_set():
        if lines := tail.read():
            last_line = time.monotonic()
            try:
                report = store.ingest_file(
                    io.BytesIO(lines), format="jsonl", user_id=user_id, mapping=mapping, redact=redact
                )
            except (EmptyHistoryError, InputError) as error:
                failed(error)
            else:
                waiting.update(dict.fromkeys(report.users))
                yield report
            continue
        if waiting and time.monotonic() - last_line >= idle_s:
            due = [u for u in waiting if _is_due(profiler, u, update_after)]
            waiting.clear()
            for user in due:
                if stop.is_set():
                    return
                try:
                    yield profiler.profile(user, cancel=stop)
                except BumpEdgeError as error:
                    if not stop.is_set():
                        failed(error)
        stop.wait(poll_s)


def _is_due(profiler: Profiler, user_id: str, update_after: int) -> bool:
    standing = profiler.store.standing(user_id)
    if standing is None:
        return True
    _, count = profiler.store.newer(user_id, standing.position, limit=0)
    return count >= update_after


class _Tail:
    """The complete lines of a file that have not been read yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._file: int | None = None

    def read(self) -> bytes:
        try:
            with self._path.open("rb") as stream:
                found = self._path.stat()
                if found.st_ino != self._file or found.st_size < self._offset:
                    self._offset, self._file = 0, found.st_ino
                stream.seek(self._offset)
                data = stream.read(_CHUNK)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise InputError(f"{self._path} cannot be read ({error.strerror or error})") from error
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) == _CHUNK:
            end = len(data)  # no line is this long: the reader will say so
        self._offset += end
        return data[:end]
