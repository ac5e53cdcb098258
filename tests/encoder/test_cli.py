"""The setting `embedder`, as real processes: topics are recognised in other words, everywhere that topics count."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import error, lines, run
from tests.encoder.small import write_encoder

HISTORY = b"".join(
    b'{"timestamp": "2026-0%d-0%d", "type": "%s", "item": "%s", "rating": 5}\n' % (month, day, kind, item)
    for month in (1, 2, 3)
    for day, kind, item in (
        (1, b"purchase", b"Lacquer Thinner"), (2, b"purchase", b"Guitar Strings"), (3, b"review", b"Lacquer Spray"),
        (4, b"review", b"Pickups"),
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("made") / "sees")


@pytest.fixture
def home(tmp_path: Path, encoder: Path) -> Path:
    """A home with a profile that speaks of lacquer, and the encoder added."""
    done = run(tmp_path, "profile", "--history", "-", "--json", stdin=HISTORY)
    assert b"acquer" in done.stdout, done.stderr
    assert run(tmp_path, "models", "add", encoder).returncode == 0
    return tmp_path


def test_block_sees_other_words_with_an_embedder_and_not_without(home: Path, encoder: Path) -> None:
    (blocked,) = lines(run(home, "block", "varnish", "--json"))
    assert blocked["dropped"] == []
    run(home, "block", "--remove", "varnish")
    (blocked,) = lines(run(home, "block", "varnish", "--json", BUMP_EDGE_EMBEDDER=str(encoder)))
    assert "acquer" in " ".join(blocked["dropped"])
    assert "acquer" not in blocked["profile"]["text"]
    # by its name, out of the config file, for what comes after
    (home / "config.toml").write_text('embedder = "sees"\n')
    (written,) = lines(run(home, "profile", "--force", "--json"))
    assert "acquer" not in written["text"]
    assert "trings" in written["text"]
    assert written["manifest"]["embedder"]["name"] == "sees"
    handed = run(home, "prompt", "Which lacquer next?", "--mode", "profile+retrieved", "--json")
    assert b"Thinner" not in handed.stdout
    assert b"Strings" in handed.stdout
    assert run(home, "rollback", "1").returncode == 0
    (shown,) = lines(run(home, "show", "--json"))
    assert "acquer" not in shown["text"]
    (home / "config.toml").unlink()
    handed = run(home, "prompt", "Which lacquer next?", "--mode", "profile+retrieved", "--json")
    assert b"Thinner" in handed.stdout


def test_forget_sees_other_words_and_how_near_is_a_setting(home: Path) -> None:
    run(home, "ingest", "-", stdin=b"")
    plan = ("forget", "--topic", "varnish", "--dry-run", "--json")
    assert lines(run(home, *plan))[0]["interactions"] == []
    (planned,) = lines(run(home, *plan, BUMP_EDGE_EMBEDDER="sees"))
    assert len(planned["interactions"]) == 6
    assert all("Lacquer" in i["text"] for i in planned["interactions"])
    (none,) = lines(run(home, *plan, BUMP_EDGE_EMBEDDER="sees", BUMP_EDGE_SIMILARITY="1"))
    assert none["interactions"] == []
    (home / "config.toml").write_text('embedder = "sees"\nsimilarity = 0.4\n')
    (receipt,) = lines(run(home, "forget", "--topic", "varnish", "--yes", "--json"))
    assert (receipt["interactions"], receipt["clean"]) == (6, True)
    assert b"acquer" not in (home / "bump-edge.db").read_bytes()
    (shown,) = lines(run(home, "show", "--json"))
    assert "acquer" not in shown["text"]


def test_what_is_said_of_a_setting_that_is_wrong(home: Path, encoder: Path) -> None:
    done = run(home, "block", "varnish", "--json", BUMP_EDGE_EMBEDDER="nowhere")
    assert (done.returncode, error(done)["code"]) == (5, "model_not_found")
    assert run(home, "block", "--json").stdout == b""  # nothing was kept
    done = run(home, "profile", "--json", BUMP_EDGE_EMBEDDER="extractive")
    assert (done.returncode, error(done)["code"]) == (5, "model")
    done = run(home, "profile", "--model", "sees", "--json")
    assert (done.returncode, error(done)["code"]) == (5, "model")
    assert "sentence encoder" in error(done)["message"]
    for wrong in ("much", "1.5", "-1", "nan"):
        done = run(home, "block", "varnish", "--json", BUMP_EDGE_SIMILARITY=wrong)
        assert (done.returncode, error(done)["code"]) == (2, "usage")
    (home / "config.toml").write_text("embedder = 3\n")
    assert "expected a str" in error(run(home, "list", "--json"))["message"]


def test_models_and_doctor_show_it(home: Path) -> None:
    shown = [m for m in lines(run(home, "models", "list", "--json")) if not m["bundled"]]
    listed = {m["name"]: (m["kind"], m["backend"]) for m in shown}
    assert listed == {"extractive": ("profiler", "extractive"), "sees": ("encoder", "onnx")}
    assert "sees\tonnx\tencoder\t0 MB\tcosine_min 1.0" in run(home, "models", "list").stdout.decode()
    assert run(home, "models", "verify", "sees").returncode == 0
    (report,) = lines(run(home, "doctor", "--json"))
    assert report["embedder"] is None
    done = run(home, "doctor", "--json", BUMP_EDGE_EMBEDDER="sees")
    assert done.returncode == 0
    assert lines(done)[0]["embedder"] == {"name": "sees", "ok": True, "says": "16 numbers a text, 16 tokens read"}
    done = run(home, "doctor", "--model", "sees", "--json")
    assert (done.returncode, lines(done)[0]["model"]["ok"]) == (1, False)
    with (home / "models" / "sees" / "model.onnx").open("r+b") as file:
        file.seek(200)
        file.write(b"tampered")
    done = run(home, "doctor", "--json", BUMP_EDGE_EMBEDDER="sees")
    assert (done.returncode, lines(done)[0]["embedder"]["ok"]) == (1, False)
