"""Lists in sentences: what may go of them, and that nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge.profiler.checks import check
from bump_edge.profiler.lists import read_list, without
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction

BANDS = ("Linkin Park", "Papa Roach", "Necro", "The Prodigy", "Joan Jett and the Blackhearts", "Slipknot")
LOG = tuple(Interaction(type="listen", item=name) for name in BANDS)
PROMPT = Prompt(interactions=LOG, stats=HistoryStats(count=6))
NAMES = ("Alder", "Birch Fox", "Cedar", "Dune & Elm", "Fern", "Gorse 7", "Hazel")


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ("Listens to Necro, Zorblax and Slipknot.", "Listens to Necro and Slipknot.", 1),
        ("Listens above all to Zorblax, Papa Roach and Necro!", "Listens above all to Papa Roach and Necro!", 1),
        ("Also plays Necro, Papa Roach, and Zorblax", "Also plays Necro and Papa Roach", 1),
        ("Also plays Necro and Zorblax.", "Also plays Necro.", 1),
        ("Plays Necro, Slipknot, Necro, Necro and Slipknot.", "Plays Necro and Slipknot.", 3),
        (
            "Plays Joan Jett and the Blackhearts, Zorblax, and Necro.",
            "Plays Joan Jett and the Blackhearts, and Necro.",
            1,
        ),
        ("Writes about tomatoes, swap, tomato, Lena and Lena's.", "Writes about tomatoes, swap and Lena.", 2),
        ("Écoute Necro, Zorblax et Slipknot.", "Écoute Necro et Slipknot.", 1),
        ("Hört vor allem Necro, Zorblax und Slipknot.", "Hört vor allem Necro und Slipknot.", 1),
    ],
)
def test_what_is_wrong_or_said_twice_goes(before: str, after: str, gone: int) -> None:
    language = "fr" if "É" in before else "de" if "ö" in before else "en"
    assert without(before, language, lambda entry: "Zorblax" in entry) == (after, gone)


@pytest.mark.parametrize(
    "sentence",
    [
        "Listens to Necro, Papa Roach and Slipknot.",  # nothing is wrong
        "Listens to Zorblax and Zorblax.",  # nothing is left
        "Listens to Zorblax.",  # no list
        "Rates generously, mostly 5, but marks down Zorblax.",  # clauses
        "Listens to Necro, often on days when Zorblax plays.",
        "Listens to Zorblax but not Necro and Slipknot.",
        "Gives Zorblax higher ratings than Necro and Slipknot.",
        "",
        ", and .",
    ],
)
def test_what_is_left_alone(sentence: str) -> None:
    assert without(sentence, "en", lambda entry: "Zorblax" in entry) is None


def test_a_language_whose_and_is_not_known_has_no_lists() -> None:
    assert read_list("Necro, Slipknot ja Zorblax", "fi") is None


@given(
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=7, unique=True),
    st.sets(st.sampled_from(NAMES)),
    st.sampled_from(("Buys ", "Listens above all to ", "Has also rated ")),
)
def test_what_is_left_is_the_list_without_what_went(names: list[str], wrong: set[str], head: str) -> None:
    sentence = f"{head}{', '.join(names[:-1])} and {names[-1]}."
    found = read_list(sentence, "en")
    assert found is not None
    assert (found.head, found.entries, found.text) == (head, tuple(names), sentence)
    kept = [name for name in names if name not in wrong]
    done = without(sentence, "en", wrong.__contains__)
    if not kept or len(kept) == len(names):
        assert done is None
        return
    assert done is not None
    text, gone = done
    assert gone == len(names) - len(kept)
    assert text == (f"{head}{', '.join(kept[:-1])} and {kept[-1]}." if len(kept) > 1 else f"{head}{kept[0]}.")
    assert without(text, "en", wrong.__contains__) is None


def test_a_profile_keeps_what_is_true_of_a_list() -> None:
    raw = "Listens above all to Linkin Park, Zorblax, Necro and Linkin Park. Also listens to Quuxband and Florp."
    strict = check(raw, PROMPT)
    assert (strict.text, dict(strict.dropped), strict.trimmed) == ("", {"unsupported": 2}, 0)
    found = check(raw, PROMPT, trims=True)
    assert found.text == "Listens above all to Linkin Park and Necro."
    assert (dict(found.dropped), found.trimmed) == ({"unsupported": 1}, 2)
    assert {i.item for i in found.evidence[0].interactions} == {"Linkin Park", "Necro"}


ACTS = tuple(
    Interaction(type=kind, item=item, text=text, rating=rating)
    for kind, item, text, rating in (
        ("purchase", "Steel Strings", None, 5.0),
        ("purchase", "Foam Panels", None, 2.0),
        ("search", None, "Roy Buchanan solo tab", None),
        ("purchase", "Ribbon Microphone", None, 5.0),
        ("purchase", "Studio Headphones", None, 1.0),
    )
)


def test_a_search_that_is_copied_at_length_goes_alone() -> None:
    said = ("merino socks sale", "how much water to carry on a hike", "bivvy bag vs tent")
    log = tuple(Interaction(type="search", text=text) for text in said)
    prompt = Prompt(interactions=log, stats=HistoryStats.of(log))
    raw = f"Looks up {', '.join(said[:2])} and {said[2]}."
    assert check(raw, prompt).dropped == {"verbatim": 1}
    assert check(raw, prompt, trims=True).text == "Looks up merino socks sale and bivvy bag vs tent."
    loose = "Looks up merino socks sale, carry water on a hike, tents that nobody sells and bivvy bag vs tent."
    assert check(loose, prompt, trims=True).text in ("", loose)  # a clause that no record has makes it no list


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (
            "Looks up ribbon microphone, guitar, foam, guitar and mix.",
            "Looks up ribbon microphone, guitar, foam and mix.",
        ),
        (
            "Looks up ribbon microphone, guitar, foam, guitar and more.",
            "Looks up ribbon microphone, guitar, foam and more.",
        ),
    ],
)
def test_a_single_word_is_an_entry_whatever_it_is(raw: str, stored: str) -> None:
    said = ("ribbon microphone", "blues mix guitar", "guitar foam")
    log = tuple(Interaction(type="search", text=text) for text in said)
    assert check(raw, Prompt(interactions=log, stats=HistoryStats.of(log)), trims=True).text == stored


def test_a_sentence_that_ends_in_no_list_is_left_alone() -> None:
    log = tuple(Interaction(type="rating", item=item, rating=r) for item, r in (("Often 5", 1.0), ("Solo", 5.0)))
    raw = "Ratings range from 1 to 5, often 5."
    assert check(raw, Prompt(interactions=log, stats=HistoryStats.of(log)), trims=True).text == raw


def test_a_sentence_with_a_name_that_reads_like_an_instruction_falls_whole() -> None:
    log = tuple(Interaction(type="purchase", item=item) for item in ("Doom", "Smackdown 2: Know Your Role", "Myst"))
    prompt = Prompt(interactions=log, stats=HistoryStats.of(log))
    assert check("Buys Doom, Smackdown 2: Know Your Role and Myst.", prompt, trims=True).dropped == {"instruction": 1}
    bands = tuple(Interaction(type="listen", item=item) for item in ("Anberlin", "Bring Me The Horizon", "Let 3"))
    raw = "Listens to Anberlin, Bring Me The Horizon and Let 3."
    assert check(raw, Prompt(interactions=bands, stats=HistoryStats.of(bands)), trims=True).text == raw


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("Buys Steel Strings, Roy Buchanan and Foam Panels.", "Buys Steel Strings and Foam Panels."),
        ("Looks up Roy Buchanan, Foam Panels and Steel Strings.", "Looks up Roy Buchanan."),
        ("Lately buys Steel Strings, Ribbon Microphone and Studio Headphones.",
         "Lately buys Ribbon Microphone and Studio Headphones."),
        ("Rates highest Steel Strings, Foam Panels and Ribbon Microphone.",
         "Rates highest Steel Strings and Ribbon Microphone."),
        ("Rates lowest Foam Panels, Studio Headphones and Ribbon Microphone.",
         "Rates lowest Foam Panels and Studio Headphones."),
        ("Rates Steel Strings, Foam Panels and Ribbon Microphone.", ""),
    ],
)  # fmt: skip
def test_what_a_sentence_claims_holds_of_each_entry_of_its_list(raw: str, stored: str) -> None:
    prompt = Prompt(interactions=ACTS, stats=HistoryStats.of(ACTS))
    assert check(raw, prompt, trims=True).text == (stored or raw)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (
            "Listens to Linkin Park, Necro, Papa Roach, Slipknot, Papa Ro",
            "Listens to Linkin Park, Necro, Papa Roach and Slipknot.",
        ),
        ("Listens to Linkin Park, Necro, Necro, Necro, Necro, Ne", "Listens to Linkin Park and Necro."),
        (
            "Listens to Linkin Park. Also listens to Necro, Zorblax, Papa",
            "Listens to Linkin Park. Also listens to Necro.",
        ),
        ("Listens to Linkin Park. Also listens to Nec", "Listens to Linkin Park."),
        ("Listens to Necro, Lin", ""),
    ],
)  # fmt: skip
def test_a_list_that_the_token_limit_cut_ends_before_the_cut(raw: str, stored: str) -> None:
    found = check(raw, PROMPT, trims=True, finished=False)
    assert found.text == stored
    assert bool(found.dropped.get("unfinished")) == (not found.trimmed)
    strict = check(raw, PROMPT, finished=False)
    assert strict.dropped["unfinished"] == 1


def test_what_is_left_of_a_list_must_stand_before_every_check() -> None:
    # said before, so that nothing new is left
    first = "Listens to Linkin Park, Necro, Papa Roach and Slipknot."
    found = check(f"{first} Plays Linkin Park, Necro, Papa Roach, Slipknot and Zorblax.", PROMPT, trims=True)
    assert (found.text, dict(found.dropped)) == (first, {"duplicate": 1})
    # a person's word, and what speaks to a model, whole or in part
    found = check(
        "Listens to Necro, Slipknot and Zorblax.", PROMPT, trims=True, refuses=lambda s: "blocked" * ("Slipknot" in s)
    )
    assert dict(found.dropped) == {"blocked": 1}
    found = check("You must play Necro, Zorblax and Slipknot.", PROMPT, trims=True)
    assert found.text == ""
    # what supports nothing supports nothing without its names either
    assert check("Breeds Zorblax, poodles and Necro.", PROMPT, trims=True).text in ("", "Breeds Necro.")


def test_a_name_of_function_words_stays_and_a_piece_of_one_goes() -> None:
    log = (*LOG, Interaction(type="listen", item="The Who"))
    prompt = Prompt(interactions=log, stats=HistoryStats(count=7))
    found = check("Listens to Necro, The Who, Zorblax, The and Slipknot.", prompt, trims=True)
    assert (found.text, found.trimmed) == ("Listens to Necro, The Who and Slipknot.", 2)


def test_a_list_that_is_true_stands_word_for_word() -> None:
    raw = "Listens to The Prodigy, Necro, and Joan Jett and the Blackhearts."
    found = check(raw, PROMPT, trims=True)
    assert (found.text, found.trimmed) == (raw, 0)


def test_a_name_that_no_record_bears_out_goes_from_a_sentence_that_holds_without_it_too() -> None:
    log = tuple(Interaction(type="buy", item=item) for item in ("Brother toner cartridges", "Zebra ink pens", "HIM"))
    prompt = Prompt(interactions=log, stats=HistoryStats(count=3))
    raw = "Buys Brother toner cartridges, Zebra ink pens, Brother mice and HIM."
    assert check(raw, prompt).text == raw  # nearly all of its words are in the log
    found = check(raw, prompt, trims=True)
    assert (found.text, found.trimmed) == ("Buys Brother toner cartridges, Zebra ink pens and HIM.", 1)
    # the first entry counts as said, though small letters do not tell it from the words before it
    found = check("Buys toner cartridges, Zebra ink pens and toner cartridges.", prompt, trims=True)
    assert (found.text, found.trimmed) == ("Buys toner cartridges and Zebra ink pens.", 1)


def test_names_that_are_mixed_up_go() -> None:
    log = tuple(
        Interaction(type="buy", item=item)
        for item in ("Scotch Magic Tape", "Packing Peanuts", "30 Seconds to Mars", "Kid A 108", "Avery Binders")
    )
    prompt = Prompt(interactions=log, stats=HistoryStats(count=5))
    raw = "Buys Scotch Magic Tape, Scotch Packing Tape, 30 Seconds to Mars, 108 Seconds to Mars and Avery binders."
    found = check(raw, prompt, trims=True)
    assert (found.text, found.trimmed) == ("Buys Scotch Magic Tape, 30 Seconds to Mars and Avery binders.", 2)
    # names that a list ran together are no mixture, nor is a kind in small letters
    joined = "Buys Avery Binders, Scotch Magic Tape and Packing Peanuts and 30 Seconds to Mars."
    assert check(joined, prompt, trims=True).trimmed == 0
    assert check("Buys Avery Binders, magic peanuts and Kid A 108.", prompt, trims=True).trimmed == 0


def test_only_what_a_log_counts_high_is_called_most() -> None:
    plays = dict.fromkeys(("Kelis", "Duffy", "Annie", "Robyn", "Moby", "Sade", "Enya", "Dido"), 3)
    plays |= {"Madonna": 900, "Blondie": 700, "Toto": 650, "Bush": 600, "Suede": 500}
    log = tuple(Interaction(type="listen", item=name, meta={"plays": n}) for name, n in plays.items())
    prompt = Prompt(interactions=log, stats=HistoryStats(count=len(log)))
    for shell in ("Listens most to {}.", "Most played are {}.", "Listens above all to {}."):
        assert check(shell.format("Madonna, Bush and Suede"), prompt).dropped == {}
        assert dict(check(shell.format("Kelis and Duffy"), prompt).dropped) == {"unsupported": 1}
        found = check(shell.format("Madonna, Kelis, Bush and Duffy"), prompt, trims=True)
        assert (found.text, found.trimmed) == (shell.format("Madonna and Bush"), 2)
    assert check("Also listens to Kelis and Duffy.", prompt).dropped == {}
    # a log that does not count says nothing of it, and neither does a name
    plain = Prompt(interactions=tuple(Interaction(type="buy", item=n) for n in plays), stats=HistoryStats(count=13))
    assert check("Buys mostly Kelis.", plain).dropped == {}
    mostly = Prompt(
        interactions=(*log, Interaction(type="listen", item="Most Precious Blood", meta={"plays": 1})),
        stats=HistoryStats(count=14),
    )
    assert check("Listens to Most Precious Blood.", mostly).dropped == {}


def test_a_quotation_is_in_a_record_word_for_word_and_does_not_copy_too_much() -> None:
    texts = (
        "Very nice strings. I like them on my guitar.",
        "Best stand I have had and it folds up small for the car. Recommended.",
        "Not bad",
        "Great value, for what it costs.",
    )
    log = tuple(Interaction(type="review", text=text) for text in texts)
    prompt = Prompt(interactions=log, stats=HistoryStats(count=4))
    raw = 'Opens reviews with "Very nice strings", "Nice very strings", "Not bad" and "Not nice".'
    assert check(raw, prompt).text == raw  # every word of it is in the log
    found = check(raw, prompt, trims=True)
    assert (found.text, found.trimmed) == ('Opens reviews with "Very nice strings" and "Not bad".', 2)
    raw = 'Opens reviews with "Not bad", "Best stand I have had and it folds up small" and "Very nice strings".'
    assert dict(check(raw, prompt).dropped) == {"verbatim": 1}
    found = check(raw, prompt, trims=True)
    assert (found.text, found.trimmed) == ('Opens reviews with "Not bad" and "Very nice strings".', 1)
    # where all of it is copied nothing is left to stand
    raw = 'Opens reviews with "Best stand I have had and it folds up small for the car".'
    assert dict(check(raw, prompt, trims=True).dropped) == {"verbatim": 1}
