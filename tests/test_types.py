"""The values: what is accepted, what is equal, how a record reads."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge.types import Interaction, content_digest, from_timestamp_ms, meta_labels, timestamp_ms


def test_an_interaction_needs_a_text_or_an_item() -> None:
    for nothing in ({}, {"text": " "}, {"item": ""}, {"text": None, "item": "\n"}):
        with pytest.raises(ValueError, match="needs a text or an item"):
            Interaction(**nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [{"rating": float("nan")}, {"rating": float("inf")}, {"rating": -1e16}, {"user_id": ""}, {"user_id": "x" * 513}],
)
def test_bad_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Interaction(item="x", **bad)  # type: ignore[arg-type]


def test_times_are_kept_in_utc_to_the_millisecond() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    one = Interaction(item="x", timestamp=datetime(2026, 1, 1, 5, 30, 0, 123456, tzinfo=there))
    assert one.timestamp == datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
    assert one == Interaction(item="x", timestamp=datetime(2026, 1, 1, 0, 0, 0, 123999))


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_milliseconds_round_trip(moment: datetime) -> None:
    ms = timestamp_ms(moment)
    assert timestamp_ms(from_timestamp_ms(ms)) == ms
    assert abs(from_timestamp_ms(ms) - moment.replace(tzinfo=UTC)) < timedelta(milliseconds=1)


def test_the_id_is_that_of_the_content() -> None:
    base = Interaction(item="x", text="y", rating=4, meta={"b": 1, "a": [2]})
    same = Interaction(item=" x ", text="y", rating=4.0, meta={"a": [2], "b": 1})
    assert base.id == same.id
    assert len(base.id) == 32
    changed = [
        Interaction(item="x2", text="y", rating=4, meta={"b": 1, "a": [2]}),
        Interaction(item="x", text="y", rating=5, meta={"b": 1, "a": [2]}),
        Interaction(item="x", text="y", rating=4, meta={"b": 2, "a": [2]}),
        Interaction(item="x", text="y", rating=4, meta={"b": 1, "a": [2]}, user_id="other"),
        Interaction(item="x", text="y", rating=4, meta={"b": 1, "a": [2]}, timestamp=datetime(2026, 1, 1, tzinfo=UTC)),
        Interaction(text="x", item="y", rating=4, meta={"b": 1, "a": [2]}),
    ]
    assert len({i.id for i in [base, *changed]}) == 7


def test_the_digest_is_stable_across_releases() -> None:
    # A stored digest must be found again by every later version: this value may never change.
    digest = content_digest("local", 1_700_000_000_000, "purchase", "Bücher", None, 5.0, {"a": [1]})
    assert digest.hex() == "f1140545a3d256b3cec22deb8483499a"


def test_half_characters_become_question_marks() -> None:
    broken = Interaction(item="tea \ud83d pot", text="\ude00")
    assert (broken.item, broken.text) == ("tea ? pot", "?")
    assert broken.as_record().encode()


def test_a_record_reads_as_one_line() -> None:
    record = Interaction(
        item="IRIS Desktop\nFile Box", text="Sturdy.", type="purchase", rating=5,
        timestamp=datetime(2018, 2, 10, tzinfo=UTC), meta={"genres": ["War", "Drama"], "order_id": "A17"},
    ).as_record()  # fmt: skip
    assert record == "2018-02-10 purchase: IRIS Desktop File Box - Sturdy. (rated 5; genres: War, Drama)"


def test_a_long_record_loses_text_not_facts() -> None:
    record = Interaction(text="word " * 500, rating=2.5).as_record(max_chars=100)
    assert len(record) <= 100
    assert record.endswith("… (rated 2.5)")


def test_labels_leave_identifiers_and_addresses_out() -> None:
    meta = {
        "genres": ["War"], "plays": 31, "user_id": "7", "url": "https://x.example", "site": "https://x.example",
        "sha": "0123456789abcdef0123", "flag": True, "none": None, "nested": {"a": 1}, "note": "x" * 61,
        "_private": "p",
    }  # fmt: skip
    assert meta_labels(meta) == [("genres", "War"), ("plays", "31")]
