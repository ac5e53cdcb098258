"""Exports as files: where they go, hostile ones, memory, a full disk and a kill in the middle."""

import os
import stat
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import orjson
import pytest

from bump_edge.errors import InputError, StoreWriteError, UsageError
from bump_edge.store import Store, records
from bump_edge.types import Interaction
from tests.store.transfer_help import act, dump, fill, load, open_new, save, sealed


def test_files_that_exist_or_cannot_be_written(store: Store, tmp_path: Path) -> None:
    fill(store)
    file = tmp_path / "e.jsonl"
    file.write_text("mine")
    with pytest.raises(UsageError, match=r"exists: expected a new file.*--yes"):
        store.export_file(file)
    assert file.read_text() == "mine"
    store.export_file(file, overwrite=True)
    assert file.read_bytes() == dump(store)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="no regular file"):
        store.export_file(tmp_path, overwrite=True)
    with pytest.raises(StoreWriteError, match="Nothing was written"):
        store.export_file(tmp_path / "no" / "e.jsonl")
    if Path("/dev/full").exists():
        with open("/dev/full", "wb", buffering=0) as full, pytest.raises(StoreWriteError, match="No space left"):  # noqa: PTH123
            store.export_file(full)
    with pytest.raises(InputError, match="cannot be read"):
        store.import_file(tmp_path / "none")


def test_a_stream_that_cannot_seek(store: Store, tmp_path: Path) -> None:
    fill(store)
    data = dump(store)
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    with open(read, "rb") as pipe, open_new(tmp_path, "other") as other:  # noqa: PTH123
        assert other.import_file(pipe).added == 5
        assert dump(other) == data
        assert sorted(p.name.split("-")[0] for p in tmp_path.iterdir()) == ["other.db"] * 3 + ["s.db"] * 3


HEAD = {"bump_edge_export": 1, "histories": True, "users": 1}
ANNA = {"user": "anna"}
FACT = {"interaction": {"id": act(0).id, "at": 1_600_000_000_000, "type": "purchase", "text": act(0).text}}
VERSION = {
    "uid": "ab" * 16, "created_at": 5, "model": "m", "language": "en", "recipe": "r", "origin": "write", "updates": 0,
    "text": "T.", "manifest": {}, "sentences": [{"text": "T.", "confirmed": False, "evidence": [act(0).id]}],
}  # fmt: skip
DEEP = (
    b'{"interaction":{"id":"' + act(0).id.encode() + b'","text":"t","meta":{"a":' + b"[" * 500 + b"]" * 500 + b"}}}\n"
)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no export"),
        (b"hello\n", "is no export"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "not compressed"),
        (b'{"text": "a log"}\n', "bump-edge ingest"),
        (b"x" * 100_000, "is no export"),
        (sealed({"bump_edge_export": 2, "other": 1}), "pip install -U bump-edge"),
        (sealed({"bump_edge_export": True}), "is no export"),
        (sealed({"bump_edge_export": 1, "histories": True}), "the header has no users"),
        (sealed({**HEAD, "users": 2}, ANNA), "1 users where the header says 2"),
        (sealed({**HEAD, "users": 2}, ANNA, ANNA), "comes twice"),
        (sealed({**HEAD, "users": 2}, {"user": "bob"}, ANNA), "not in order"),
        (sealed(HEAD, {"user": ""}), "user is empty"),
        (sealed(HEAD, {"user": "u" * 513}), "more than 512"),
        (sealed(HEAD, FACT), "before the first user"),
        (sealed(HEAD, ANNA, []), "it is no object"),
        (sealed(HEAD, ANNA, b"\n"), "it is no JSON"),
        (sealed(HEAD, ANNA, b"[" * 100_000 + b"\n"), "it is no JSON"),
        (sealed(HEAD, ANNA, {"photo": 1}), "'photo' is no kind of line"),
        (sealed(HEAD, ANNA, DEEP), "nested too deeply"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "mood": 1}}), "unknown key 'mood'"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "text": "other"}}), "not of its content"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "at": "1"}}), "at is no whole number"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "at": 1 << 60}}), "at is no whole number"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "text": 5}}), "text is a int"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "rating": "5"}}), "rating is no decimal"),
        (sealed(HEAD, ANNA, {"interaction": {**FACT["interaction"], "meta": []}}), "meta is no object"),
        (sealed(HEAD, ANNA, {"interaction": {"id": act(0).id}}), "neither text nor item"),
        (sealed(HEAD, ANNA, {"interaction": {"id": "zz", "text": "t"}}), "id is not hexadecimal"),
        (sealed(HEAD, ANNA, {"gone": ["AB" * 16]}), "32 hexadecimal digits"),
        (sealed(HEAD, ANNA, {"marks": ["ab" * 16]}), "the line has no key"),
        (sealed(HEAD, ANNA, {"unsaid": ["ab" * 16], "key": "ab" * 16}), "unsaid is no pairs"),
        (sealed(HEAD, ANNA, {"correction": {"kind": "praise", "text": "t", "at": 1, "active": True}}), "no kind of"),
        (sealed(HEAD, ANNA, {"correction": {"kind": "pin", "text": " t", "at": 1, "active": True}}), "no correction's"),
        (sealed(HEAD, ANNA, {"correction": {"kind": "pin", "text": "t", "at": 1, "active": 1}}), "active is not"),
        (sealed(HEAD, ANNA, {"version": VERSION}), "which is not in the history"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "created_at": -(1 << 60)}}), "created_at is no whole"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "updates": -1}}), "updates is no whole"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "version": -1}}), "unknown key 'version'"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "origin": "magic"}}), "origin is none"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "sentences": []}}), "sentences is no list"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "sentences": [1]}}), "a sentence is no object"),
        (sealed(HEAD, ANNA, {"version": {**VERSION, "manifest": 3}}), "manifest is no object"),
        (sealed(HEAD, ANNA, {"gone": []}, {"marks": [], "key": "ab" * 16}), "too late"),
        (sealed({**HEAD, "histories": False}, ANNA, FACT), "without histories"),
        (sealed({**HEAD, "histories": False}, ANNA, {"version": {**VERSION, "origin": "import"}}), "without histories"),
    ],
)
def test_a_hostile_file_with_a_good_checksum_is_refused_whole(path: Path, data: bytes, said: str) -> None:
    with Store(path) as store:
        fill(store, range(60, 66), user="aaron")
        before = dump(store)
        with pytest.raises(InputError, match=said):
            load(store, data)
        # also when all of it came after something good
        first, _, rest = data.partition(b"\n")
        if b'"users":1' in first and rest:
            good = sealed(HEAD, {"user": "Abel"}, {"gone": ["cd" * 16]}).splitlines(keepends=True)[1:-1]
            lines = data.splitlines(keepends=True)[1:-1]
            with pytest.raises(InputError):
                load(store, sealed({**orjson.loads(first), "users": 2}, *good, *lines))
        assert dump(store) == before
        assert store.check() is None


