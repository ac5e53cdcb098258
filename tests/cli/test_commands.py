"""Each command as a user types it: what is printed where, in text and in JSON, and the exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bump_edge import Interaction, Profiler, ScriptedBackend, Store
from tests.cli.run import PROGRAM, ROOT, environment, error, lines, run

HISTORY = ROOT / "examples" / "history.jsonl"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the example's history has been profiled."""
    folder = tmp_path_factory.mktemp("home")
    done = run(folder, "profile", "--history", HISTORY)
    assert done.returncode == 0, done.stderr
    return folder


def test_profile_prints_the_text_and_each_sentence_with_its_evidence(home: Path) -> None:
    done = run(home, "profile", "--history", HISTORY, "--json")
    (profile,) = lines(done)
    assert set(profile) >= {"user_id", "text", "version", "model", "evidence", "manifest"}
    assert profile["user_id"] == "local"
    assert profile["text"] == " ".join(e["sentence"] for e in profile["evidence"])
    assert len(profile["text"].split()) <= 80
    records = {(i["id"], i["text"]) for e in profile["evidence"] for i in e["interactions"]}
    assert records
    for entry in profile["evidence"]:
        assert entry["interactions"]
    shown = run(home, "profile").stdout.decode()
    assert profile["evidence"][0]["sentence"].split()[0] in shown
    assert "1. " in shown


def test_explain_counts_the_sentences_and_the_names_that_were_not_stored(tmp_path: Path) -> None:
    bands = [Interaction(type="listen", item=name) for name in ("Necro", "Papa Roach", "Slipknot")]
    said = "Listens to Necro, Zorblax, Slipknot and Necro. Breeds poodles. Also listens to Papa Roach and Florp."
    with Store(tmp_path / "own.db") as store:
        store.ingest(bands)
        profile = Profiler(store, ScriptedBackend([said])).profile()
    assert profile.text == "Listens to Necro and Slipknot. Also listens to Papa Roach."
    assert profile.manifest["checks"] == {"written": 3, "kept": 2, "dropped": {"unsupported": 1}, "trimmed": 3}
    explained = run(tmp_path, "explain", "--db", tmp_path / "own.db").stdout.decode()
    assert "Not stored: 3 names in lists: borne out by no record, repeated, or cut off." in explained
    assert "Not stored: 1 sentence that has no evidence in the history." in explained


def test_a_second_run_changes_nothing_and_force_writes_a_new_version(tmp_path: Path) -> None:
    first = lines(run(tmp_path, "profile", "--history", HISTORY, "--json"))
    second = lines(run(tmp_path, "profile", "--history", HISTORY, "--json"))
    assert first == second
    (forced,) = lines(run(tmp_path, "profile", "--force", "--json"))
    assert forced["version"] == 2
    assert forced["text"] == first[0]["text"]


def test_a_new_interaction_makes_a_new_version(tmp_path: Path) -> None:
    run(tmp_path, "profile", "--history", HISTORY)
    line = b'{"timestamp": "2026-10-01", "type": "purchase", "item": "Banjo Strings, Light"}\n'
    (profile,) = lines(run(tmp_path, "profile", "--history", "-", "--json", stdin=line))
    assert profile["version"] == 2


def test_show_explain_list_and_path(home: Path) -> None:
    (shown,) = lines(run(home, "show", "--json"))
    assert run(home, "show").stdout.decode().split() == shown["text"].split()
    explained = run(home, "explain").stdout.decode()
    for entry in shown["evidence"]:
        assert " ".join(entry["sentence"].split()[:3]) in explained
    assert "of 50 interactions" in explained
    assert lines(run(home, "explain", "--json")) == [shown]
    (listed,) = lines(run(home, "list", "--json"))
    assert (listed["user_id"], listed["interactions"], listed["profile_version"]) == ("local", 50, 1)
    assert run(home, "list").stdout.decode().startswith("local\t50 interactions")
    assert run(home, "path").stdout.decode().strip() == str(home / "bump-edge.db")
    (paths,) = lines(run(home, "path", "--json"))
    assert paths["models"] == str(home / "models")


def test_prompt_in_all_four_modes(home: Path) -> None:
    question = "Which microphone should I buy next?"
    (profile,) = lines(run(home, "show", "--json"))
    seen = {}
    for mode in ("none", "history", "profile", "profile+retrieved"):
        (out,) = lines(run(home, "prompt", question, "--mode", mode, "--json"))
        system, user = out["messages"]
        assert (system["role"], user) == ("system", {"role": "user", "content": question})
        seen[mode] = system["content"]
    assert "Closed Back Studio Headphones" in seen["history"]
    assert profile["text"] in seen["profile"]
    assert profile["text"] in seen["profile+retrieved"]
    assert "icrophone" in seen["profile+retrieved"].replace(profile["text"], "")
    assert profile["text"] not in seen["history"]
    assert len(seen["none"]) < 100
    text = run(home, "prompt", question).stdout.decode()
    assert text.startswith("[system]\n")
    assert question in text


