"""Interaction → a line → reader → equal; and the digest of the fields is the interaction's."""

import csv
import io
from datetime import datetime
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bump_edge.readers import Reader, to_fields, to_interaction
from bump_edge.types import MAX_RATING, Interaction, content_digest

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60).filter(
    lambda s: s.strip()
)
VOICES = {"assistant", "system", "tool"}
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(-1e15, 1e15),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
)
JSON = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
META = st.dictionaries(TEXT.filter(lambda key: key != "role"), JSON, max_size=4)


@st.composite
def interactions(draw: st.DrawFn) -> Interaction:
    text, item = draw(st.one_of(st.none(), TEXT)), draw(st.one_of(st.none(), TEXT))
    moment = draw(st.one_of(st.none(), st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))))
    return Interaction(
        text=text,
        item=item if text or item else draw(TEXT),
        type=draw(st.one_of(st.none(), TEXT.filter(lambda t: t.strip().lower() not in VOICES))),
        rating=draw(st.one_of(st.none(), st.floats(-MAX_RATING, MAX_RATING))),
        timestamp=moment,
        user_id=draw(TEXT),
        meta=draw(META),
    )


def rows(data: bytes, format_: str) -> list[Any]:
    reader = Reader(io.BytesIO(data), format=format_)
    found = [fields for batch in reader.batches() for fields in batch]
    assert not reader.problems.counts, reader.problems.quotes
    return found


@given(st.lists(interactions(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_jsonl(given: list[Interaction]) -> None:
    found = rows(b"".join(orjson.dumps(i.as_dict()) + b"\n" for i in given), "jsonl")
    assert [to_interaction(f) for f in found] == given
    assert [content_digest(*f) for f in found] == [i.digest for i in given]


@given(st.lists(interactions(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_json_array(given: list[Interaction]) -> None:
    assert [to_interaction(f) for f in rows(orjson.dumps([i.as_dict() for i in given]), "lamp")] == given


@given(st.lists(interactions(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_csv(given: list[Interaction]) -> None:
    out = io.StringIO(newline="")
    table = csv.DictWriter(
        out, ["user_id", "timestamp", "type", "text", "item", "rating", "meta"], quoting=csv.QUOTE_ALL
    )
    table.writeheader()
    for interaction in given:
        row = interaction.as_dict()
        if "meta" in row:
            row["meta"] = orjson.dumps(row["meta"]).decode()
        table.writerow(row)
    found = rows(out.getvalue().encode(), "csv")
    assert [to_interaction(f) for f in found] == given


@given(interactions())
@settings(deadline=None, max_examples=150)
def test_fields(given: Interaction) -> None:
    assert to_interaction(to_fields(given)) == given
    assert content_digest(*to_fields(given)) == given.digest
