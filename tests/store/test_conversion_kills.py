"""Conversions that are killed, and that others' reading and writing gets in the way of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bump_edge import Store, StoreLockedError, decrypt_store, encrypt_store, rotate_key
from bump_edge.store import files
from bump_edge.types import Interaction
from tests.store import keychain as chain
from tests.store.traces import contents, planted, traces

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

EVENTS = {"open", "os.link", "os.rename", "os.remove", "os.chmod"}
BEGIN: dict[str, Callable[[Path], object]] = {
    "encrypt": lambda path: None, "rotate": encrypt_store, "decrypt": encrypt_store,
}  # fmt: skip
CONVERT: dict[str, Callable[[Path], object]] = {
    "encrypt": encrypt_store,
    "rotate": rotate_key,
    "decrypt": decrypt_store,
}


def killed_at(number: int, folders: tuple[Path, ...], call: Callable[[Path], object], path: Path) -> str | None:
    """Run `call` in a process that dies when it is about to touch something in the folders for the `number`-th time.

    No race: the process kills itself at that very point. Returns at what, None where it ends well before it gets there.
    """
    left = number
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover

        def seen(event: str, args: tuple[object, ...]) -> None:
            nonlocal left
            if event in EVENTS and isinstance(args[0], str | bytes | os.PathLike):
                if not os.fsdecode(args[0]).startswith(tuple(map(str, folders))):
                    return
                left -= 1
                if not left:
                    os.write(write, f"{event} {os.fsdecode(args[0])}".encode())
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(seen)
            call(path)
        except BaseException as error:  # noqa: BLE001
            os.write(write, repr(error).encode())
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, -signal.SIGKILL}, said
    return said if code else None


@pytest.mark.parametrize("kind_of", list(CONVERT))
@pytest.mark.timeout(600)
def test_killed_before_every_step(tmp_path: Path, keychain: Path, kind_of: str) -> None:
    points: list[str] = []
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        path = folder / "s.db"
        with Store(path) as store:
            store.ingest(planted(40))
        before = contents(path)
        keychain.unlink(missing_ok=True)
        BEGIN[kind_of](path)
        point = killed_at(number, (folder, keychain.parent), CONVERT[kind_of], path)
        if point is None:
            break
        points.append(point.replace(str(folder), "").replace(str(keychain.parent), "keychain"))
        if kind_of == "rotate":
            assert traces(folder) == set(), point
        assert contents(path) == before, point
        CONVERT[kind_of](path)
        assert contents(path) == before, point
        assert [f.name for f in folder.iterdir()] == ["s.db"], point
        assert bool(traces(folder)) == (kind_of == "decrypt"), point
        assert len(chain.kept(keychain)) == (kind_of != "decrypt"), point
    steps = {point.split()[0] for point in points}
    assert steps >= {"open", "os.link", "os.rename", "os.remove"}, points
    assert any(p == "os.rename /s.db-new" for p in points)
    assert any(p == "os.remove /s.db-old" for p in points)


@pytest.mark.timeout(300)
def test_killed_while_it_copies(path: Path, keychain: Path) -> None:
    with Store(path) as store:
        store.ingest(Interaction(text=f"{i.text} {k}") for k in range(150) for i in planted(100))
    before = contents(path)
    for part in (0.2, 0.6, 0.95):
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys, bump_edge as b; b.encrypt_store(sys.argv[1])", path]
        )
        new = path.with_name("s.db" + files.NEW)
        wanted = part * path.stat().st_size
        while process.poll() is None and not (new.exists() and new.stat().st_size >= wanted):
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert new.exists()
        assert contents(path) == before
    report = encrypt_store(path)
    assert (report.changed, report.cleared) == (True, 1)
    assert contents(path) == before
    assert traces(path.parent) == set()


HOLD = """
import sys
from bump_edge import Interaction, Store
with Store(sys.argv[1]) as store:
    print("open", flush=True)
    sys.stdin.readline()
    print(store.ingest([Interaction(text="written while others wanted the store")]).added, flush=True)
"""


def test_a_store_that_another_process_has_open_waits_for_it(path: Path, keychain: Path) -> None:
    with Store(path) as store:
        store.ingest(planted(3))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(StoreLockedError, match="open in another process") as caught:
        encrypt_store(path, timeout=0.3)
    assert caught.value.exit_code == 4
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert encrypt_store(path, timeout=60).changed
    assert holder.communicate()[0] == "1\n"
    assert len(contents(path)) == 4
    assert traces(path.parent) == set()


ENCRYPT = """
import sys
from bump_edge import StoreLockedError, encrypt_store
try:
    encrypt_store(sys.argv[1], timeout=0.3)
    print("converted")
except StoreLockedError:
    print("locked")
"""


def test_reading_a_store_beside_sqlite_does_not_give_its_locks_away(path: Path, keychain: Path) -> None:
    def another_process() -> str:
        done = subprocess.run([sys.executable, "-c", ENCRYPT, path], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with Store(path) as store:
        store.ingest(planted(3))
        assert another_process() == "locked"
        assert store.scan([b"nothing like it"]).found == 0
        assert files.header(path).kind == "plain"
        with Store(path) as second:
            assert second.count("local") == 3
        assert another_process() == "locked"
        if sys.platform == "linux":
            for name in ("s.db", "s.db-shm"):
                (path.parent / name).read_bytes()  # what `files.blocks` is there to avoid
            assert another_process() == "converted"


WRITE = """
import sys, time
from bump_edge import Interaction, Store
n = 0
stop = time.monotonic() + float(sys.argv[3])
while time.monotonic() < stop:
    text = f"writer {sys.argv[2]} line {n}"
    with Store(sys.argv[1], timeout=60) as store:
        assert store.ingest([Interaction(text=text)]).added == 1
    print(text, flush=True)
    n += 1
    time.sleep(0.03)
"""


@pytest.mark.timeout(300)
def test_no_write_is_lost_to_conversions(path: Path, keychain: Path) -> None:
    Store(path).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, path, str(n), "8"], stdout=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    turns = 0
    while any(w.poll() is None for w in writers):
        for convert in (encrypt_store, rotate_key, decrypt_store):
            convert(path, timeout=120)
            turns += 1
    written = [line for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [w.returncode for w in writers] == [0, 0]
    assert len(written) > 4
    assert turns >= 3
    assert {text for _, text in contents(path)} == set(written)
    assert [f.name for f in path.parent.iterdir()] == ["s.db"]
