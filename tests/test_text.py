"""Words, stems, sentences and languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge.text import fold, guess_language, sentences, stem, stems, stopwords, words


def test_fold_meets_spellings() -> None:
    assert fold("Beyoncé") == fold("BEYONCE") == "beyonce"
    assert fold("Straße") == fold("STRASSE")
    assert fold("ﬁne") == "fine"


@given(st.text(max_size=80))
def test_fold_is_stable(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_words_keep_inner_marks() -> None:
    assert words("Guns N' Roses, blink-182 & 9½ user's “x”") == ["Guns", "N", "Roses", "blink-182", "9½", "user's", "x"]
    assert words("…!") == []


def test_stems_meet_inflections() -> None:
    assert stems("Pedals pedal") == ["pedal", "pedal"]
    assert stems("Hörbücher Hörbuch", "de")[1] == stem("hörbuch", "de")
    assert stems("l'amour qu'amour", "fr") == [stem("amour", "fr")] * 2
    assert stems("Twin-Pocket") == ["twin", "pocket"]
    assert stem("ps4s") == "ps4s"  # digits: no stemming
    assert stem("word", "zh") == "word"


def test_unspaced_scripts_give_pairs() -> None:
    assert stems("東京タワー", "ja") == ["東京", "京タ", "タワ", "ワー"]
    assert set(stems("京都", "ja")) <= set(stems("京都の宿", "ja"))
    assert stems("PS5京", "ja") == ["ps5", "京"]


def test_stop_words_leave_content_alone() -> None:
    english = stopwords("en")
    assert {"the", "and", "with", "of"} <= english
    assert english.isdisjoint({"computer", "microsoft", "room", "fire", "pc", "ds", "tv", "novel", "bill"})
    assert "und" in stopwords("de")
    assert stopwords("xx") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("By J. R. R. Tolkien. Next", ["By J. R. R. Tolkien.", "Next"]),
        ("Super Smash Bros. Brawl and Dr. Mario. Next", ["Super Smash Bros. Brawl and Dr. Mario.", "Next"]),
        ("Rates 4.5 at most. Next", ["Rates 4.5 at most.", "Next"]),
        ("He said “yes.” Then left", ["He said “yes.”", "Then left"]),
        ("好きです。次", ["好きです。", "次"]),
        ("line one\nline two", ["line one", "line two"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(max_size=120))
def test_sentences_lose_no_word(text: str) -> None:
    assert [w for s in sentences(text) for w in words(s)] == words(text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I have been looking for a small amp that is not too loud for the house", "en"),
        ("Der Krimi hat mir gefallen, weil der Kommissar kein Held ist und das Ende nicht zu schnell kommt", "de"),
        ("Je cherche une recette de tarte aux pommes qui ne soit pas trop sucrée pour les enfants", "fr"),
        ("No me gusta el ruido que hace, pero el precio es muy bueno para lo que es", "es"),
        ("東京タワーの夜景がとても好きです", "ja"),
        ("오늘 서울 날씨가 어때요", "ko"),
        ("我想买一把新的吉他", "zh"),
    ],
)
def test_guess_language(text: str, language: str) -> None:
    assert guess_language([text], default="xx", min_hits=4) == language


def test_thin_evidence_gives_the_default() -> None:
    assert guess_language(["PlayStation 4"], default="fr") == "fr"
    assert guess_language(["12345 !!"], default="de") == "de"
    assert guess_language([], default="en") == "en"
