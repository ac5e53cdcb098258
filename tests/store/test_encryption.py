"""Encrypted stores: nothing plain on the disk, keys and where they come from, conversions, shredding."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bump_edge import (
    KeyUnavailableError,
    NotFoundError,
    Profiler,
    Store,
    StoreCorruptError,
    StoreLockedError,
    UsageError,
    decrypt_store,
    encrypt_store,
    forget,
    plan_forget,
    recovery_key,
    restore_key,
    rotate_key,
)
from bump_edge.store import files, keys
from bump_edge.types import Interaction
from tests.store import keychain as chain
from tests.store.traces import PLANTED, contents, planted, traces

KEY = "correct horse battery staple"
RAW = bytes(range(32))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class Stream(io.BytesIO):
    """Cannot seek, as a pipe."""

    def seekable(self) -> bool:
        return False


def life(path: Path, temporary: Path, key: str | None) -> set[str]:
    """Everything that is done with a store, and which files held plain text at any time of it."""
    seen: set[str] = set()

    def look() -> None:
        seen.update(traces(path.parent, temporary))

    log = b"".join(b'{"text": "%s number %d"}\n' % (PLANTED[k % 3].encode(), k) for k in range(3000))
    with Store(path, key=key) as store:
        store.ingest(planted())
        look()
        store.ingest_file(io.BytesIO(log), progress=lambda _done, _total: look())
        look()
        with Profiler(store, "extractive") as profiler:
            assert profiler.profile().text
        look()
        store.correct("local", "pin", f"Likes {PLANTED[1]}.")
        assert store.search("local", PLANTED[0])
        look()
        out = io.BytesIO()
        store.export_file(out)
        assert PLANTED[0].encode() in out.getvalue()
        receipt = forget(store, plan_forget(store, "local", topic="pelargonium"))
        assert receipt.clean
        look()
        store.import_file(Stream(out.getvalue()))
        look()
        assert store.check() is None
        look()
    look()
    return seen


def test_no_plain_text_in_any_file_at_any_time(tmp_path: Path, temporary: Path) -> None:
    folder = tmp_path / "store"
    assert life(folder / "s.db", temporary, KEY) == set()
    assert [f.name for f in folder.iterdir()] == ["s.db"]


def test_the_search_for_plain_text_finds_it_in_a_plain_store(tmp_path: Path, temporary: Path) -> None:
    found = life(tmp_path / "store" / "s.db", temporary, None)
    assert {"s.db", "s.db-wal"} <= found
    if Path("/proc/self/fd").exists():
        with tempfile.TemporaryFile() as hidden:  # a file without a name
            hidden.write(PLANTED[0].encode())
            hidden.flush()
            assert traces(temporary)
    (temporary / "left").write_text(f"x {PLANTED[2].upper()}")
    assert traces(temporary) == {"left"}


def test_the_byte_scan_sees_into_an_encrypted_store(path: Path) -> None:
    with Store(path, key=KEY) as store:
        store.ingest(planted(9))
        with store._connection.writing() as sql:  # what is gone for the library, and still in a table
            sql.execute("CREATE TABLE forgotten_by_nobody(x)")
            sql.execute("INSERT INTO forgotten_by_nobody VALUES (?)", ("an old oncology letter",))
        assert store.scan([b"oncology letter"]).found == 1
        assert store.scan([b"never there"]).found == 0
        receipt = forget(store, plan_forget(store, "local", topic="zwitschermaschine"))
        assert (receipt.scan.found, receipt.interactions) == (0, 3)


def test_what_opens_a_store_and_what_does_not(path: Path) -> None:
    with Store(path, key=RAW) as store:
        store.ingest(planted(3))
        assert store.encrypted
    assert len(contents(path, RAW.hex())) == 3
    assert len(contents(path, recovery_key(path, key=RAW).lower().replace("-", " ").replace(" ", "-", 3))) == 3
    with pytest.raises(KeyUnavailableError, match=r"the key that was given does not open it.*recovery key") as caught:
        Store(path, key=KEY)
    assert (caught.value.details["reason"], caught.value.exit_code) == ("wrong", 6)
    for wrong, said in (
        ("", "is empty"),
        (b"short", "5 bytes"),
        ("BUMP-EDGE-1-AAAA", "mistyped"),
        ("\udcff", "Unicode"),
    ):
        with pytest.raises(UsageError, match=said):
            Store(path, key=wrong)
    assert len(contents(path, RAW.hex())) == 3


def test_the_environment_is_asked_after_the_argument(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUMP_EDGE_KEY", KEY)
    with Store(path) as store:
        store.ingest(planted(3))
        assert store.encrypted
    assert len(contents(path, KEY)) == 3
    with pytest.raises(KeyUnavailableError, match="the key that was given"):
        Store(path, key="another")
    monkeypatch.setenv("BUMP_EDGE_KEY", "another")
    with pytest.raises(KeyUnavailableError, match="the key in BUMP_EDGE_KEY does not open it"):
        Store(path)
    assert len(contents(path, KEY)) == 3


def test_a_key_for_a_plain_store_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        store.ingest(planted(3))
    with pytest.raises(KeyUnavailableError, match=r"not encrypted, but a key was given.*`bump-edge encrypt`"):
        Store(path, key=KEY)
    monkeypatch.setenv("BUMP_EDGE_KEY", KEY)
    with pytest.raises(KeyUnavailableError, match="BUMP_EDGE_KEY is set"):
        Store(path)
    assert encrypt_store(path).key == "environment"
    assert len(contents(path)) == 3


def test_without_a_key_and_without_a_keychain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends import fail, null

    with Store(path, key=KEY) as store:
        store.ingest(planted(3))
    before = keyring.get_keyring()
    try:
        keyring.set_keyring(fail.Keyring())
        with pytest.raises(KeyUnavailableError, match=r"no keychain that can be used.*Set BUMP_EDGE_KEY"):
            Store(path)
        with pytest.raises(KeyUnavailableError, match="no keychain that can be used"):
            encrypt_store(path.with_name("new.db"))
        keyring.set_keyring(null.Keyring())
        with pytest.raises(KeyUnavailableError, match="there is no key for it"):
            Store(path)
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("missing", ["sqlcipher3", "keyring"])
def test_without_the_extra(path: Path, missing: str) -> None:
    with Store(path, key=KEY) as store:
        store.ingest(planted(3))
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from bump_edge import KeyUnavailableError, Store\n"
        "try: Store(sys.argv[1], key=sys.argv[2] or None)\n"
        "except KeyUnavailableError as error: print(error.details['reason'], error.message)"
    )
    key = KEY if missing == "sqlcipher3" else ""
    done = subprocess.run([sys.executable, "-c", code, path, key], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no_extra ")
    assert 'pip install "bump-edge[encrypt]"' in done.stdout


def test_a_keychain_holds_the_key_until_the_store_is_plain_again(path: Path, keychain: Path) -> None:
    with Store(path) as store:
        store.ingest(planted())
    before = contents(path)
    report = encrypt_store(path)
    assert (report.encrypted, report.changed, report.key, report.wiped) == (True, True, "keychain", True)
    assert report.rows > 300
    assert traces(path.parent) == set()
    assert contents(path) == before
    (name,) = chain.kept(keychain)
    assert name == f"bump-edge/store {files.header(path).salt.hex()}"
    assert not encrypt_store(path).changed
    moved = path.rename(path.with_name("moved.db"))
    assert contents(moved) == before
    report = rotate_key(moved)
    assert (report.key, report.key_destroyed) == ("keychain", True)
    assert name not in chain.kept(keychain)
    assert contents(moved) == before
    report = decrypt_store(moved)
    assert (report.encrypted, report.changed, report.key_destroyed) == (False, True, True)
    assert chain.kept(keychain) == {}
    assert contents(moved) == before
    assert not decrypt_store(moved).changed
    assert [f.name for f in path.parent.iterdir()] == ["moved.db"]


@pytest.mark.parametrize("mood", ["refuses", "forgets"])
def test_a_keychain_that_keeps_nothing_changes_nothing(
    path: Path, keychain: Path, monkeypatch: pytest.MonkeyPatch, mood: str
) -> None:
    with Store(path) as store:
        store.ingest(planted(3))
    monkeypatch.setenv(chain.MOOD, mood)
    with pytest.raises(KeyUnavailableError, match="no keychain that can be used"):
        encrypt_store(path)
    assert [f.name for f in path.parent.iterdir()] == ["s.db"]
    assert len(contents(path)) == 3


def test_an_old_key_that_the_keychain_does_not_let_go_is_reported(
    path: Path, keychain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt_store(path)
    monkeypatch.setenv(chain.MOOD, "clings")
    assert rotate_key(path).key_destroyed is False


def test_a_lost_keychain(path: Path, keychain: Path) -> None:
    assert encrypt_store(path).encrypted  # a new one, empty
    with Store(path) as store:
        store.ingest(planted(3))
    paper = recovery_key(path)
    keychain.unlink()
    with pytest.raises(KeyUnavailableError, match=r"there is no key for it.*`bump-edge key import`") as caught:
        Store(path)
    assert caught.value.details["reason"] == "missing"
    assert len(contents(path, paper)) == 3
    for wrong in (paper[:-1], paper.replace(paper[20], "A" if paper[20] != "A" else "B"), "no key at all"):
        with pytest.raises(UsageError, match="mistyped"):
            restore_key(path, wrong)
    restore_key(path, f"\n {paper.lower()} \n")
    assert len(contents(path)) == 3
    rotate_key(path)
    with pytest.raises(KeyUnavailableError, match="before the last rotation"):
        restore_key(path, paper)
    Store(path.with_name("plain.db")).close()
    with pytest.raises(KeyUnavailableError, match="is not encrypted"):
        recovery_key(path.with_name("plain.db"))
    with pytest.raises(NotFoundError):
        recovery_key(path.with_name("nothing.db"))


def test_forgetting_a_user_makes_copies_from_before_unreadable(path: Path, keychain: Path, tmp_path: Path) -> None:
    encrypt_store(path)
    backup = tmp_path / "backup"
    backup.mkdir()
    with Store(path) as store:
        store.ingest(planted(30))
        store.ingest([Interaction(text="keeps bees", user_id="other")])
        for file in path.parent.glob("s.db*"):
            shutil.copy(file, backup)
        old = store._connection.key
        assert old is not None
        raw = old.raw(files.header(path).salt)
        with Store(backup / "s.db") as copy:  # the backup opens while the key lives
            assert copy.count("local") == 30
        receipt = forget(store, plan_forget(store, "local", everything=True))
        assert (receipt.clean, receipt.shredded) == (True, True)
        assert store.count("other") == 1
        assert store.ingest([Interaction(text="more bees", user_id="other")]).added == 1
        assert [u.user_id for u in store.users()] == ["other"]
    assert len(chain.kept(keychain)) == 1
    assert raw.hex() not in chain.kept(keychain).values()
    with pytest.raises(KeyUnavailableError, match="there is no key for it"):
        Store(backup / "s.db")
    with Store(backup / "s.db", key=raw) as copy:  # who kept the old key can still read it: that is the promise's edge
        assert copy.count("local") == 30
    with Store(path) as store:
        assert store.check() is None
        assert store.count("other") == 2


def test_shredding_is_not_claimed_where_it_did_not_happen(path: Path, keychain: Path) -> None:
    with Store(path) as store:
        store.ingest(planted(3))
        assert forget(store, plan_forget(store, "local", everything=True)).shredded is None
    path.unlink()
    with Store(path, key=KEY) as store:
        store.ingest(planted(3))
        assert forget(store, plan_forget(store, "local", everything=True)).shredded is False
    path.unlink()
    encrypt_store(path)
    with Store(path, timeout=0.2) as store, Store(path) as holder:
        store.ingest(planted(3))
        assert forget(store, plan_forget(store, "local", everything=True)).shredded is False
        assert store.users() == holder.users() == []
        assert store.ingest(planted(2)).added == 2


def test_a_backup_made_of_links_is_not_overwritten(path: Path) -> None:
    with Store(path) as store:
        store.ingest(planted(3))
    backup = path.with_name("backup.db")
    os.link(path, backup)
    assert not encrypt_store(path, key=KEY).wiped
    assert len(contents(backup)) == 3


def test_a_link_to_a_store_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with Store(tmp_path / "elsewhere" / "real.db") as store:
        store.ingest(planted(3))
    path.symlink_to(tmp_path / "elsewhere" / "real.db")
    encrypt_store(path, key=KEY)
    assert path.is_symlink()
    assert traces(tmp_path) == set()
    assert len(contents(path, KEY)) == 3


def test_what_is_no_store_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as sql:
        sql.execute("CREATE TABLE contacts(name)")
    sql.close()
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError, match="something else"):
        encrypt_store(path, key=KEY)
    assert path.read_bytes() == before
    path.write_bytes(b"hello\n" * 1000)
    with pytest.raises(StoreCorruptError, match="not a bump-edge store"):
        encrypt_store(path, key=KEY)
    path.write_bytes(os.urandom(8192))
    with pytest.raises(KeyUnavailableError, match="does not open it"):
        encrypt_store(path, key=KEY)
    assert [f.name for f in path.parent.iterdir()] == ["s.db"]


def test_a_changed_byte_is_noticed(path: Path) -> None:
    with Store(path, key=KEY) as store:
        store.ingest(planted())
    data = bytearray(path.read_bytes())
    data[30 * files.PAGE + 77] ^= 1
    path.write_bytes(data)
    with Store(path, key=KEY) as store:
        assert store.check()
    with pytest.raises(StoreCorruptError):
        rotate_key(path, key=KEY, new_key="another")
    assert [f.name for f in path.parent.iterdir()] == ["s.db"]
    assert path.read_bytes()[files.PAGE :] == data[files.PAGE :]  # the first one says how the file is journaled


def test_a_store_that_this_process_has_open_is_not_converted(path: Path) -> None:
    with Store(path) as store:
        store.ingest(planted(3))
        with pytest.raises(StoreLockedError, match="open in this process"):
            encrypt_store(path, key=KEY)
        assert store.ingest([Interaction(text="goes on")]).added == 1
    assert len(contents(path)) == 4


def test_a_key_never_shows(path: Path, keychain: Path) -> None:
    assert KEY not in repr(keys.Key(KEY))
    encrypt_store(path)
    (secret,) = chain.kept(keychain).values()
    report = rotate_key(path)
    assert secret not in str(report.as_dict())


def test_a_passphrase_is_stretched_as_sqlcipher_does_it(path: Path) -> None:
    from sqlcipher3 import dbapi2

    with Store(path, key="it's a 'quote'") as store:
        store.ingest(planted(3))
    sql = dbapi2.connect(str(path))
    sql.execute("PRAGMA key = 'it''s a ''quote'''")
    assert sql.execute("SELECT count(*) FROM interactions").fetchone() == (3,)
    sql.close()
