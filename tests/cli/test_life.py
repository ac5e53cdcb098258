"""The life of a profile from the terminal: versions, a person's word, forgetting."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.run import ROOT, error, lines, run

HISTORY = ROOT / "examples" / "history.jsonl"
NEW = b"""{"timestamp": "2026-10-01", "type": "purchase", "item": "Banjo Strings, Light"}
{"timestamp": "2026-10-02", "type": "purchase", "item": "Banjo Tuner"}
{"timestamp": "2026-10-03", "type": "review", "item": "Banjo Strings, Light", "text": "Bright strings for my banjo."}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run(tmp_path, "profile", "--history", HISTORY).returncode == 0
    return tmp_path


def ok(home: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = run(home, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def sentences(home: Path) -> list[str]:
    (shown,) = lines(run(home, "show", "--json"))
    return [e["sentence"] for e in shown["evidence"]]


def test_an_update_and_what_it_changed(home: Path) -> None:
    before = sentences(home)
    (updated,) = lines(run(home, "profile", "--history", "-", "--json", stdin=NEW))
    assert (updated["version"], updated["origin"]) == (2, "update")
    assert updated["manifest"]["update"]["new"] == 3
    assert "banjo" in updated["text"].lower()
    entries = lines(run(home, "diff", "--json"))
    kept = {e["new"] for e in entries if e["change"] in ("kept", "confirmed")}
    assert len(kept & set(before)) >= len(before) // 2
    added = [e for e in entries if "banjo" in (e["new"] or "").lower()]
    assert added[0]["change"] in ("added", "changed")
    assert "anjo" in added[0]["causes"][0]["text"]
    text = ok(home, "diff")
    assert "+ " in text
    versions = lines(run(home, "history", "--json"))
    assert [(v["version"], v["origin"]) for v in versions] == [(1, "write"), (2, "update")]
    assert "update" in ok(home, "history")
    ok(home, "rollback", "1")
    assert sentences(home) == before
    assert error(run(home, "rollback", "9", "--json"))["code"] == "not_found"


def test_pin_edit_and_block(home: Path) -> None:
    before = sentences(home)
    ok(home, "pin", "1")
    ok(home, "pin", "Has a daughter who plays the flute.")
    assert "confirmed by a person" in ok(home, "explain")
    (forced,) = lines(run(home, "profile", "--force", "--json"))
    assert [e["sentence"] for e in forced["evidence"] if e.get("confirmed")] == [
        before[0],
        "Has a daughter who plays the flute.",
    ]
    ok(home, "pin", "--remove", "Has a daughter who plays the flute.")
    assert "flute" not in " ".join(sentences(home))
    ok(home, "edit", "-", stdin=f"{before[0]}\nLives in Ghent.\n".encode())
    assert sentences(home) == [before[0], "Lives in Ghent."]
    (forced,) = lines(run(home, "profile", "--force", "--json"))
    assert not set(before[1:]) & {e["sentence"] for e in forced["evidence"]}
    (blocked,) = lines(run(home, "block", "Ghent", "--json"))
    assert blocked["unpinned"] == ["Lives in Ghent."]
    assert ok(home, "block") == "topic\tGhent\n"
    assert "Ghent" not in " ".join(sentences(home))
    ok(home, "block", "--remove", "ghent")
    assert ok(home, "block") == ""
    assert run(home, "block", "--remove", "ghent").returncode == 3
    assert run(home, "edit").returncode == 2  # no terminal for an editor


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_edit_opens_an_editor_on_a_terminal(home: Path, tmp_path: Path) -> None:
    import pty
    import subprocess

    from tests.cli.run import PROGRAM, environment

    before = sentences(home)
    editor = f"{sys.executable} -c \"import sys; f = open(sys.argv[1], 'a'); f.write('Sings.'); f.close()\""
    control, terminal = pty.openpty()
    done = subprocess.run(
        [*PROGRAM, "edit", "--json"], stdin=terminal, capture_output=True, check=False, timeout=60, cwd=ROOT,
        env=environment(home, EDITOR=editor),
    )  # fmt: skip
    for side in (control, terminal):
        import os

        os.close(side)
    assert done.returncode == 0, done.stderr
    assert sentences(home) == [*before, "Sings."]


def test_forget_a_topic_with_a_receipt(home: Path) -> None:
    word = "telecaster"
    assert word in " ".join(sentences(home)).lower()
    (plan,) = lines(run(home, "forget", "--topic", word, "--dry-run", "--json"))
    assert all(word in i["text"].lower() for i in plan["interactions"])
    assert any(word in s["sentence"].lower() for s in plan["sentences"])
    assert word in ok(home, "forget", "--topic", word, "--dry-run").lower()
    refused = run(home, "forget", "--topic", word)
    assert refused.returncode == 2
    assert b"--yes" in refused.stderr
    (receipt,) = lines(run(home, "forget", "--topic", word, "--yes", "--block", "--json"))
    assert receipt["clean"] is True
    assert receipt["interactions"] == len(plan["interactions"])
    assert receipt["scan"]["found"] == 0
    assert receipt["profile_version"] == 2
    assert word not in ok(home, "history").lower()
    assert ok(home, "block") == f"topic\t{word}\n"
    stored = b"".join(p.read_bytes() for p in home.iterdir() if p.is_file()).lower()
    assert word.encode() in stored  # the block itself, which the person asked for
    ok(home, "block", "--remove", word)
    again = lines(run(home, "ingest", HISTORY, "--json"))[0]
    assert (again["added"], again["forgotten"]) == (0, len(plan["interactions"]))


def test_forget_one_a_span_and_everything(home: Path) -> None:
    (shown,) = lines(run(home, "show", "--json"))
    one = shown["evidence"][0]["interactions"][0]["id"]
    text = ok(home, "forget", one[:12], "--yes")
    assert "Deleted 1 interaction and" in text
    assert "none found" in text
    assert "written anew as version" in text
    assert error(run(home, "forget", one, "--yes", "--json"))["code"] == "not_found"
    (receipt,) = lines(run(home, "forget", "--until", "2026-03-01", "--yes", "--no-rewrite", "--json"))
    assert receipt["interactions"] > 3
    assert receipt["profile_version"] is None
    (receipt,) = lines(run(home, "forget", "--everything", "--yes", "--json"))
    assert receipt["clean"] is True
    assert run(home, "show").returncode == 3
    assert run(home, "forget", "--block", "--yes").returncode == 2


def test_ingest_follow_until_interrupted(tmp_path: Path) -> None:
    import json
    import signal
    import subprocess
    import time

    from tests.cli.run import PROGRAM, environment

    log = tmp_path / "log.jsonl"
    log.write_bytes(NEW)
    running = subprocess.Popen(
        [*PROGRAM, "ingest", str(log), "--follow", "--idle", "0.1", "--update-after", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path), cwd=ROOT, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert json.loads(running.stdout.readline())["added"] == 3
    assert json.loads(running.stdout.readline())["version"] == 1
    with log.open("ab") as out:
        out.write(b'{"type": "purchase", "item": "Banjo Case"}\n')
    assert json.loads(running.stdout.readline())["added"] == 1
    assert json.loads(running.stdout.readline())["version"] == 2
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    assert run(tmp_path, "ingest", log, log, "--follow").returncode == 2
