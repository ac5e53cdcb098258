"""The file: who may read it, what it may be, what happens when it cannot be used."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bump_edge.errors import StoreCorruptError, StoreError, StoreLockedError, StoreVersionError, StoreWriteError
from bump_edge.store import Standing, Store, schema
from bump_edge.types import Interaction

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fill(path: Path, count: int = 100) -> None:
    with Store(path) as store:
        store.ingest(Interaction(text=f"line {k} about zebras") for k in range(count))


def as_nobody(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process that file permissions hold for, also where the tests run as root."""
    drop = "import os; os.setgid(65534); os.setuid(65534)\n" if ROOT else ""
    # what must be imported is imported before the privileges go: the checkout may be root's alone
    head = (
        "import sys, sqlite3, orjson, snowballstemmer, sqlite_utils\n"
        "import bump_edge.errors, bump_edge.store.ingest, bump_edge.store.search\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + drop + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def let_nobody_in(folder: Path) -> None:
    if ROOT:
        for each in (folder, *list(folder.parents)[:2]):  # pytest's own folders
            each.chmod(each.stat().st_mode | 0o055)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "s.db"
    with Store(path) as store:
        store.ingest([Interaction(text="a")])
        files = sorted(path.parent.iterdir())
        assert [f.name for f in files] == ["s.db", "s.db-shm", "s.db-wal"]
        assert {mode(f) for f in files} == {0o600}
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert [f.name for f in path.parent.iterdir()] == ["s.db"]


def test_settings_of_the_connection(store: Store) -> None:
    ask = {name: store._connection.rows(f"PRAGMA {name}")[0][0] for name in
           ("journal_mode", "foreign_keys", "secure_delete", "synchronous", "busy_timeout")}  # fmt: skip
    assert ask == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "secure_delete": 1,
        "synchronous": 1,
        "busy_timeout": 10_000,
    }


def test_the_default_path_is_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUMP_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BUMP_EDGE_DB", raising=False)
    with Store() as store:
        assert store.path == tmp_path / "home" / "bump-edge.db"
    assert mode(tmp_path / "home") == 0o700


def test_paths_with_strange_characters(tmp_path: Path) -> None:
    for name in ("a b?c#d%20.db", "ü'\"mode=ro&.db"):
        fill(tmp_path / name, 1)
        with Store(tmp_path / name) as store:
            assert store.count("local") == 1
        assert (tmp_path / name).exists()


def test_a_store_from_the_future(path: Path) -> None:
    fill(path)
    with sqlite3.connect(path) as sql:
        sql.execute(
            "INSERT INTO _sqlite_migrations(migration_set, name, applied_at) VALUES ('bump-edge', 'time_travel', '')"
        )
    sql.close()
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match=r"newer bump-edge: it has time_travel.*pip install -U"):
        Store(path)
    assert path.read_bytes() == before


def test_an_older_store_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as old:
        old.setattr(schema, "NAMES", ("first",))
        sql = sqlite3.connect(path, isolation_level=None)
        schema.migrate(sql)
        sql.execute(
            "INSERT INTO users(no, user_id, interactions, last_position, revision) VALUES (1, 'local', 1, 1, 1)"
        )
        sql.execute(
            "INSERT INTO interactions VALUES (?, 1, ?, 0, 'note', NULL, 'tuned a lute', NULL, NULL)",
            (2**32 + 1, b"d" * 16),
        )
        sql.execute("INSERT INTO profiles VALUES (1, 1, 1, 'Plays the lute.', 'm', 'en', 0, 'r', 1, '{}')")
        sql.execute("INSERT INTO sentences VALUES (1, 0, 'Plays the lute.')")
        sql.execute("INSERT INTO evidence VALUES (1, 0, 0, ?)", (2**32 + 1,))
        sql.close()
    with Store(path) as store:
        assert [n for (n,) in store._connection.rows("SELECT name FROM _sqlite_migrations")] == list(schema.NAMES)
        profile = store.profile("local")
        assert (profile.text, profile.origin, store.position("local")) == ("Plays the lute.", "write", 1)
        assert store.standing("local") == Standing(version=1, recipe="r", revision=1, position=0, updates=0)
        assert store.corrections("local") == []
        assert store.check() is None


def test_a_migration_that_fails_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path)

    def second(db: object) -> None:
        db["notes"].create({"id": int})  # type: ignore[index]
        raise sqlite3.OperationalError("no such thing")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "NAMES", (*schema.NAMES, "second"))
        patched.setattr(schema, "second", second, raising=False)
        with pytest.raises(StoreError, match="no such thing"):
            Store(path)
    with Store(path) as store:
        assert store.count("local") == 100
        assert store._connection.rows("SELECT name FROM sqlite_master WHERE name = 'notes'") == []


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as sql:
        sql.execute("CREATE TABLE contacts(name)")
    sql.close()
    with pytest.raises(StoreCorruptError, match="SQLite database of something else"):
        Store(path)
    with sqlite3.connect(path) as sql:
        assert sql.execute("SELECT name FROM sqlite_master").fetchall() == [("contacts",)]
    sql.close()


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" * 600, b"hello\n" * 3, b'{"text": "a"}\n' * 500])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"not a bump-edge store, or is damaged.*backup"):
        Store(path)
    assert path.read_bytes() == content


