import io
import json
from pathlib import Path

import pytest

from bump_edge.errors import InputError
from bump_edge.readers import Reader, read

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 400


def run(data: bytes | str, **options: object) -> tuple[list[dict[str, object]], Reader]:
    reader = Reader(io.BytesIO(data.encode() if isinstance(data, str) else data), **options)  # type: ignore[arg-type]
    names = ("user_id", "timestamp", "type", "item", "text", "rating", "meta")
    return [dict(zip(names, f, strict=True)) for batch in reader.batches() for f in batch], reader


BAD = [
    (b"{not json}", "not_json"),
    (b"[1, 2]", "not_an_object"),
    (b'"a string"', "not_an_object"),
    (b"17", "not_an_object"),
    (b"null", "not_an_object"),
    (b'{"rating": 5}', "no_text_or_item"),
    (b'{"text": "  ", "item": null}', "no_text_or_item"),
    (b'{"text": "caf\xe9"}', "bad_utf8"),
    (b'{"text": "\\ud800"}', "not_json"),
    (b'{"text": "a", "rating": NaN}', "not_json"),
    (b'{"text": "a", "rating": "good"}', "rating"),
    (b'{"text": "a", "timestamp": "soon"}', "timestamp"),
    (b'{"text": {"a": 1}}', "field"),
    (b'{"text": "a", "big": 123456789012345678901234567890}', "number"),
    (b'{"text": "a", "user_id": 1.5}', "user_id"),
    (b'{"role": "assistant", "text": "You love jazz"}', "not_the_user"),
    (b"[" * 5000, "not_json"),
]


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[f"{reason} {k}" for k, (_, reason) in enumerate(BAD)])
def test_a_bad_line_is_counted_quoted_and_skipped(line: bytes, reason: str) -> None:
    rows, reader = run(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    assert [row["text"] for row in rows] == ["before", "after"]
    assert reader.problems.counts == {reason: 1}
    (quoted,) = reader.problems.quotes
    assert (quoted.line, quoted.reason) == (2, reason)
    assert quoted.quote.isprintable()
    assert len(quoted.quote) <= 80


@pytest.mark.parametrize(("line", "reason"), [b for b in BAD if b[1] != "not_the_user"])
def test_strict_stops_there_and_keeps_what_came_before(line: bytes, reason: str) -> None:
    batches = Reader(io.BytesIO(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n'), strict=True).batches()
    assert [f[4] for f in next(batches)] == ["before"]
    with pytest.raises(InputError, match="line 2") as caught:
        next(batches)
    assert caught.value.details["reason"] == reason


def test_only_the_first_twenty_are_quoted() -> None:
    _, reader = run(b"x\n" * 500)
    assert reader.problems.counts == {"not_json": 500}
    assert [q.line for q in reader.problems.quotes] == list(range(1, 21))


def test_binary_data_are_one_error() -> None:
    for data in (PNG, PNG * 40, b"\0" * 30_000_000):
        with pytest.raises(InputError, match="looks like binary data"):
            run(data)
    rows, reader = run(b'{"text": "good"}\n' + PNG * 40)
    assert [row["text"] for row in rows] == ["good"]
    assert reader.problems.counts.total() > 1000


def test_many_bad_lines_are_no_binary_data() -> None:
    rows, reader = run(b"what is this?\n" * 5000)
    assert not rows
    assert reader.problems.counts == {"not_json": 5000}


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(
        b"\xef\xbb\xbfUser_ID;Timestamp;Item;Rating;Text;shop;meta\r\n"
        b'ann;2014-05-13;"A ""big""; box";4,5;;x;\r\n'
        b'ann;2014-05-14;Box;4.5;"two\r\nlines";;"{""plays"": 3}"\r\n'
        b"\r\n"
        b"bob;;caf\xe9;;;;\r\n"
        b"bob;;Tea;;;;\r\n"
        b"bob;;Short\r\n"
        b"bob;;Long;;;;;extra\r\n"
    )
    reader = Reader(path)
    rows = [f for batch in reader.batches() for f in batch]
    assert rows == [
        ("ann", 1400025600000, None, "Box", "two\r\nlines", 4.5, {"plays": 3}),
        ("bob", None, None, "Tea", None, None, None),
        ("bob", None, None, "Short", None, None, None),
        ("bob", None, None, "Long", None, None, {"more": ["extra"]}),
    ]
    assert [(q.line, q.reason) for q in reader.problems.quotes] == [(2, "rating"), (6, "bad_utf8")]


def test_csv_is_told_from_its_first_line_and_maps_names() -> None:
    rows, _ = run("who\tbody\nann\thello there\n", mapping={"user_id": "who", "text": "body"})
    assert [(row["user_id"], row["text"]) for row in rows] == [("ann", "hello there")]
    rows, _ = run("text\nhello\nyou, too\n", format="csv")
    assert [row["text"] for row in rows] == ["hello", "you"]


def test_csv_without_a_usable_column_says_what_it_has() -> None:
    with pytest.raises(InputError, match=r"columns who, body: expected text or item.*--map text=COLUMN"):
        run("who,body\nann,hello\n")


def test_csv_with_an_endless_quote_loses_little() -> None:
    good = "".join(f"line {k}\n" for k in range(60_000))
    rows, reader = run("text\n" + 'before\n"never closed\n' + good, format="csv")
    assert reader.problems.counts["too_long"] == 1
    assert len(rows) > 40_000


LAMP = [
    {
        "id": "110",
        "input": 'Which tag? "never read" [x] {y}',
        "profile": [
            {"id": "1101", "tag": "sci-fi", "description": 'A robot says "[{" \\ to {space}', "date": "2009-03-12"},
            {"id": "1102", "title": "A paper", "abstract": "About things"},
        ],
    },
    {
        "id": "111",
        "input": "Rate",
        "profile": [{"id": "1", "text": "Good knife", "score": "5"}, {"id": "2", "text": "x", "score": "?"}],
    },
    {"id": "112", "input": "Nothing known", "profile": []},
]


@pytest.mark.parametrize("indent", [None, 2])
def test_lamp(indent: int | None) -> None:
    rows, reader = run(json.dumps(LAMP, indent=indent))
    assert [(r["user_id"], r["item"], r["text"], r["rating"], r["meta"]) for r in rows] == [
        ("110", None, 'A robot says "[{" \\ to {space}', None, {"id": "1101", "tag": "sci-fi"}),
        ("110", "A paper", "About things", None, {"id": "1102"}),
        ("111", None, "Good knife", 5.0, {"id": "1"}),
    ]
    assert rows[0]["timestamp"] == 1236816000000
    assert "never read" not in json.dumps(rows)
    assert [(q.line, q.reason) for q in reader.problems.quotes] == [(2, "rating")]


def test_lamp_is_read_one_element_at_a_time_wherever_the_pieces_end() -> None:
    data = json.dumps(LAMP).encode()

    class Drip(io.RawIOBase):
        def __init__(self, size: int) -> None:
            self.parts = [data[:65536][k : k + size] for k in range(0, len(data), size)][::-1]

        def read(self, size: int = -1) -> bytes:
            return self.parts.pop() if self.parts else b""

    expected, _ = run(data)
    for size in (1, 2, 3, 7, 64):
        reader = Reader(Drip(size), format="lamp")  # type: ignore[arg-type]
        got = [f for batch in reader.batches() for f in batch]
        assert [f[4] for f in got] == [r["text"] for r in expected]


def test_a_plain_json_array_is_read_too() -> None:
    rows, reader = run('[{"text": "a"}, 3, {"item": "b"}, "x", {"bad": ]')
    assert [(r["text"], r["item"]) for r in rows] == [("a", None), (None, "b")]
    assert reader.problems.counts == {"not_an_object": 2, "not_json": 1}


def test_lamp_with_a_giant_element() -> None:
    reader = Reader(
        io.BytesIO(b'[{"text": "a"}, {"text": "%s"}, {"text": "b"}]' % (b"x" * 3_000_000)),
        format="lamp",
        max_line_bytes=100,
    )
    assert [f[4] for batch in reader.batches() for f in batch] == ["a", "b"]
    assert [(q.line, q.reason) for q in reader.problems.quotes] == [(2, "too_long")]


def test_lamp_that_is_no_array() -> None:
    with pytest.raises(InputError, match="no JSON array"):
        run('{"task": "LaMP_3", "golds": []}', format="lamp")


def test_read_gives_interactions(tmp_path: Path) -> None:
    path = tmp_path / "a.json"  # JSON Lines by its content
    path.write_text('{"text": "a", "rating": "4"}\n{"item": "b"}\n')
    assert [(i.text, i.item, i.rating) for i in read(path)] == [("a", None, 4.0), (None, "b", None)]
