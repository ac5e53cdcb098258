"""Several processes, and several threads, at one store."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bump_edge.errors import StoreError
from bump_edge.store import Store
from bump_edge.types import Interaction

INGEST = """
import sys
from bump_edge.store import Store
with Store(sys.argv[1], timeout=60) as store:
    for source in sys.argv[2:]:
        print(store.ingest_file(source).added, flush=True)
"""


def start(path: Path, *sources: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", INGEST, path, *sources], stdout=subprocess.PIPE, text=True)


def write(source: Path, start: int, stop: int) -> Path:
    source.write_text(
        "".join(f'{{"user_id": "u{k % 3}", "text": "line {k}", "timestamp": {k}}}\n' for k in range(start, stop))
    )
    return source


def test_four_processes_with_overlapping_files(path: Path, tmp_path: Path) -> None:
    sources = [write(tmp_path / f"{n}.jsonl", n * 4000, n * 4000 + 8000) for n in range(4)]
    running = [start(path, source, sources[n - 1]) for n, source in enumerate(sources)]
    added = [int(line) for process in running for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(added) == 20_000
    with Store(path) as store:
        texts = {i.text for u in store.users() for i in store.iter_history(u.user_id)}
        assert texts == {f"line {k}" for k in range(20_000)}
        assert sum(u.interactions for u in store.users()) == 20_000
        assert store.check() is None


def test_two_stores_of_one_process_write_at_once(path: Path) -> None:
    def work(n: int) -> None:
        with Store(path) as store:
            for part in range(20):
                store.ingest(Interaction(text=f"{(part * 50 + k) % 700}", user_id=f"u{n % 2}") for k in range(50))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(path) as store:
        assert [u.interactions for u in store.users()] == [700, 700]
        assert store.check() is None


def test_threads_share_a_store_while_it_ingests(path: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", 0, 120_000)
    with Store(path) as store:
        store.ingest([Interaction(text="line zero", user_id="u0")])
        failed: list[BaseException] = []
        done = threading.Event()

        def look() -> None:
            try:
                while not done.is_set():
                    found = store.history("u0", limit=50, newest=True)
                    assert len(found) == min(50, store.count("u0")) or store.count("u0") > len(found)
                    assert store.search("u0", "line")
            except Exception as error:  # noqa: BLE001
                failed.append(error)

        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        report = store.ingest_file(source)
        done.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert report.added == 120_000


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_ingest_leaves_whole_batches_and_a_second_run_completes_it(path: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", 0, 400_000)
    process = start(path, source)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until some batch is in
        time.sleep(0.05)
        wal = path.with_name("s.db-wal")
        if wal.exists() and wal.stat().st_size > 6_000_000:
            break
    process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    with Store(path) as store:
        kept = sum(u.interactions for u in store.users())
        assert 0 < kept < 400_000
        assert kept == store._connection.rows("SELECT count(*) FROM interactions")[0][0]
        assert store.check() is None
        assert store.ingest_file(source).added == 400_000 - kept
        assert store.check() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_its_own(path: Path) -> None:
    with Store(path) as store:
        store.ingest([Interaction(text="a")])
        child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                store.users()
            except StoreError as error:
                os._exit(7 if "forked" in error.message else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert store.count("local") == 1
