"""Stage ``prepare``: histories → users with a visible and a held-out part, in shards by split, reproducible by hash.

Interactions are first dealt into files by a hash of their user, then each such file is read whole: memory holds one
bucket, however long the logs and in whatever order their users come. A run that was killed leaves no output; the same
command starts again. Output, in a folder that appears when it is whole:

* ``train-00000.jsonl`` …: one user a line, `user_id`, `dataset`, `visible`, `held_out`, in the order of the users'
  hashes; likewise ``validation-…`` and ``test-…``;
* ``manifest.json``: the inputs by hash, the options, the counts, every shard by hash. No path, no date: the same
  inputs and options give the same bytes.

Departs from the paper, which leaves the split open: held-out is the suffix in time; a question or label of LaMP is
never read; a user is never in two splits. Where a log's order says nothing about time (artists), the suffix is
arbitrary.
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from bump_edge.errors import EmptyHistoryError, InputError, UsageError
from bump_edge.readers import to_fields, to_interaction
from bump_edge.readers.fields import shaper
from bump_edge.types import Interaction
from training.config import as_json, check_ranges
from training.histories import SPLITS, User, as_row, cut, in_time_order, interactions, judged_text, split_of
from training.progress import say

FORMAT = "bump-edge-users/1"
BUCKETS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareConfig:
    """Settings of the stage.

    Args:
        data: history files; a data set is called by its file's name without endings.
        out: the folder to write; an earlier output there is replaced, anything else is not.
        held_out: P, interactions held out of each user; ≥ 1.
        min_visible: users with fewer visible interactions are left out; ≥ 1.
        max_users: of each data set and split at most, the first by hash; 0 takes all.
        evaluation_only: names of data sets that nobody may train on: their users of the training folds are test users.
        shard_users: users in a shard at most; ≥ 1.
    """

    data: tuple[Path, ...]
    out: Path
    held_out: int = 1
    min_visible: int = 4
    max_users: int = 0
    evaluation_only: tuple[str, ...] = ()
    shard_users: int = 5000

    def __post_init__(self) -> None:
        check_ranges(
            self, held_out=(1, 1000), min_visible=(1, 10**6), max_users=(0, 10**9), shard_users=(1, 10**9)
        )  # fmt: skip
        if not self.data:
            raise UsageError("data is empty: expected at least one history file")
        names = [dataset_name(path) for path in self.data]
        if len(set(names)) != len(names):
            raise UsageError(f"data has two files of one name among {', '.join(names)}: rename one")
        if unknown := sorted(set(self.evaluation_only) - set(names)):
            raise UsageError(f"evaluation_only names {unknown[0]!r}: expected some of {', '.join(names)}")


def dataset_name(path: Path) -> str:
    """What a data set is called: the file's name up to its first dot."""
    return path.name.split(".")[0]


