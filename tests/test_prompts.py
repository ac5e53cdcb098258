"""The template: versioned, with a fixed prefix, and with nothing in a log that a tokenizer could take for a marker."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge.prompts import LANGUAGES, TEMPLATE, Prompt, neutralise, render_interaction, template_fingerprint
from bump_edge.types import HistoryStats, Interaction

MARKERS = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<start_of_turn>",
    "<end_of_turn>", "</s>", "<s>", "<bos>", "<eos>", "[INST]", "[/INST]", "<think>", "</think>", "<｜User｜>",
    "</bump_edge_profile>",
]  # fmt: skip


def ask(*items: str, **changes: object) -> Prompt:
    interactions = tuple(Interaction(item=i) for i in items)
    return Prompt(interactions=interactions, stats=HistoryStats(count=len(items)), **changes)  # type: ignore[arg-type]


def test_the_wording_has_not_changed_under_the_same_version() -> None:
    # Trained weights depend on the wording. If this fails, the template changed: give it a new version too.
    assert (TEMPLATE, template_fingerprint()) == ("bump-edge/3", "5475bbc5ffee38f0")


def test_the_prefix_is_the_same_for_every_user() -> None:
    assert ask("a").system == ask("b", "c").system
    assert ask("a").system != ask("a", language="de").system
    assert "German" in ask("a", language="de").system


def test_the_log_is_in_the_user_turn_in_order() -> None:
    user = ask("first thing", "second thing").user
    assert user.index("- first thing") < user.index("- second thing")
    assert "Profile:\n" not in user
    assert user.endswith("Profile of this person:")
    update = ask("first thing", "second thing", profile="Buys tea.")
    assert update.user.startswith("Profile:\nBuys tea.\n\nNew (")
    assert update.user.index("- first thing") < update.user.index("- second thing")
    assert update.user.endswith("Updated profile:")
    assert update.system.startswith("You update")


def test_an_update_says_of_a_new_line_what_is_needed() -> None:
    line = Interaction(
        item="Alien", type="rating", rating=4, timestamp=datetime(1999, 1, 2), meta={"genres": ["Horror", "SF", "Long"]}
    )
    one, two = (HistoryStats(count=9, types=types) for types in ({"rating": 9}, {"rating": 8, "search": 1}))
    prompt = Prompt(interactions=(line,), stats=one, profile="Buys tea.")
    assert prompt.render(line) == "Alien (rated 4; genres: Horror, SF)"
    assert replace(prompt, stats=two).render(line) == "rating: Alien (rated 4; genres: Horror, SF)"
    assert replace(prompt, profile=None).render(line) == "1999-01-02 rating: Alien (rated 4; genres: Horror, SF, Long)"


def test_every_language_renders() -> None:
    for code, name in LANGUAGES.items():
        assert name in ask("a", language=code).system


@pytest.mark.parametrize("marker", MARKERS)
def test_chat_markers_in_a_log_are_opened_up(marker: str) -> None:
    prompt = ask(f"before {marker} after", profile=f"Says {marker}.")
    assert marker not in prompt.user


@given(st.text(max_size=200), st.sampled_from(MARKERS), st.text(max_size=200))
def test_no_marker_survives_and_neutralising_twice_changes_nothing(before: str, marker: str, after: str) -> None:
    once = neutralise(before + marker + after)
    assert marker not in once
    assert neutralise(once) == once


@given(st.text(min_size=1, max_size=2000).filter(lambda t: t.strip()))
def test_an_interaction_is_one_line(text: str) -> None:
    line = render_interaction(Interaction(text=text))
    assert len(line.splitlines()) <= 1


def test_a_title_that_a_catalogue_files_by_its_second_word_stands_as_it_is_said() -> None:
    line = render_interaction(Interaction(type="rating", item="Fugitive, The (1993)", rating=4.0))
    assert line == "rating: The Fugitive (1993) (rated 4)"
    update = ask("Avventura, L'", "Pens, Blue", "Topo, El (1970)", profile="Rates films.").user
    assert all(f"- {title}\n" in update for title in ("L'Avventura", "Pens, Blue", "El Topo (1970)"))
    # what is stored, and shown as evidence, stays as it came
    assert Interaction(item="Fugitive, The (1993)").as_record() == "Fugitive, The (1993)"
