"""What goes wrong on real machines: a clear message, the right exit code, and nothing lost."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bump_edge import Store
from tests.cli.run import PROGRAM, ROOT, environment, error, lines, run

GOOD = b'{"item": "green tea"}\n{"item": "green tea pot"}\n{"item": "oolong tea"}\n'


def ingest(home: Path, data: bytes, *arguments: str, name: str = "log.jsonl") -> subprocess.CompletedProcess[bytes]:
    file = home / name
    file.write_bytes(data)
    return run(home, "ingest", file, "--json", *arguments)


def stored(home: Path) -> int:
    return sum(u["interactions"] for u in lines(run(home, "list", "--json")))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_history"),
        (b"\n\n  \n", "empty_history"),
        (bytes(range(256)) * 400, "input"),
        (b"\x89PNG\r\n\x1a\n" + os.urandom(5000), "input"),
        ("{}".encode("utf-16"), "input"),
        (b'{"nothing": 1}\n' * 50, "empty_history"),
        (b'{"role": "assistant", "text": "Hello"}\n', "empty_history"),
    ],
    ids=["empty", "blank", "binary", "png", "utf-16", "nothing usable", "assistant turns only"],
)
def test_a_file_without_a_history_is_an_error(tmp_path: Path, data: bytes, code: str) -> None:
    done = ingest(tmp_path, data)
    assert done.returncode == 1
    assert error(done)["code"] == code
    assert "log.jsonl" in error(done)["message"]


def test_missing_and_unreadable_sources(tmp_path: Path) -> None:
    done = run(tmp_path, "profile", "--history", tmp_path / "gone.jsonl", "--json")
    assert (done.returncode, error(done)["code"]) == (1, "input")
    done = run(tmp_path, "profile", "--history", tmp_path, "--json")
    assert (done.returncode, error(done)["code"]) == (1, "input")


def test_a_truncated_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"item": "tea number %d"}\n' % n for n in range(20_000)))
    done = ingest(tmp_path, whole[: len(whole) // 2], name="log.jsonl.gz")
    (report,) = lines(done)
    assert done.returncode == 0
    assert report["added"] > 1000
    assert report["skipped"]["truncated"] == 1
    assert stored(tmp_path) == report["added"]


def test_a_50_mb_line_and_mixed_encodings_are_skipped(tmp_path: Path) -> None:
    huge = b'{"text": "' + b"x" * 50_000_000 + b'"}\n'
    latin = '{"item": "Café"}\n'.encode("latin-1")
    (report,) = lines(ingest(tmp_path, GOOD + huge + latin + '{"item": "Café au lait"}\n'.encode() + b"\xff\xfe\n"))
    assert report["added"] == 4
    assert sum(report["skipped"].values()) == 3


def test_a_million_bad_lines_are_counted_not_printed(tmp_path: Path) -> None:
    done = ingest(tmp_path, b"nonsense\n" * 1_000_000 + GOOD)
    (report,) = lines(done)
    assert report["added"] == 3
    assert sum(report["skipped"].values()) == 1_000_000
    assert len(done.stderr) < 3000


def test_strict_stops_at_the_first_bad_line_and_keeps_what_came_before(tmp_path: Path) -> None:
    done = ingest(tmp_path, GOOD + b"oops\n" + b'{"item": "late"}\n', "--strict")
    assert done.returncode == 1
    assert "line 4" in error(done)["message"]
    assert stored(tmp_path) == 3


def test_timestamps_in_four_forms_and_nonsense(tmp_path: Path) -> None:
    moments = ["2026-01-01T00:00:00Z", "2026-01-01", 1767225600, 1767225600000, "last Tuesday", "2026-13-45", True]
    data = "".join(json.dumps({"item": f"tea {n}", "timestamp": t}) + "\n" for n, t in enumerate(moments))
    (report,) = lines(ingest(tmp_path, data.encode()))
    assert (report["added"], sum(report["skipped"].values())) == (4, 3)
    with Store(tmp_path / "bump-edge.db") as store:
        assert {i.timestamp for i in store.history("local")} == {datetime(2026, 1, 1, tzinfo=UTC)}


def test_duplicate_ids_are_two_interactions_when_they_differ(tmp_path: Path) -> None:
    data = b'{"id": 1, "item": "tea"}\n{"id": 1, "item": "pot"}\n{"id": 1, "item": "tea"}\n'
    (report,) = lines(ingest(tmp_path, data))
    assert (report["added"], report["duplicates"]) == (2, 1)


def test_one_interaction_is_enough_for_a_profile(tmp_path: Path) -> None:
    (profile,) = lines(run(tmp_path, "profile", "--history", "-", "--json", stdin=b'{"item": "green tea"}\n'))
    assert "green tea" in profile["text"].lower()


def test_a_hundred_thousand_interactions_of_one_user(tmp_path: Path) -> None:
    log = tmp_path / "long.jsonl"
    with log.open("w") as out:
        for n in range(100_000):
            out.write(f'{{"timestamp": {1_600_000_000 + n * 60}, "item": "Song {n % 997}, Band {n % 89}"}}\n')
    (profile,) = lines(run(tmp_path, "profile", "--history", log, "--json"))
    assert profile["manifest"]["history"]["interactions"] == 100_000
    begun = time.monotonic()
    run(tmp_path, "profile", "--force", "--json")
    assert time.monotonic() - begun < 10


def test_a_locked_store_is_said_to_be_locked(tmp_path: Path) -> None:
    ingest(tmp_path, GOOD)
    holder = sqlite3.connect(tmp_path / "bump-edge.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        done = run(tmp_path, "ingest", "-", "--json", stdin=b'{"item": "new"}\n')
    finally:
        holder.close()
    assert done.returncode == 4
    assert error(done)["code"] == "store_locked"


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"this is no database at all, but long enough to be read as one" * 100)
    done = run(tmp_path, "list", "--db", bad, "--json")
    assert (done.returncode, error(done)["code"]) == (1, "store_corrupt")
    assert bad.read_bytes().startswith(b"this is no database")


def test_a_store_from_the_future(tmp_path: Path) -> None:
    ingest(tmp_path, GOOD)
    database = sqlite3.connect(tmp_path / "bump-edge.db")
    database.execute(
        "INSERT INTO _sqlite_migrations(migration_set, name, applied_at) VALUES ('bump-edge', 'holograms', '2031')"
    )
    database.commit()
    database.close()
    done = run(tmp_path, "list", "--json")
    assert (done.returncode, error(done)["code"]) == (1, "store_version")
    assert "holograms" in error(done)["message"]


def test_a_full_disk(tmp_path: Path) -> None:
    # a limit on the size of files stops a write in its middle, as a full disk does
    ingest(tmp_path, GOOD)
    log = tmp_path / "big.jsonl"
    log.write_text("".join(f'{{"item": "tea number {n}", "text": "{"x" * 200}"}}\n' for n in range(20_000)))
    done = run(tmp_path, "ingest", log, "--json", prefix=("prlimit", "--fsize=1000000"))
    assert (done.returncode, error(done)["code"]) == (1, "store_write"), done.stderr
    assert stored(tmp_path) == 3
    assert lines(run(tmp_path, "ingest", log, "--json"))[0]["added"] == 20_000


def test_a_read_only_store_can_still_be_read(tmp_path: Path) -> None:
    run(tmp_path, "profile", "--history", "-", stdin=GOOD)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    (tmp_path / "bump-edge.db").chmod(0o444)
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    done = run(tmp_path, "show", "--json", prefix=nobody)
    assert done.returncode == 0, done.stderr
    done = run(tmp_path, "ingest", "-", "--json", stdin=b'{"item": "new"}', prefix=nobody)
    assert (done.returncode, error(done)["code"]) == (1, "store_write")


def test_a_corrupt_model_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "genai_config.json").write_text("{}")
    ingest(tmp_path, GOOD)
    done = run(tmp_path, "profile", "--model", folder, "--json")
    assert (done.returncode, error(done)["code"]) == (5, "model_corrupt")
    (tmp_path / "fake.gguf").write_bytes(b"GGUF" + bytes(100))
    done = run(tmp_path, "models", "add", tmp_path / "fake.gguf", "--json")
    assert (done.returncode, error(done)["code"]) == (5, "model_corrupt")
    assert stored(tmp_path) == 3


def test_two_writers_at_once(tmp_path: Path) -> None:
    files = []
    for writer in range(2):
        file = tmp_path / f"log{writer}.jsonl"
        file.write_text("".join(f'{{"item": "tea {writer} {n}"}}\n' for n in range(30_000)) + '{"item": "shared"}\n')
        files.append(file)
    running = [
        subprocess.Popen([*PROGRAM, "ingest", str(f)], env=environment(tmp_path), cwd=ROOT, stderr=subprocess.PIPE)
        for f in files
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert [p.returncode for p in running] == [0, 0], errors
    assert stored(tmp_path) == 60_001


@pytest.mark.parametrize("delay", [0.15, 0.4, 0.8, 1.5])
def test_ctrl_c_at_any_moment_loses_nothing_that_was_stored(tmp_path: Path, delay: float) -> None:
    ingest(tmp_path, GOOD)
    log = tmp_path / "many.jsonl"
    log.write_text("".join(f'{{"user_id": "u{n % 4000}", "item": "tea number {n}"}}\n' for n in range(60_000)))
    process = subprocess.Popen(
        [*PROGRAM, "profile", "--history", str(log), "--json"],
        env=environment(tmp_path), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), err
    assert b"Traceback" not in err or process.returncode == -signal.SIGINT
    with sqlite3.connect(tmp_path / "bump-edge.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    printed = out.splitlines()
    shown = {p["user_id"] for p in lines(run(tmp_path, "show", "--all", "--json"))}
    for line in printed[:-1]:
        assert json.loads(line)["user_id"] in shown
    assert "local" in {u["user_id"] for u in lines(run(tmp_path, "list", "--json"))}
    # the same command again goes on where it was
    done = run(tmp_path, "ingest", log, "--json")
    assert lines(done)[0]["added"] + lines(done)[0]["duplicates"] == 60_000
    assert stored(tmp_path) == 60_003
