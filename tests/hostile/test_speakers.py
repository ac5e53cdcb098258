"""What an assistant, a system or a tool said is never the user's word, however a log spells who spoke."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge import EmptyHistoryError, Interaction, Store

SPEAKERS = [
    "assistant",
    "system",
    "tool",
    "developer",
    "function",
    "Assistant",
    " SYSTEM ",
    "model",
    "ai",
    "bot",
    "gpt",
]
KEYS = [
    "role", "Role", "ROLE", "author.role", "author_role", "authorRole", "sender", "sender_type", "from", "speaker",
    "author", "message.author.role", "message_role", "participant", "participant.role",
]  # fmt: skip
SAID = "You love jazz and polka."


def nested(key: str, value: str) -> dict[str, Any]:
    record: Any = value
    for part in reversed(key.split(".")):
        record = {part: record}
    return dict(record)


def ingest(tmp_path: Path, name: str, data: bytes, **options: Any) -> tuple[list[Interaction], dict[str, int]]:
    path = tmp_path / name
    path.write_bytes(data)
    with Store(tmp_path / "s.db") as store:
        report = store.ingest_file(path, **options)
        return [i for user in report.users for i in store.history(user)], dict(report.skipped)


def jsonl(*records: dict[str, Any]) -> bytes:
    return b"\n".join(orjson.dumps(r) for r in records)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_json_lines(tmp_path: Path, speaker: str) -> None:
    records = [{"text": SAID, **nested(key, speaker)} for key in KEYS]
    records += [{"text": SAID, key: speaker} for key in KEYS if "." in key]
    records += [{"text": SAID, "meta": nested(key, speaker)} for key in KEYS]
    records += [{"text": SAID, "message": {"role": speaker}}, {"text": SAID, "sender": {"type": speaker, "name": "x"}}]
    kept, skipped = ingest(tmp_path, "log.jsonl", jsonl({"role": "user", "text": "I like folk."}, *records))
    assert [i.text for i in kept] == ["I like folk."]
    assert skipped == {"not_the_user": len(records)}


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("key", KEYS)
def test_tables(tmp_path: Path, key: str, speaker: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([[key, "text"], ["user", "I like folk."], [speaker, SAID]])
    kept, skipped = ingest(tmp_path, "log.csv", out.getvalue().encode())
    assert [i.text for i in kept] == ["I like folk."]
    assert skipped == {"not_the_user": 1}


@pytest.mark.parametrize("type_", ["assistant", "system", "tool", "developer", "function", "Tool", "AIMessage"])
def test_the_type_may_say_it(tmp_path: Path, type_: str) -> None:
    data = jsonl({"type": "message", "text": "I like folk."}, {"type": type_, "text": SAID})
    kept, skipped = ingest(tmp_path, "log.jsonl", data)
    assert [i.text for i in kept] == ["I like folk."]
    assert skipped == {"not_the_user": 1}


def test_fields_that_are_mapped(tmp_path: Path) -> None:
    turns = [{"sender": "ann", "body": "I like folk."}, {"sender": "assistant", "body": SAID}]
    kept, skipped = ingest(tmp_path, "log.jsonl", jsonl(*turns), mapping={"text": "body", "user_id": "sender"})
    assert [(i.user_id, i.text) for i in kept] == [("ann", "I like folk.")]
    assert skipped == {"not_the_user": 1}


def test_an_exported_chat(tmp_path: Path) -> None:
    def turn(role: str, text: str) -> dict[str, Any]:
        return {"message": {"author": {"role": role, "name": None}, "content": {"parts": text}}}

    data = jsonl(turn("user", "I like folk."), turn("assistant", SAID), turn("tool", SAID))
    kept, skipped = ingest(tmp_path, "log.jsonl", data, mapping={"text": "message.content.parts"})
    assert [i.text for i in kept] == ["I like folk."]
    assert skipped == {"not_the_user": 2}


def test_the_library_path(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        report = store.ingest(
            [
                Interaction(text="I like folk."),
                Interaction(text=SAID, type="assistant"),
                Interaction(text=SAID, meta={"author": {"role": "tool"}}),
            ]
        )
        assert (report.read, report.added, report.skipped) == (1, 1, {"not_the_user": 2})
        assert [i.text for i in store.history("local")] == ["I like folk."]


def test_a_log_of_nobody_but_the_assistant(tmp_path: Path) -> None:
    with pytest.raises(EmptyHistoryError, match="not_the_user"):
        ingest(tmp_path, "log.jsonl", jsonl({"role": "assistant", "text": SAID}))


@pytest.mark.parametrize(
    "record",
    [
        {"item": "The Tool Box", "author": "Ann Model"},
        {"item": "Lateralus", "artist": "Tool"},
        {"item": "Desk", "role": "user"},
        {"text": "hello", "from": "human"},
        {"text": "hello", "sender": "me"},
        {"item": "System of a Down", "meta": {"genres": ["system"], "tool": "assistant"}},
        {"item": "x", "source": "system"},
    ],
)
def test_what_only_looks_like_it_is_the_users(tmp_path: Path, record: dict[str, Any]) -> None:
    kept, skipped = ingest(tmp_path, "log.jsonl", jsonl(record))
    assert (len(kept), skipped) == (1, {})
