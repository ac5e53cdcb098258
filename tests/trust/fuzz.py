"""Gate: whatever a file holds, reading it ends in interactions, counted problems or an error of ours.

Valid records of every format are broken by random edits: bytes changed, cut, doubled, spliced from elsewhere, values
replaced by hostile ones. Half of them stay well formed, so that hostile values reach what is behind the parser. Between
the broken lines of JSON Lines stand whole ones, each of which must come out again: a bad line never costs a good one.
One file of fifty is taken into a store, too, and profiles are written of what that holds in the end.
"""

from __future__ import annotations

import io
import json
import math
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import orjson

from bump_edge import Interaction, Profiler, Store
from bump_edge.errors import BumpEdgeError
from bump_edge.models.manifest import read_manifest
from bump_edge.readers import Reader, to_interaction
from bump_edge.types import MAX_USER_ID
from tests.trust.gate import Outcome

_LINES = {"jsonl": 2_000, "csv": 200, "lamp": 2}
"""Records of a file. What a lost quote or bracket swallows has not been tried: a LaMP file is one JSON array."""
_CANARY = 10  # every so many-th line is whole
_STORED = 50  # every so many-th file goes into a store
_PROFILED = 300  # users of it, at most
_HOSTILE = (
    b"null", b"true", b"-1", b"1e999", b"-0.0", b"NaN", b"Infinity", b"99999999999999999999999", b'""', b'"\\u0000"',
    b'"\\ud800"', b'"\\udcff\\ud83d"', b"[]", b"{}", b"[" * 3000, b'{"a":' * 1500, b'"\xff\xfe"',
    b'"' + b"x" * 70_000 + b'"',
    b'"2025-13-45T99:99:99Z"', b'"0000-00-00"', b"253402300800", b"-62135596801000", b'"<|im_start|>system"',
    "\"\u202e\ufeff\u0000\"".encode(), b'{"__proto__":1}', b"\xc0\x80", b"\xef\xbb\xbf", b"\x1f\x8b\x08", b"(\xb5/\xfd",
)  # fmt: skip

_VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1e308, -0.0, 2**63, -(2**63), 2**64 - 1, 253402300800, -62135596801000,
    "", " ", "\0", "\u202e\ufeff", "\ud800", "\udcff", "x" * 70_000, "x" * (MAX_USER_ID + 1), "a\u0301" * 300,
    "2025-13-45T99:99:99Z", "0000-00-00", "9999-12-31T23:59:59-23:59", "NaN", "Infinity", "-1", "1e999",
    "<|im_start|>system", "<user_profile>", "</user_profile>", "'; DROP TABLE users; --", "\x1b[2J",
    [], [[]], ["a", None, {}], {}, {"": ""}, {"text": {"text": "x"}}, {"a": {"b": {"c": [1] * 50}}},
)  # fmt: skip
_KEYS = (
    "text", "item", "rating", "timestamp", "user_id", "type", "meta", "role", "messages", "content", "profile", "id",
    "date", "", "\0", "__proto__",
)  # fmt: skip

Seeds = Callable[[int], bytes]


def jsonl_seed(n: int) -> bytes:
    """A whole record as JSON Lines, the n-th."""
    return orjson.dumps(
        {
            "user_id": f"user{n % 7}", "type": "review", "item": f"Item {n}", "text": f"whole record number {n}",
            "rating": n % 5 + 0.5, "timestamp": "2025-03-04T05:06:07Z", "meta": {"genre": ["a", "b"], "year": 2024},
        }
    )  # fmt: skip


def csv_seed(n: int) -> bytes:
    """A row of a table whose header is ``user_id,item,text,rating,timestamp``."""
    return f'user{n % 7},"Item, {n}","said ""well"" {n}",{n % 5},2025-03-04'.encode()


def lamp_seed(n: int) -> bytes:
    """An object of a LaMP file."""
    return orjson.dumps(
        {
            "id": f"{n}",
            "input": "?",
            "profile": [{"id": f"{n}-{k}", "text": f"text {k}", "title": "t"} for k in range(3)],
        }
    )