def run(config: PrepareConfig) -> dict[str, Any]:
    """Write the shards; returns the counts, and the manifest's hash.

    Raises:
        InputError: an input cannot be read.
        EmptyHistoryError: no user is left.
        UsageError: `out` holds something else.
    """
    out = config.out
    manifest_path = out / "manifest.json"
    if out.exists() and _format_of(manifest_path) != FORMAT:
        raise UsageError(f"{out} exists and is no output of this stage: give another out, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.parent / f".{out.name}.bump-edge-prepare"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    new = work / "new"
    new.mkdir(parents=True)
    try:
        manifest = _prepare(config, new, work / "buckets")
        (new / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        if out.exists():
            out.rename(work / "old")
        new.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {"out": str(out), "manifest_sha256": sha256_of(manifest_path), **manifest["counts"]}


def read_shards(folder: Path, split: str) -> Iterator[tuple[str, User]]:
    """The users of a split of a prepared folder, as (data set, user), one at a time.

    Raises:
        InputError: the folder is no output of this stage, or a shard is not what the manifest says.
    """
    if _format_of(folder / "manifest.json") != FORMAT:
        raise InputError(f"{folder} has no manifest of the format {FORMAT}: give the out of the stage prepare")
    for shard in orjson.loads((folder / "manifest.json").read_bytes())["shards"]:
        if shard["split"] != split:
            continue
        path = folder / shard["name"]
        if not path.is_file() or sha256_of(path) != shard["sha256"]:
            raise InputError(f"{path} is not what its manifest says: run the stage prepare again")
        with path.open("rb") as lines:
            for line in lines:
                row = orjson.loads(line)
                yield row["dataset"], _user(row)


def _user(row: dict[str, Any]) -> User:
    shape = shaper(user_id=row["user_id"])
    parts = {part: tuple(to_interaction(shape(dict(entry))) for entry in row[part]) for part in ("visible", "held_out")}
    return User(user_id=row["user_id"], visible=parts["visible"], held_out=parts["held_out"])


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _format_of(manifest: Path) -> str | None:
    try:
        found = orjson.loads(manifest.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found.get("format") if isinstance(found, dict) else None


def _prepare(config: PrepareConfig, new: Path, buckets: Path) -> dict[str, Any]:
    inputs, tables = [], {}
    shards = Shards(new, config.shard_users)
    for path in config.data:
        name = dataset_name(path)
        inputs.append({"name": name, "sha256": sha256_of(path), "bytes": path.stat().st_size})
        bad: Counter[str] = Counter()
        buckets.mkdir()
        _deal(interactions(path, bad), buckets)
        table = Table()
        for file in sorted(buckets.iterdir()):
            _take_bucket(file, name, config, shards, table)
        shutil.rmtree(buckets)
        tables[name] = table.as_json(bad)
        say(f"{name}: {tables[name]['users']} users, left out {tables[name]['skipped'] or 'nothing'}")
    written = shards.close()
    users = {split: sum(t["users"][split] for t in tables.values()) for split in SPLITS}
    if not any(users.values()):
        raise EmptyHistoryError(
            f"no user is left: { ({n: t['skipped'] for n, t in tables.items()}) }; lower min_visible, or give more data"
        )
    options = {k: v for k, v in as_json(config).items() if k not in ("data", "out")}
    return {
        "format": FORMAT, "inputs": inputs, "options": options, "shards": written,
        "counts": {"users": users, "datasets": tables},
    }  # fmt: skip


def _deal(log: Iterable[Interaction], buckets: Path) -> None:
    """Append each interaction to the bucket of its user; the order inside a user stays."""
    with ExitStack() as stack:
        files: list[BinaryIO] = [stack.enter_context((buckets / f"{n:02}").open("wb")) for n in range(BUCKETS)]
        for interaction in log:
            files[_order(interaction.user_id)[0] % BUCKETS].write(orjson.dumps(list(to_fields(interaction))) + b"\n")


def _order(user_id: str) -> bytes:
    # Salted: the folds come from the bare hash, and a limit on users must not favour one of them.
    return hashlib.sha256(f"prepare {user_id}".encode()).digest()


def _take_bucket(file: Path, name: str, config: PrepareConfig, shards: Shards, table: Table) -> None:
    histories: dict[str, list[Interaction]] = {}
    with file.open("rb") as lines:
        for line in lines:
            interaction = _from_line(line)
            histories.setdefault(interaction.user_id, []).append(interaction)
    for user_id in sorted(histories, key=_order):
        history, split = histories[user_id], split_of(user_id)
        if split == "train" and name in config.evaluation_only:
            split = "test"
        unique = in_time_order(history)
        table.skipped["duplicate_interactions"] += len(history) - len(unique)
        if len(unique) < config.held_out + config.min_visible:
            table.skipped["short_users"] += 1
        elif config.max_users and table.users[split] >= config.max_users:
            table.skipped["users_over_limit"] += 1
        else:
            user = cut(unique, config.held_out)
            table.add(user, split)
            shards.add(split, as_row(user, name))


def _from_line(line: bytes) -> Interaction:
    return to_interaction(tuple(orjson.loads(line)))


class Table:
    """The statistics of one data set."""

    def __init__(self) -> None:
        self.users: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.lengths: list[int] = []
        self.seen_before = 0
        self.timed = 0

    def add(self, user: User, split: str) -> None:
        """Count a user who is written."""
        self.users[split] += 1
        self.lengths.append(len(user.visible))
        visible = {judged_text(i) for i in user.visible}
        self.seen_before += any(judged_text(i) in visible for i in user.held_out)
        self.timed += all(i.timestamp is not None for i in (*user.visible, *user.held_out))

    def as_json(self, bad: Counter[str]) -> dict[str, Any]:
        """Users by split, the length of visible histories, and what was left out, by reason."""
        return {
            "users": {split: self.users[split] for split in SPLITS},
            "visible": {
                "total": sum(self.lengths),
                "median": statistics.median(self.lengths) if self.lengths else 0,
                "max": max(self.lengths, default=0),
            },
            "users_with_times": self.timed,
            "users_whose_held_out_text_is_visible": self.seen_before,
            "skipped": {k: n for k, n in sorted(self.skipped.items()) if n},
            "skipped_lines": dict(sorted(bad.items())),
        }


class Shards:
    """Writes rows to numbered files, a split each, and keeps their hashes."""

    def __init__(self, folder: Path, users: int) -> None:
        self._folder = folder
        self._users = users
        self._rows: dict[str, list[bytes]] = {}
        self._done: list[dict[str, Any]] = []
        self._numbers: Counter[str] = Counter()

    def add(self, split: str, row: dict[str, Any]) -> None:
        """Append one user."""
        rows = self._rows.setdefault(split, [])
        rows.append(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) + b"\n")
        if len(rows) >= self._users:
            self._flush(split)

    def close(self) -> list[dict[str, Any]]:
        """Write what is left; returns the shards in order."""
        for split in list(self._rows):
            self._flush(split)
        return sorted(self._done, key=lambda shard: str(shard["name"]))

    def _flush(self, split: str) -> None:
        rows: Sequence[bytes] = self._rows.pop(split, [])
        if rows:
            data, name = b"".join(rows), f"{split}-{self._numbers[split]:05}.jsonl"
            self._numbers[split] += 1
            (self._folder / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            self._done.append({"name": name, "split": split, "users": len(rows), "sha256": digest})