def test_a_line_that_is_too_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_LINE", 5000)
    with pytest.raises(InputError, match="a line of more than 5,000 bytes"):
        load(store, sealed(HEAD, ANNA, {"gone": ["ab" * 16] * 200}))
    store.ingest([Interaction(text="x" * 6000)])
    with pytest.raises(UsageError, match=r"one line of the export would have 6,\d\d\d bytes"):
        dump(store)


def test_an_import_that_fills_the_disk_leaves_the_store_as_it_was(store: Store, tmp_path: Path) -> None:
    fill(store)
    before = dump(store)
    with open_new(tmp_path, "big") as big:
        big.ingest(act(n) for n in range(20_000))
        data = dump(big)
    pages = store._connection.rows("PRAGMA page_count")[0][0]
    store._connection.rows(f"PRAGMA max_page_count = {pages + 300}")
    with pytest.raises(StoreWriteError, match="free space"):
        load(store, data)
    assert dump(store) == before
    assert store.check() is None


def test_export_and_import_hold_no_more_than_a_batch(store: Store, tmp_path: Path) -> None:
    store.ingest(act(n) for n in range(40_000))
    file = tmp_path / "big.jsonl"
    tracemalloc.start()
    try:
        size = store.export_file(file).bytes
        exported = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with open_new(tmp_path, "other") as other:
            assert other.import_file(file).added == 40_000
        imported = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 7_000_000
    assert exported < 2_000_000
    assert imported < 6_000_000


KILLED = """
import sys
from bump_edge.store import Store
print("go", flush=True)
with Store(sys.argv[1]) as store:
    store.import_file(sys.argv[2])
print("done", flush=True)
"""


def test_an_import_that_is_killed_leaves_the_store_as_it_was(path: Path, tmp_path: Path) -> None:
    with open_new(tmp_path, "big") as big:
        big.ingest(act(n) for n in range(60_000))
        save(big, [("Likes kettles.", [act(1)])])
        big.export_file(tmp_path / "big.jsonl")
    with Store(path) as store:
        fill(store)
        before = dump(store)
    wal = path.with_name(path.name + "-wal")
    process = subprocess.Popen([sys.executable, "-c", KILLED, path, tmp_path / "big.jsonl"], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with Store(path, timeout=0.05) as probe:
            try:
                with probe._connection.writing():
                    pass
            except Exception:  # noqa: BLE001
                break
    time.sleep(0.15)
    process.kill()
    out, _ = process.communicate()
    assert out == b"go\n"
    assert wal.exists()
    with Store(path) as store:
        assert dump(store) == before
        assert store.check() is None
        assert store.import_file(tmp_path / "big.jsonl").added == 60_000 - 6
