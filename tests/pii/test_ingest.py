"""Redaction at ingest: what is personal never reaches a file of the store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bump_edge import InputError, Interaction, Profiler, Store
from bump_edge.pii import Span
from tests.cli.run import lines, run

MAIL, PHONE, CARD = "nora.winter@example.org", "+49 171 1234567", "4111 1111 1111 1111"
PLANTED = [MAIL, "nora.winter", PHONE, "1234567", CARD, "4341672110684038", "hunter2000"]
ROWS = [
    {"text": f"Mail me at {MAIL}, the kettle leaks.", "type": "review", "item": "Brass Kettle"},
    {"item": f"Gift card for {MAIL}", "meta": {"note": {"tel": PHONE}, "list": [CARD], MAIL: 1}},
    {"item": "tea", "card": 4341672110684038, "phone": "0171 1234567", "password": "hunter2000"},
    {"item": "green tea", "text": "Order 4341672110684039 was late."},
]
LOG = b"\n".join(json.dumps(r).encode() for r in ROWS) + f'\n{{"text": "broken {MAIL}\n[]\n"{PHONE}"\n'.encode()


def found(folder: Path) -> list[str]:
    """Which of the planted texts stand in any file under `folder`."""
    held = b"\0".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    return [p for p in PLANTED if p.encode() in held]


def test_nothing_personal_reaches_the_store_and_without_redaction_it_does(tmp_path: Path) -> None:
    for redact in (True, False):
        folder = tmp_path / str(redact)
        with Store(folder / "s.db") as store:
            report = store.ingest_file(io.BytesIO(LOG), format="jsonl", redact=redact)
            assert (report.added, sum(report.skipped.values())) == (4, 3)
            with Profiler(store, "extractive") as profiler:
                profiler.profile()
            # while the WAL is there as well
            assert bool(found(folder)) is not redact
            assert (MAIL in json.dumps(report.as_dict())) is not redact
            texts = " ".join(f"{i.text} {i.item} {i.meta}" for i in store.history("local"))
        if redact:
            assert report.redacted == {"card": 2, "email": 3, "phone": 2, "secret": 1}
            assert "Mail me at [EMAIL], the kettle leaks." in texts
            assert "Order 4341672110684039 was late." in texts
            assert [q.quote for q in report.quotes] == ["", "", ""]
        else:
            assert report.redacted == {}
            assert set(found(folder)) >= {MAIL, PHONE, CARD}
    assert found(tmp_path / "True") == []


def test_a_file_is_known_again_and_redacted_or_not_are_two_things(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(LOG)
    with Store(tmp_path / "s.db") as store:
        first = store.ingest_file(log, redact=True)
        again = store.ingest_file(log, redact=True)
        assert (again.added, again.duplicates, again.redacted) == (0, 4, first.redacted)
        assert [q.quote for q in again.quotes] == ["", "", ""]
        assert store.ingest_file(log).added == 3  # one line has nothing personal


def test_interactions_and_a_detector_of_ones_own(tmp_path: Path) -> None:
    class Names:
        def find(self, text: str) -> list[Span]:
            at = text.find("Nora")
            return [] if at < 0 else [Span(start=at, end=at + 4, kind="person", rule="names")]

    with Store(tmp_path / "s.db") as store:
        report = store.ingest([Interaction(text=f"Nora, {PHONE}")], redact=Names())
        assert report.redacted == {"person": 1, "phone": 1}
        assert store.history("local")[0].text == "[PERSON], [PHONE]"


def test_errors_quote_nothing(tmp_path: Path) -> None:
    line = json.dumps({"text": "x", "rating": MAIL}).encode()
    with Store(tmp_path / "s.db") as store:
        for redact in (True, False):
            with pytest.raises(InputError) as wrong:
                store.ingest_file(io.BytesIO(line), format="jsonl", strict=True, redact=redact)
            assert (MAIL in str(wrong.value.as_dict())) is not redact


def test_the_commands(tmp_path: Path) -> None:
    done = run(tmp_path, "ingest", "-", "--redact", "--json", stdin=LOG)
    assert lines(done)[0]["redacted"] == {"card": 2, "email": 3, "phone": 2, "secret": 1}
    other = run(tmp_path / "b", "profile", "--history", "-", "--redact", stdin=LOG)
    assert b"redacted: 2 card, 3 email" in other.stderr
    for out in (done.stdout + done.stderr, other.stdout + other.stderr):
        assert not any(p.encode() in out for p in PLANTED)
    assert found(tmp_path) == []
    assert run(tmp_path, "ingest", "-", "--presidio", stdin=LOG).returncode == 2
