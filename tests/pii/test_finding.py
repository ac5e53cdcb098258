"""What is found in text: the labelled set's held-out half, and what must hold for every text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge.pii import KINDS, Span, find, finding, redact
from bump_edge.pii.finding import flatten
from tests.pii.labelled import half, negatives, positives, score


def test_the_labelled_set_is_large_and_cut_in_two() -> None:
    assert sum(len(s.spans) for s in positives()) >= 150
    assert len(negatives()) >= 300
    assert len({s.text for s in (*positives(), *negatives())}) == len(positives()) + len(negatives())
    assert {kind for s in positives() for kind, _, _ in s.spans} == set(KINDS) - {"person"}
    for name in ("tuning", "held_out"):
        assert 60 <= sum(len(s.spans) for s in half(name)) <= 110


def test_precision_and_recall_on_the_half_that_nothing_was_tuned_on() -> None:
    # measured: 0.952 and 0.964; the misses stay unseen here, or the next change of the rules is tuned on them
    result = score(half("held_out"))
    assert result.precision >= 0.95, result.as_dict()
    assert result.recall >= 0.95, result.as_dict()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ping 8.8.8.8 works", "ip"),
        ("aws AKIAIOSFODNN7EXAMPLE", "secret"),
        ("Kennwort ist Sommer!7x", "secret"),
        ("contraseña es Luna-7z", "secret"),
        ("密码：abc1xyz", "secret"),
        ("printer A4-5E-C0-C2-B1-FF", "device"),
        ("https://example.com/?key=a8F3kd92LmQ0", "secret"),
        ("born 4th of July 1991", "birth_date"),
        ("Ring 06 12 34 56 78", "phone"),
    ],
)
def test_one_piece_of_personal_data(text: str, kind: str) -> None:
    assert [span.kind for span in find(text)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "Lottery: 07 14 22 31 40 45 bonus 9",
        "Call of Duty 4 2007 2009 2011",
        "temperature +20 22 24 26 28",
        "OpenSSL 1.1.1.200",
        "Born 2 Die 1993 bootleg",
        "https://shop.example/?key=guitar&code=SAVE10",
        "Reel 12345678Z of tape",  # one of 23 numbers has its letter,
        "Filter 2345 6789 0124",  # one of 10 its digit,
        "Serial range 02070803628",  # one of 50 a date and its digit
        "The barcode 4111111111111111 does not scan",
    ],
)
def test_nothing_personal(text: str) -> None:
    assert find(text) == []


def test_no_text_is_passed_over_that_the_rules_would_find_something_in(monkeypatch: pytest.MonkeyPatch) -> None:
    # each datum with the two words before it, so that no other part of the line keeps the filter open
    texts = {s.text for s in positives()} | {
        " ".join([*s.text[:start].split(" ")[-3:]]) + s.text[start:end]
        for s in positives()
        for _, start, end in s.spans
    }
    quick = {text: find(text) for text in texts}
    monkeypatch.setattr(finding, "_WORTH", re.compile(""))
    assert quick == {text: find(text) for text in texts}


def test_the_score_can_fail() -> None:
    samples = half("held_out")
    assert score(samples, lambda text: []).recall == 0
    all_of_it = score(samples, lambda text: [Span(start=0, end=len(text), kind="email", rule="everything")])
    assert all_of_it.precision < 0.1


@given(st.text(max_size=200) | st.lists(st.sampled_from([s.text for s in positives()]), max_size=4).map(" / ".join))
def test_spans_lie_in_the_text_in_order_and_apart(text: str) -> None:
    assert len(flatten(text)) == len(text)
    at = 0
    for span in find(text):
        assert at <= span.start < span.end <= len(text)
        assert span.kind in KINDS
        at = span.end


# what the rules miss is counted below, against the labels
FOUND = [s.text for s in positives() if find(s.text)]


@given(st.lists(st.sampled_from(FOUND), min_size=1, max_size=4).map("\n".join))
def test_redacting_leaves_nothing_to_find_and_twice_is_once(text: str) -> None:
    clean, counts = redact(text)
    assert counts.total() == len(find(text)) > 0
    assert redact(clean) == (clean, {})


def test_a_text_that_is_made_to_be_slow_is_not() -> None:
    for piece in ("a@", "1", "1 ", "http://a?", "12 A", ":", "a-", "-----BEGIN PRIVATE KEY-----", "Am Weg 1, ", "+1 "):
        began = time.perf_counter()
        find(piece * (100_000 // len(piece)))
        assert time.perf_counter() - began < 20, piece  # some 0.3 s; quadratic would be minutes
