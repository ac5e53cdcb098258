"""Following a log that grows, is cut off in the middle of a line, is rotated and holds nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bump_edge import IngestReport, Profile, Profiler, Store, UsageError, follow


def line(n: int, user: str = "local") -> str:
    return f'{{"user_id": "{user}", "type": "purchase", "item": "Green Tea number {n}"}}\n'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.db") as opened:
        yield opened


def test_what_is_appended_is_taken_in_and_the_profile_follows(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    stop = threading.Event()
    seen: list[IngestReport | Profile] = []
    errors: list[str] = []
    with Profiler(store, "extractive") as profiler:
        events = follow(
            profiler,
            log,
            update_after=5,
            idle_s=0.05,
            poll_s=0.01,
            stop=stop,
            on_error=lambda e: errors.append(e.message),
        )

        def until(kind: type) -> IngestReport | Profile:
            while not isinstance(event := next(events), kind):
                seen.append(event)
            return event

        log.write_text("".join(map(line, range(20))) + line(20)[:30])
        report = until(IngestReport)
        assert isinstance(report, IngestReport)
        assert report.added == 20  # the last line has not ended
        first = until(Profile)
        assert (first.version, first.origin) == (1, "write")  # type: ignore[union-attr]
        with log.open("a") as out:
            out.write(line(20)[30:] + line(21))
        assert until(IngestReport).added == 2  # type: ignore[union-attr]
        with log.open("a") as out:
            out.write("nonsense\n")  # reported, and nothing else happens
        with log.open("a") as out:
            out.write("".join(line(n) for n in range(22, 26)))
        second = until(Profile)
        assert (second.version, second.origin) == (2, "update")  # type: ignore[union-attr]
        assert second.manifest["update"]["new"] == 6  # type: ignore[union-attr]
        # rotation: another file under the name, with lines that are known and one that is new
        log.unlink()
        log.write_text(line(3) + line(99, "other"))
        report = until(IngestReport)
        assert (report.added, report.duplicates) == (1, 1)  # type: ignore[union-attr]
        assert until(Profile).user_id == "other"  # type: ignore[union-attr]
        stop.set()
        assert list(events) == []
    assert store.count("local") == 26
    assert all("usable" in e or "bad" in e for e in errors)


def test_what_cannot_be_followed(store: Store, tmp_path: Path) -> None:
    with Profiler(store, "extractive") as profiler:
        for name in ("log.jsonl.gz", "log.csv"):
            with pytest.raises(UsageError, match="cannot be followed"):
                next(follow(profiler, tmp_path / name))
        with pytest.raises(UsageError, match="expected at least 1"):
            next(follow(profiler, tmp_path / "log.jsonl", update_after=0))


def test_a_follower_of_nothing_stops_when_asked(store: Store, tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with Profiler(store, "extractive") as profiler:
        assert list(follow(profiler, tmp_path / "never.jsonl", poll_s=0.01, stop=stop)) == []
