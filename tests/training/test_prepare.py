"""Users, splits and shards: what is held out, what is left out, and that the same inputs give the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import orjson
import pytest

from bump_edge.errors import EmptyHistoryError, InputError, UsageError
from tests.training.planted import name_of, rows, write_log
from training.histories import cut, fold_of, judged_text, read_histories, split_of
from training.prepare import PrepareConfig, read_shards, run


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_last_in_time_is_held_out_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [row for user in range(30) for row in rows(user)]
    log.write_bytes(b"\n".join(orjson.dumps(row) for row in reversed(lines)))
    run(PrepareConfig(data=(log,), out=tmp_path / "out", held_out=2))
    found = {u.user_id: u for split in ("train", "validation", "test") for _, u in read_shards(tmp_path / "out", split)}
    assert len(found) == 30
    for user in range(30):
        items = [row["item"] for row in rows(user)]
        assert [i.item for i in found[name_of(user)].visible] == items[:6]
        assert [i.item for i in found[name_of(user)].held_out] == items[6:]


def test_without_times_the_order_of_the_file_is_time(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(20), dated=False)
    table = run(PrepareConfig(data=(log,), out=tmp_path / "out"))["datasets"]["log"]
    assert table["users_with_times"] == 0
    users = {u.user_id: u for _, u in read_shards(tmp_path / "out", "train")}
    assert users
    for user in range(20):
        if name_of(user) in users:
            assert users[name_of(user)].held_out[0].item == rows(user)[-1]["item"]


def test_the_split_is_the_hash_of_the_user_and_nobody_is_in_two(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(200))
    run(PrepareConfig(data=(log,), out=tmp_path / "out", shard_users=50))
    seen: Counter[str] = Counter()
    for split in ("train", "validation", "test"):
        for dataset, user in read_shards(tmp_path / "out", split):
            assert dataset == "log"
            fold = int(hashlib.sha256(user.user_id.encode()).hexdigest(), 16) % 10
            assert split == {0: "test", 1: "validation"}.get(fold, "train")
            seen[user.user_id] += 1
    assert len(seen) == 200
    assert set(seen.values()) == {1}
    assert (tmp_path / "out" / "train-00002.jsonl").exists()


def test_same_inputs_same_bytes_and_users_in_any_order(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(80))
    first = run(PrepareConfig(data=(log,), out=tmp_path / "a"))
    (tmp_path / "elsewhere").mkdir()
    log.rename(tmp_path / "elsewhere" / "log.jsonl")
    again = PrepareConfig(data=(tmp_path / "elsewhere" / "log.jsonl",), out=tmp_path / "b")
    assert run(again)["manifest_sha256"] == first["manifest_sha256"]
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    run(again)  # an earlier output is replaced
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    # users mixed, each in time order, and gzip: the same shards, another input
    mixed = [rows(user)[n] for n in range(8) for user in range(80)]
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(b"\n".join(orjson.dumps(row) for row in mixed)))
    run(PrepareConfig(data=(tmp_path / "log.jsonl.gz",), out=tmp_path / "c"))
    a, c = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "c")
    assert a.pop("manifest.json") != c.pop("manifest.json")
    assert a == c
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    short = [row for user in range(100, 103) for row in rows(user, length=4)]
    whole = [row for user in range(50) for row in rows(user)]
    lines = [orjson.dumps(row) for row in [*whole, *whole[:5], *short]]
    log.write_bytes(b"\n".join([*lines, b"{broken", b'{"user_id": "x"}']))
    other = write_log(tmp_path / "closed.jsonl", range(200, 260))
    counts = run(
        PrepareConfig(data=(log, other), out=tmp_path / "out", min_visible=5, max_users=20, evaluation_only=("closed",))
    )["datasets"]
    in_train = sum(split_of(name_of(user)) == "train" for user in range(50))
    assert counts["log"]["skipped"] == {
        "duplicate_interactions": 5, "short_users": 3, "users_over_limit": in_train - 20,
    }  # fmt: skip
    assert counts["log"]["skipped_lines"] == {"no_text_or_item": 1, "not_json": 1}
    assert counts["log"]["users"]["train"] == 20
    assert counts["closed"]["users"]["train"] == 0
    # what nobody trains on is there to be tested on
    folds = [split_of(name_of(user)) for user in range(200, 260)]
    assert counts["closed"]["users"]["validation"] == folds.count("validation") > 0
    assert counts["closed"]["users"]["test"] == 20 > folds.count("test")
    assert counts["closed"]["skipped"]["users_over_limit"] == 60 - 20 - folds.count("validation")


def test_a_lamp_file_gives_its_profiles_and_never_its_question(tmp_path: Path) -> None:
    questions = [
        {
            "id": str(number),
            "input": "What is the SECRET of this?",
            "profile": [{"id": f"{number}-{n}", "title": f"title {n} of {number}", "date": 2001 + n} for n in range(6)],
        }
        for number in range(40)
    ]
    path = tmp_path / "lamp.json"
    path.write_text(json.dumps(questions))
    assert sum(run(PrepareConfig(data=(path,), out=tmp_path / "out"))["users"].values()) == 40
    found = dict(read_shards(tmp_path / "out", "train")).get("lamp")
    assert found is not None
    assert found.held_out[0].item == f"title 5 of {found.user_id}"
    assert not any(b"SECRET" in data for data in bytes_of(tmp_path / "out").values())


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(5), length=1)
    with pytest.raises(EmptyHistoryError, match="lower min_visible"):
        run(PrepareConfig(data=(log,), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"cannot read .*none.jsonl: No such file"):
        run(PrepareConfig(data=(tmp_path / "none.jsonl",), out=tmp_path / "out"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(UsageError, match="is no output of this stage"):
        run(PrepareConfig(data=(log,), out=tmp_path / "mine"))
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(UsageError, match="two files of one name"):
        PrepareConfig(data=(log, tmp_path / "log.csv"), out=tmp_path / "out")
    with pytest.raises(UsageError, match="evaluation_only names 'movies'"):
        PrepareConfig(data=(log,), out=tmp_path / "out", evaluation_only=("movies",))
    with pytest.raises(InputError, match="no manifest"):
        list(read_shards(tmp_path / "mine", "train"))


def test_a_shard_that_changed_is_refused(tmp_path: Path) -> None:
    run(PrepareConfig(data=(write_log(tmp_path / "log.jsonl", range(20)),), out=tmp_path / "out"))
    with (tmp_path / "out" / "train-00000.jsonl").open("ab") as shard:
        shard.write(b"{}\n")
    with pytest.raises(InputError, match="not what its manifest says"):
        list(read_shards(tmp_path / "out", "train"))


def test_reading_histories_by_fold(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", range(60))
    found = read_histories(log, folds={1, 2}, limit=5)
    assert len(found) == 5
    assert all(fold_of(history[0].user_id) in (1, 2) for history in found)
    problems: Counter[str] = Counter()
    assert read_histories(log, folds=range(10), min_length=9, problems=problems) == []
    assert problems == {"short_users": 60}
    user = cut(found[0])
    assert judged_text(user.held_out[0]) == found[0][-1].item
    with pytest.raises(UsageError, match="at least one of each"):
        cut(found[0][:1])