def mutated(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """`whole`, broken in one to four places; never as it was."""
    out = bytearray(whole)
    turns = rng.randint(1, 4)
    while turns > 0 or out == whole:
        turns -= 1
        at = rng.randrange(len(out) + 1)
        match rng.randrange(7):
            case 0 if out:
                out[at % len(out)] = rng.randrange(256)
            case 1:
                out[at:at] = rng.randbytes(rng.randint(1, 4))
            case 2:
                del out[at : at + rng.randint(1, 12)]
            case 3:
                out[at:] = other[rng.randrange(len(other)) :]
            case 4:
                out[at:at] = rng.choice(_HOSTILE)
            case 5:  # a value replaced
                start = out.find(b":", at) + 1
                end = min((e for e in (out.find(b",", start), out.find(b"}", start)) if e > 0), default=len(out))
                out[start:end] = rng.choice(_HOSTILE)
            case _:
                out[at:at] = out[max(0, at - 20) : at]
    return bytes(out)


def bent(whole: bytes, rng: random.Random) -> bytes:
    """A record that stays well formed, with one to three hostile values."""
    if not whole.startswith(b"{"):
        cells = ["u", "item", "text", "3", "2025-03-04"]
        for _ in range(rng.randint(1, 3)):
            cells[rng.randrange(5)] = str(rng.choice(_VALUES)).replace('"', '""')
        return ",".join(f'"{cell}"' for cell in cells).encode("utf-8", "surrogatepass")
    record = orjson.loads(whole)
    for _ in range(rng.randint(1, 3)):
        inner = rng.choice(record["profile"]) if isinstance(record.get("profile"), list) and record["profile"] else None
        target = inner if isinstance(inner, dict) and rng.random() < 0.8 else record
        key = rng.choice(sorted(target)) if target and rng.random() < 0.7 else rng.choice(_KEYS)
        target[key] = deepcopy(rng.choice(_VALUES))  # a later turn may bend what is in it
    return json.dumps(record, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def wrong(interaction: Interaction) -> str | None:
    """What is wrong with an interaction that a reader let through."""
    try:
        for value in (interaction.user_id, interaction.item, interaction.text, interaction.type):
            (value or "").encode()
        json.dumps(interaction.meta, allow_nan=False)
    except (UnicodeEncodeError, ValueError) as error:
        return f"{error}"
    if not 0 < len(interaction.user_id) <= MAX_USER_ID:
        return f"a user_id of {len(interaction.user_id)} characters"
    if interaction.rating is not None and not math.isfinite(interaction.rating):
        return f"the rating {interaction.rating}"
    return None if interaction.item or interaction.text else "neither item nor text"


class Fuzzer:
    """Feeds broken files; counts records, and keeps what went wrong.

    Args:
        seed: of its choices.
        store: takes some of the files in.
    """

    def __init__(self, seed: int, store: Store | None = None) -> None:
        self.rng = random.Random(seed)
        self.store = store
        self.records = 0  # broken ones that were fed
        self.lines = 0  # with the whole ones between them
        self.became = Counter({"interactions": 0, "problems": 0})
        self.ends: Counter[str] = Counter()
        self.failures: list[str] = []

    def file(self, kind: str, seed: Seeds) -> None:
        """One broken file of a format, read."""
        start, count = self.lines, _LINES[kind]
        whole = [kind == "jsonl" and n % _CANARY == 0 for n in range(start, start + count)]
        lines = [
            seed(n) if good else bent(seed(n), self.rng) if n % 2 else mutated(seed(n), seed(n + 1), self.rng)
            for n, good in enumerate(whole, start)
        ]
        self.lines += count
        self.records += whole.count(False)
        head = b"user_id,item,text,rating,timestamp\n" if kind == "csv" else b""
        body = b"[" + b",".join(lines) + b"]" if kind == "lamp" else b"\n".join(lines)
        expected = {f"whole record number {n}" for n, good in enumerate(whole, start) if good}
        seen: set[str] = set()
        reader = Reader(io.BytesIO(head + body), format=kind)
        with self.only_our_errors(kind):
            for batch in reader.batches():
                for interaction in map(to_interaction, batch):
                    seen.add(interaction.text or "")
                    self.became["interactions"] += 1
                    if (problem := wrong(interaction)) is not None:
                        self.failures.append(f"{kind}: let through: {problem}")
            self.ends[f"{kind} read"] += 1
        self.became["problems"] += sum(reader.problems.counts.values())
        if self.store is not None and self.rng.randrange(_STORED) == 0:
            self.into_store(kind, head + body)
        if kind == "jsonl" and (lost := expected - seen):
            self.failures.append(f"jsonl: {len(lost)} whole lines were lost, such as {min(lost)!r}")

    def into_store(self, kind: str, data: bytes) -> None:
        """Take a broken file in."""
        assert self.store is not None
        with self.only_our_errors(f"{kind} stored"):
            self.became["stored"] += self.store.ingest_file(io.BytesIO(data), format=kind).added

    def profiles(self) -> None:
        """Write profiles of what was stored, which may only fail with an error of ours."""
        assert self.store is not None
        users = [user.user_id for user in self.store.users()]
        with Profiler(self.store, "extractive") as profiler:
            for user in self.rng.sample(users, min(_PROFILED, len(users))):
                with self.only_our_errors("profile"):
                    profiler.profile(user)
                    self.became["profiles"] += 1
        if (damage := self.store.check()) is not None:
            self.failures.append(f"the store: {damage}")

    def one(self, what: str, whole: bytes, read: Callable[[bytes], object]) -> None:
        """One broken document, read by `read`, which may only fail with an error of ours."""
        self.records += 1
        with self.only_our_errors(what):
            read(mutated(whole, whole, self.rng))
            self.ends[f"{what} read"] += 1

    @contextmanager
    def only_our_errors(self, what: str) -> Iterator[None]:
        """What runs inside may fail with an error of ours, which is counted; any other is a failure of the product."""
        try:
            yield
        except BumpEdgeError as error:
            self.ends[f"{what} {type(error).__name__}"] += 1
        except Exception as error:  # noqa: BLE001  (any other error is what the gate looks for)
            self.failures.append(f"{what}: {type(error).__name__}: {error}")


def run(*, long: bool) -> Outcome:
    """1,000,000 records in the long mode, most of them lines of logs."""
    fuzzer = Fuzzer(0)
    total = 1_000_000 if long else 60_000
    documents = 6_000 if long else 300
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        manifest = orjson.dumps(
            {
                "format": 1, "name": "m", "backend": "gguf", "source": "s", "licence": None, "added_at": None,
                "files": [{"name": "m.gguf", "size": 9, "sha256": "0" * 64}], "figures": {"kl": 0.1},
            }
        )  # fmt: skip

        def as_manifest(data: bytes) -> None:
            (home / "manifest.json").write_bytes(data)
            read_manifest(home)

        with Store(home / "a.db") as store, Profiler(store, "extractive") as profiler:
            store.ingest(Interaction(user_id="u", text=f"guitar strings number {n}") for n in range(12))
            profiler.profile("u")
            stream = io.BytesIO()
            store.export_file(stream)
        for _ in range(documents):
            fuzzer.one("manifest", manifest, as_manifest)
        with Store(home / "b.db") as store:
            for _ in range(documents):
                fuzzer.one("import", stream.getvalue(), lambda data: store.import_file(io.BytesIO(data)))
            if store.users():
                fuzzer.failures.append("import: a changed export was taken in")
            if (damage := store.check()) is not None:
                fuzzer.failures.append(f"import: {damage}")
        with Store(home / "c.db") as fuzzer.store:
            while fuzzer.records < total:
                for kind, seed, files in (("jsonl", jsonl_seed, 2), ("csv", csv_seed, 5), ("lamp", lamp_seed, 500)):
                    for _ in range(files):
                        fuzzer.file(kind, seed)
            fuzzer.profiles()
    return Outcome(
        promise="A hostile file ends in counted problems or a clear error, and never costs a good line",
        test="broken JSON Lines, CSV, LaMP, exports and manifests",
        tried=fuzzer.records,
        failures=list(dict.fromkeys(fuzzer.failures))[:20],
        planted=planted(),
        figures=dict(fuzzer.ends.most_common()) | dict(fuzzer.became),
    )


def planted() -> dict[str, bool]:
    """Readers that break the promise: does the gate see it?"""
    crash, swallow = Fuzzer(1), Fuzzer(1)

    def raises(data: bytes) -> None:
        orjson.loads(data)

    for _ in range(50):
        crash.one("planted", jsonl_seed(1), raises)
    original = Reader.batches

    def loses(self: Reader, **given: int) -> object:
        for batch in original(self, **given):
            yield batch[1:]

    Reader.batches = loses  # type: ignore[method-assign,assignment]
    try:
        swallow.file("jsonl", jsonl_seed)
    finally:
        Reader.batches = original  # type: ignore[method-assign]
    return {"an error of a library": bool(crash.failures), "a good line lost": bool(swallow.failures)}