def test_ingest_reports_and_reads_standard_input(tmp_path: Path) -> None:
    data = b'{"item": "tea"}\nnot json\n{"nothing": 1}\n{"item": "tea"}\n'
    done = run(tmp_path, "ingest", "-", "--json", stdin=data)
    (report,) = lines(done)
    assert (report["read"], report["added"], report["duplicates"]) == (2, 1, 1)
    assert sum(report["skipped"].values()) == 2
    assert b"line 2" in done.stderr
    assert b"line 3" in done.stderr
    again = lines(run(tmp_path, "ingest", "-", "--json", stdin=data))[0]
    assert (again["added"], again["duplicates"]) == (0, 2)


def test_mapping_and_csv(tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    file.write_text('who,product,stars\nanna,"Green Tea, loose",5\nanna,Tea Pot,4\nbert,Coffee,2\n')
    mapping = ("--map", "user_id=who", "--map", "item=product", "--map", "rating=stars")
    (report,) = lines(run(tmp_path, "ingest", file, *mapping, "--json"))
    assert (report["added"], report["users"]) == (3, ["anna", "bert"])
    profiles = lines(run(tmp_path, "profile", "--json"))
    assert [p["user_id"] for p in profiles] == ["anna", "bert"]
    (anna,) = lines(run(tmp_path, "show", "--user", "anna", "--json"))
    assert "tea" in anna["text"].lower()


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["show", "--user", "nobody"], 3, "not_found"),
        (["show", "--version", "99"], 3, "not_found"),
        (["profile", "--model", "no-such-model"], 5, "model_not_found"),
        (["profile", "--language", "xx"], 2, "usage"),
        (["profile", "--max-words", "3"], 2, "usage"),
        (["profile", "--max-words", "many"], 2, "usage"),
        (["prompt", "hi", "--mode", "all"], 2, "usage"),
        (["prompt", " "], 2, "usage"),
        (["ingest", "x.jsonl", "--map", "text"], 2, "usage"),
        (["ingest", "does-not-exist.jsonl"], 1, "input"),
        (["models", "verify", "no-such-model"], 5, "model_not_found"),
        (["no-such-command"], 2, "usage"),
        (["show", "--no-such-option"], 2, "usage"),
    ],
)
def test_errors_have_a_message_and_the_right_exit_code(home: Path, arguments: list[str], code: int, name: str) -> None:
    plain = run(home, *arguments)
    assert plain.returncode == code, plain.stderr
    assert plain.stderr.startswith(b"error: ")
    assert plain.stdout == b""
    assert b"Traceback" not in plain.stderr
    as_json = run(home, *arguments, BUMP_EDGE_JSON="1")
    assert as_json.returncode == code
    assert error(as_json)["code"] == name
    assert error(as_json)["message"]


def test_commands_without_a_store_say_how_to_get_one(tmp_path: Path) -> None:
    for command in (["show"], ["list"], ["explain"], ["profile"], ["prompt", "x"]):
        done = run(tmp_path, *command)
        assert done.returncode == 3
        assert b"ingest a history first" in done.stderr
    assert not (tmp_path / "bump-edge.db").exists()


def test_flag_beats_environment_beats_config(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('db = "/from/config.db"\n')
    assert run(tmp_path, "path").stdout.strip() == b"/from/config.db"
    assert run(tmp_path, "path", BUMP_EDGE_DB="/from/env.db").stdout.strip() == b"/from/env.db"
    done = run(tmp_path, "path", "--db", "/from/flag.db", BUMP_EDGE_DB="/from/env.db")
    assert done.stdout.strip() == b"/from/flag.db"
    (tmp_path / "config.toml").write_text("colour = 1\n")
    done = run(tmp_path, "path")
    assert done.returncode == 2
    assert b"unknown key" in b" ".join(done.stderr.split())  # wrapped where the path ends


def test_quiet_is_quiet_and_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    assert run(tmp_path, "profile", "--history", HISTORY, "--quiet", "--json").stderr == b""
    users = "\n".join(json.dumps({"user_id": f"u{n}", "item": f"tea number {n}"}) for n in range(300))
    run(tmp_path, "ingest", "-", stdin=users.encode())
    command = " ".join(PROGRAM) + " profile --json | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, env=environment(tmp_path), cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_help_and_version(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout.startswith(b"bump-edge 0.")
    text = run(tmp_path, "--help").stdout.decode()
    for command in ("profile", "ingest", "show", "list", "prompt", "explain", "models", "doctor", "path"):
        assert command in text
        assert run(tmp_path, command, "--help").returncode == 0


@pytest.mark.network
def test_no_network_changes_nothing(home: Path, tmp_path: Path) -> None:
    with_network = run(tmp_path / "a", "profile", "--history", HISTORY)
    without = run(tmp_path / "b", "profile", "--history", HISTORY, prefix=("unshare", "-rn"))
    assert without.returncode == 0, without.stderr
    assert without.stdout == with_network.stdout
    # the gate can fail: a leak inside it is stopped by the kernel, not by a patched module
    leak = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=2)"
    done = subprocess.run(["unshare", "-rn", sys.executable, "-c", leak], capture_output=True, check=False)
    assert b"Network is unreachable" in done.stderr
