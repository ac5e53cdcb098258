"""``bump-edge export`` and ``bump-edge import``, as programs."""

import stat
from pathlib import Path

import pytest

from bump_edge.store import Store
from tests.cli.run import error, lines, run
from tests.store.transfer_help import dump, fill


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    with Store(path) as store:
        fill(store)
        fill(store, range(20, 26), user="bob")
    return path


def test_a_store_goes_to_a_file_and_into_another(tmp_path: Path, db: Path) -> None:
    file, other = tmp_path / "out.jsonl", tmp_path / "other.db"
    done = run(tmp_path, "export", file, "--db", db)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"{file}: 2 users, 10 interactions, 4 corrections, 4 profile versions; ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    taken = run(tmp_path, "import", file, "--db", other, "--json")
    assert (taken.returncode, taken.stderr) == (0, b"")
    (report,) = lines(taken)
    assert (report["source"], report["new_users"], report["added"], report["versions"]) == (str(file), 2, 10, 4)
    again = run(tmp_path, "import", file, "--db", other)
    assert again.stdout.decode() == (
        f"{file}: 2 users (0 new), 10 interactions (0 added), 0 corrections changed, 0 profile versions added\n"
    )
    with Store(db) as a, Store(other) as b:
        assert dump(a) == dump(b) == file.read_bytes()


def test_standard_output_and_input(tmp_path: Path, db: Path) -> None:
    made = run(tmp_path, "export", "-", "--user", "bob", "--no-histories", "--db", db)
    assert made.returncode == 0
    assert b"bob" in made.stdout
    assert b"anna" not in made.stdout
    assert b"kettle number" not in made.stdout
    assert made.stderr.decode().startswith("-: 1 user, 0 interactions, 2 corrections, 2 profile versions; ")
    other = tmp_path / "other.db"
    taken = run(tmp_path, "import", "-", "--db", other, "--json", stdin=made.stdout)
    assert lines(taken)[0]["versions"] == 2
    shown = run(tmp_path, "show", "--db", other)
    assert shown.stdout == b"Likes kettles. Is kind.\n"


def test_what_is_refused(tmp_path: Path, db: Path) -> None:
    file = tmp_path / "out.jsonl"
    assert run(tmp_path, "export", file, "--db", db, "--quiet").returncode == 0
    there = run(tmp_path, "export", file, "--db", db, "--json")
    assert there.returncode == 2
    assert "--yes" in error(there)["message"]
    assert run(tmp_path, "export", file, "--db", db, "--yes").returncode == 0
    nobody = run(tmp_path, "export", tmp_path / "x", "--user", "carl", "--db", db, "--json")
    assert (nobody.returncode, error(nobody)["code"]) == (3, "not_found")
    assert run(tmp_path, "export", tmp_path / "x", "--db", tmp_path / "none.db").returncode == 3
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    cut = run(tmp_path, "import", file, "--db", db, "--json")
    assert (cut.returncode, error(cut)["code"]) == (1, "input")
    assert "incomplete or was changed" in error(cut)["message"]
    missing = run(tmp_path, "import", tmp_path / "nothing", "--db", db)
    assert missing.returncode == 1
    assert b"Traceback" not in missing.stderr
    full = run(tmp_path, "export", tmp_path / "no" / "where.jsonl", "--db", db)
    assert full.returncode == 1
    assert b"cannot be written" in full.stderr
