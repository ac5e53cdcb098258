"""The longest verbatim run, against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bump_edge.audit import longest_run
from bump_edge.text import units
from bump_edge.types import Interaction

VOCABULARY = ["red", "blue", "Green", "tea", "pot", "strings"]
WORDS = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=8).map(" ".join)
HISTORY = st.lists(
    st.builds(
        Interaction,
        text=st.none() | WORDS,
        item=WORDS,
        type=st.sampled_from([None, "purchase"]),
        meta=st.dictionaries(st.just("note"), WORDS, max_size=1),
    ),
    max_size=5,
)


def stands_in(run: list[str], text: str | None) -> bool:
    tokens = units(text or "")
    return any(tokens[at : at + len(run)] == run for at in range(len(tokens) - len(run) + 1))


def by_definition(profile: str, history: list[Interaction]) -> tuple[int, int]:
    said = units(profile)
    record = item = 0
    for start in range(len(said)):
        for end in range(start + 1, len(said) + 1):
            run = said[start:end]
            named = any(stands_in(run, i.item) for i in history)
            pieces = [p for i in history for p in (i.text, i.as_record(max_chars=10**6), *map(str, i.meta.values()))]
            if named:
                item = max(item, len(run))
            elif any(stands_in(run, p) for p in pieces):
                record = max(record, len(run))
    return record, item


@given(WORDS, HISTORY)
def test_the_longest_run_is_the_one_of_the_definition(profile: str, history: list[Interaction]) -> None:
    found = longest_run(profile, history)
    assert (found.words, found.item_words) == by_definition(profile, history)
    if found.words:
        (record,) = [i for i in {i.id: i for i in history}.values() if i.id == found.interaction]
        pieces = (record.text, record.as_record(max_chars=10**6), *map(str, record.meta.values()))
        assert any(stands_in(found.run.split(), p) for p in pieces)
    else:
        assert (found.run, found.interaction) == ("", None)


def test_an_item_name_is_told_apart_and_what_goes_beyond_it_is_not() -> None:
    history = [
        Interaction(item="Nickel Wound Guitar Strings 10-46, 12 Sets", text="Bright and they stay in tune for weeks."),
        Interaction(text="Again the nickel wound guitar strings 10-46 12 sets from the shop"),
    ]
    named = longest_run("Buys nickel wound guitar strings 10-46, 12 sets.", history)
    assert (named.words, named.item_words) == (0, 7)
    beyond = longest_run("Likes the nickel wound guitar strings 10-46, 12 sets.", history)
    assert (beyond.words, beyond.run) == (8, "the nickel wound guitar strings 10-46 12 sets")
    assert longest_run("Says they STAY in tune, for weeks!", history).words == 6


def test_scripts_without_spaces_count_two_characters_as_a_word() -> None:
    history = [Interaction(text="昨日は静かな喫茶店で本を読んでいました")]
    assert longest_run("静かな喫茶店で本を読む人です。", history).words == 5  # 静かな喫茶店で本を読: ten characters
    assert longest_run("音楽が好きです。", [Interaction(text="猫")]).words == 0


def test_what_lies_deep_in_meta_is_a_record_too() -> None:
    history = [Interaction(item="tea", meta={"a": [{"b": "one two three four"}], "url": "five six seven"})]
    assert longest_run("one two three four", history).words == 4
    assert longest_run("five six seven", history).words == 3