def test_a_directory_and_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory"):
        Store(tmp_path)
    (tmp_path / "empty.db").touch()
    with Store(tmp_path / "empty.db") as store:
        assert store.users() == []


@pytest.mark.parametrize("part", [0.9, 0.5, 0.1])
def test_a_truncated_store(path: Path, part: float) -> None:
    fill(path, 3000)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(StoreCorruptError, match="is damaged"):
        use(path)


def use(path: Path) -> None:
    with Store(path) as store:
        store.history("local")
        store.search("local", "zebras")
        if problem := store.check():
            raise StoreCorruptError(problem)


def test_garbage_in_the_middle_of_a_store(path: Path) -> None:
    fill(path, 3000)
    data = bytearray(path.read_bytes())
    tables = 20  # the schema and the first page of each table and index lie before: the store still opens
    for page in range(tables, len(data) // 4096):
        data[page * 4096 : page * 4096 + 4000] = b"\xa5" * 4000
    path.write_bytes(data)
    with Store(path) as store:
        with pytest.raises(StoreCorruptError):
            store.history("local")
        assert store.check()


def test_a_sound_store_and_one_whose_index_lost_something(store: Store) -> None:
    store.ingest(Interaction(text=f"line {k}") for k in range(50))
    assert store.check() is None
    with store._connection.writing() as sql:
        sql.execute("INSERT INTO interactions_fts(interactions_fts) VALUES ('delete-all')")
    assert store.check() == "the search index does not match the interactions"


def test_a_locked_store(path: Path) -> None:
    fill(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Store(path, timeout=0.2) as store:
        assert store.count("local") == 100  # reading goes on
        with pytest.raises(StoreLockedError, match="is locked"):
            store.ingest([Interaction(text="new")])
        holder.execute("ROLLBACK")
        assert store.ingest([Interaction(text="new")]).added == 1
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("CREATE TABLE x(y)")
    with pytest.raises(StoreLockedError) as caught:
        Store(path, timeout=0.2).users()
    assert caught.value.exit_code == 4
    holder.close()


def test_a_store_that_may_only_be_read(tmp_path: Path) -> None:
    let_nobody_in(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "s.db"
    fill(path)
    path.chmod(0o444)
    folder.chmod(0o555)
    code = """
        from bump_edge.errors import StoreWriteError
        with bump_edge.store.Store(sys.argv[1]) as store:
            assert store.readonly
            assert store.count("local") == len(store.history("local")) == 100
            assert len(store.search("local", "zebra")) == 5
            assert store.check() is None
            try:
                store.ingest(store.history("local"))
            except StoreWriteError as error:
                print(error.message)
        try:
            bump_edge.store.Store(sys.argv[1] + "-other")
        except StoreWriteError as error:
            print(error.message)
    """
    try:
        done = as_nobody(code, path)
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "cannot be written" in first
    assert "cannot be made (Permission denied)" in second
    assert sorted(f.name for f in folder.iterdir()) == ["s.db"]


def test_a_store_that_may_only_be_read_while_another_process_writes(tmp_path: Path) -> None:
    let_nobody_in(tmp_path)
    path = tmp_path / "s.db"
    with Store(path) as writer:
        writer.ingest([Interaction(text="in the WAL")])
        for file in tmp_path.iterdir():
            file.chmod(0o644)
        done = as_nobody("print(bump_edge.store.Store(sys.argv[1]).history('local')[0].text)", path)
    assert done.stdout == "in the WAL\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    fill(path)
    code = """
        import resource, signal, random
        from bump_edge.errors import StoreWriteError
        from bump_edge.types import Interaction
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = bump_edge.store.Store(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        try:
            store.ingest(Interaction(text=f"{k} {random.random()} " * 10) for k in range(50_000))
        except StoreWriteError as error:
            print(error.message)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(store.ingest([Interaction(text="there is room again")]).added)
    """
    done = subprocess.run(
        [sys.executable, "-c", "import sys, bump_edge.store" + textwrap.dedent(code), str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "cannot be written" in done.stdout, done.stderr
    assert done.stdout.endswith("\n1\n"), done.stdout
    with Store(path) as store:
        assert store.check() is None
        assert store.count("local") >= 101


@pytest.mark.skipif(not (ROOT and shutil.which("mount")), reason="needs to mount a small file system")
def test_a_small_file_system(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False).returncode:
        pytest.skip("may not mount here")
    try:
        with Store(disk / "s.db") as store, pytest.raises(StoreWriteError, match=r"full.*Free some space"):
            store.ingest(Interaction(text=f"{k} " * 50) for k in range(50_000))
        with Store(disk / "s.db") as store:
            assert store.check() is None
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with Store(disk / "s.db") as store:
            assert store.readonly
            store.users()
            with pytest.raises(StoreWriteError):
                store.ingest([Interaction(text="a")])
    finally:
        subprocess.run(["umount", disk], check=True)
