from datetime import UTC, datetime

import orjson
import pytest

from bump_edge.errors import UsageError
from bump_edge.readers.fields import read_rating, read_timestamp, shaper
from bump_edge.readers.problems import FieldError
from bump_edge.types import LOCAL_USER, timestamp_ms


def ms(*parts: int) -> int:
    return timestamp_ms(datetime(*parts, tzinfo=UTC))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2014-05-13T16:53:20Z", ms(2014, 5, 13, 16, 53, 20)),
        ("2014-05-13T16:53:20+02:00", ms(2014, 5, 13, 14, 53, 20)),
        ("2014-05-13T16:53:20.123456", ms(2014, 5, 13, 16, 53, 20) + 123),
        ("2014-05-13 16:53", ms(2014, 5, 13, 16, 53)),
        (" 2014-05-13 ", ms(2014, 5, 13)),
        ("2014-05-13", ms(2014, 5, 13)),
        ("20140513", ms(2014, 5, 13)),
        ("2014-05", ms(2014, 5, 1)),
        ("2014", ms(2014, 1, 1)),
        (1_400_000_000, 1_400_000_000_000),
        ("1400000000", 1_400_000_000_000),
        (1_400_000_000.25, 1_400_000_000_250),
        ("1400000000.25", 1_400_000_000_250),
        (1_400_000_000_123, 1_400_000_000_123),
        ("1400000000123", 1_400_000_000_123),
        ("1412100512345", 1_412_100_512_345),  # reads as ISO 8601 too: 1412-10-05
        (1_400_000_000_123.9, 1_400_000_000_123),
        (1_400_000_000_123_456, 1_400_000_000_123),
        (1_400_000_000_123_456_789, 1_400_000_000_123),
        (0, 0),
        (-86_400, -86_400_000),
        (None, None),
        ("", None),
        ("  ", None),
    ],
)
def test_timestamps(given: object, expected: int | None) -> None:
    assert read_timestamp(given) == expected


@pytest.mark.parametrize(
    "given",
    ["yesterday", "2014-13-01", "12:30", "1_400_000_000", "nan", "inf", "1e999", True, [], {}, 10**30, float("nan"),
     "99999-01-01", "0001-01-01T00:00:00+14:00", 10**22],
)  # fmt: skip
def test_nonsense_timestamps_are_bad(given: object) -> None:
    with pytest.raises(FieldError) as caught:
        read_timestamp(given)
    assert caught.value.reason == "timestamp"


@pytest.mark.parametrize(
    ("given", "expected"), [(5, 5.0), (4.5, 4.5), ("3", 3.0), (" 2.5 ", 2.5), ("", None), (None, None)]
)
def test_ratings(given: object, expected: float | None) -> None:
    assert read_rating(given) == expected


@pytest.mark.parametrize("given", ["good", "4/5", "1_0", "nan", float("inf"), 1e308, "-1e16", True, [5]])
def test_nonsense_ratings_are_bad(given: object) -> None:
    with pytest.raises(FieldError) as caught:
        read_rating(given)
    assert caught.value.reason == "rating"


def test_unknown_keys_go_to_meta_and_meta_wins() -> None:
    shape = shaper()
    assert shape({"text": "a", "plays": 3, "meta": {"plays": 4, "genre": "folk"}})[-1] == {"plays": 4, "genre": "folk"}
    assert shape({"text": "a", "plays": 3})[-1] == {"plays": 3}
    assert shape({"text": "a", "meta": "red"})[-1] == {"meta": "red"}
    assert shape({"text": "a", "meta": {}})[-1] is None


def test_mapping_renames_and_reaches_inside() -> None:
    shape = shaper(mapping={"text": "body", "item": "product.title", "user_id": "who"})
    record = orjson.loads('{"body": "b", "text": "theirs", "product": {"title": "T", "price": 3}, "who": "ann"}')
    user_id, _, _, item, text, _, meta = shape(record)
    assert (user_id, item, text) == ("ann", "T", "b")
    assert meta == {"product": {"price": 3}, "text": "theirs"}


def test_mapping_takes_a_name_with_a_dot_literally_first() -> None:
    assert shaper(mapping={"item": "a.b"})({"a.b": "flat", "a": {"b": "deep"}})[3] == "flat"
    assert shaper(mapping={"item": "a.b"})({"a": {"b": "deep"}})[3:] == ("deep", None, None, None)


@pytest.mark.parametrize("mapping", [{"body": "text"}, {"text": ""}])
def test_senseless_mapping(mapping: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="text=body"):
        shaper(mapping=mapping)


def test_users() -> None:
    shape = shaper(user_id="me")
    assert shape({"text": "a"})[0] == "me"
    assert shape({"text": "a", "user_id": None})[0] == "me"
    assert shape({"text": "a", "user_id": ""})[0] == "me"
    assert shape({"text": "a", "user_id": 17})[0] == "17"
    assert shaper()({"text": "a"})[0] == LOCAL_USER
    for bad in (1.5, True, ["x"], "x" * 513):
        with pytest.raises(FieldError) as caught:
            shape({"text": "a", "user_id": bad})
        assert caught.value.reason == "user_id"


def test_nul_characters_go() -> None:
    assert shaper()({"text": "\0 a\0b", "item": "\0", "user_id": "u\0"}) == ("u", None, None, None, "ab", None, None)


@pytest.mark.parametrize("role", ["assistant", "system", "TOOL"])
def test_other_voices_are_not_the_users(role: str) -> None:
    for record in ({"role": role, "text": "You love jazz."}, {"type": role, "text": "You love jazz."}):
        with pytest.raises(FieldError) as caught:
            shaper()(record)
        assert caught.value.reason == "not_the_user"
    assert shaper()({"role": "user", "text": "I love jazz."})[4] == "I love jazz."


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1e300"])
def test_numbers_beyond_64_bits_are_bad(number: str) -> None:
    with pytest.raises(FieldError) as caught:
        shaper()(orjson.loads(f'{{"text": "a", "meta": {{"deep": [{number}]}}}}'))
    assert caught.value.reason == "number"
