"""The examples of the warm-up: a function of seed and number, true by the product's checks, in both modes, varied."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bump_edge.backends.extractive.groups import read_groups
from bump_edge.backends.extractive.reading import read
from bump_edge.errors import EmptyHistoryError, UsageError
from bump_edge.profiler.checks import check
from bump_edge.types import Interaction
from tests.training.planted import name_of, rare_words, rows
from training.acts import frequency, mentioned
from training.findings import recurring_words, things_of
from training.histories import User, prompt_of
from training.teaching import UPDATE, WRITE, Lesson, Teacher
from training.wording import draft, listed, text_of

TITLES = ("Halo", "Portal", "Doom", "Myst", "Braid", "Limbo", "Okami", "Fez", "Rez", "Ico", "Tetris", "Pong", "Zork")
GEAR = (
    "Great strap. This guitar strap is wide and the strap holds my Fender well. A fine strap.",
    "A pedal that works. The delay pedal from Boss is a sturdy pedal.",
    "Strings that last. These guitar strings by Elixir last long, good strings.",
    "A tuner. This tuner clips on and the tuner is bright. I tune with this tuner.",
)


def day(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=3 * number)


def planted(count: int, length: int = 12, *, numbered: bool = True) -> list[tuple[str, User]]:
    found = []
    for n in range(count):
        log = [
            Interaction(
                user_id=name_of(n),
                item=item if numbered else item.partition(" model ")[0],
                type="purchase",
                timestamp=day(at),
            )
            for at, item in enumerate(str(row["item"]) for row in rows(n, length=length))
        ]
        found.append(("made", User(user_id=name_of(n), visible=tuple(log[:-1]), held_out=tuple(log[-1:]))))
    return found


def reviewer(n: int) -> tuple[str, User]:
    draw = random.Random(n)
    log = [
        Interaction(user_id=f"r{n}", type="review", text=draw.choice(GEAR), rating=float(draw.choice((4, 5, 5))))
        for _ in range(12)
    ]
    return "gear", User(user_id=f"r{n}", visible=tuple(log[:-1]), held_out=(log[-1],))


def listener(n: int) -> tuple[str, User]:
    draw = random.Random(n)
    log = [
        Interaction(user_id=f"l{n}", type="listen", item=title, meta={"plays": draw.randint(1, 900)})
        for title in draw.sample(TITLES, 12)
    ]
    return "songs", User(user_id=f"l{n}", visible=tuple(log[:-1]), held_out=(log[-1],))


def size(text: str) -> int:
    return len(text.split())


def everybody() -> list[tuple[str, User]]:
    return [*planted(8, numbered=False), *map(reviewer, range(8)), *map(listener, range(8))]


def test_an_example_is_a_function_of_seed_and_number_alone() -> None:
    one, two = (Teacher(everybody(), Lesson(seed=3), size) for _ in range(2))
    backwards = [two.example(n) for n in reversed(range(12))][::-1]
    assert [one.example(n) for n in range(12)] == backwards
    other = Teacher(everybody(), Lesson(seed=4), size)
    assert [other.example(n).target for n in range(12)] != [e.target for e in backwards]


def test_every_target_stands_before_the_checks_and_is_brief() -> None:
    teacher = Teacher(everybody(), Lesson(update_share=0), size)
    examples = [teacher.example(n) for n in range(60)]
    for example in examples:
        found = check(example.target, example.prompt)
        assert (found.text, dict(found.dropped)) == (example.target, {})
        assert 0 < size(example.target) <= 60
        assert example.mode == WRITE
        assert example.prompt.profile is None
        assert 1 <= len(example.prompt.interactions) <= 24
    assert {e.dataset for e in examples} == {"made", "gear", "songs"}
    # not one template
    assert len({e.target.split()[0] for e in examples}) > 5


def test_targets_name_what_is_the_users_own() -> None:
    teacher = Teacher(planted(8), Lesson(update_share=0), size)
    for number in range(20):
        example = teacher.example(number)
        user = int(example.prompt.interactions[0].user_id.split("-")[1])
        assert any(word in example.target for word in rare_words(user)), example.target


def test_an_update_keeps_the_profile_and_adds_what_is_new() -> None:
    teacher = Teacher(everybody(), Lesson(update_share=1), size)
    examples = [teacher.example(n) for n in range(40)]
    added = 0
    for example in examples:
        assert example.mode == UPDATE
        profile = example.prompt.profile
        assert profile
        assert 1 <= len(example.prompt.interactions) <= 12
        assert example.prompt.stats.count >= 2 * len(example.prompt.interactions)
        first = profile.split(". ")[0].rstrip(".")
        assert example.target.startswith(first) or "Lately" in profile or "ecent" in profile or "latest" in profile
        added += example.target != profile
    assert added > 25


def test_short_histories_are_written_and_never_updated() -> None:
    teacher = Teacher(planted(4, length=6), Lesson(update_share=1), size)
    assert {teacher.example(n).mode for n in range(10)} == {WRITE}


def test_where_no_sentence_outlives_an_update_a_profile_is_written() -> None:
    teacher = Teacher(planted(4), Lesson(update_share=1), size)
    examples = [teacher.example(n) for n in range(4)]
    assert {e.mode for e in examples} == {WRITE}  # a number in a sentence must hold anew, and each title has one
    assert min(e.redrawn for e in examples) >= 10


def test_weights_choose_among_data_sets() -> None:
    teacher = Teacher(everybody(), Lesson(weights={"made": 0, "gear": 0}), size)
    assert {teacher.example(n).dataset for n in range(10)} == {"songs"}
    assert teacher.users == {"gear": 8, "made": 8, "songs": 8}
    with pytest.raises(UsageError, match="weights name 'films': expected some of gear, made, songs"):
        Teacher(everybody(), Lesson(weights={"films": 1}), size)
    with pytest.raises(UsageError, match="leaves no data set"):
        Teacher(planted(2), Lesson(weights={"made": 0}), size)


def test_users_with_too_little_to_see_are_an_error() -> None:
    with pytest.raises(
        EmptyHistoryError, match=r"none of 3 users has 4 visible interactions \(the longest history has 1"
    ):
        Teacher(planted(3, length=2), Lesson(), size)
    nothing = User(
        user_id="x", visible=(Interaction(user_id="x", text="the of and"),) * 5, held_out=(Interaction(item="y"),)
    )
    with pytest.raises(EmptyHistoryError, match="20 draws from made gave no profile"):
        Teacher([("made", nothing)], Lesson(), size).example(0)


def test_a_profile_in_another_language_gets_the_backends_own_sentences() -> None:
    log = [Interaction(user_id="x", type="search", text=f"hiking boots size {n}") for n in range(8)]
    drafts = draft(replace(prompt_of(log), language="de"), random.Random(0))
    assert {d.kind for d in drafts} == {"own"}
    assert "hiking boots" in text_of(drafts)


MIXED = (
    ("purchase", "Drip Irrigation Kit", None),
    ("search", None, "tomato blight balcony"),
    ("note", None, "The San Marzano split after the rain, and the Habanero is leggy. I must repot the chillies"),
    ("purchase", "Terracotta Pot 30 cm", None),
    ("search", None, "chilli seedlings leggy"),
    (
        "note",
        None,
        "Lena takes borage to the seed swap on Saturday, for the bees; we go by tram with our trays",
    ),
    ("purchase", "Habanero Chilli Seeds", None),
    ("search", None, "when to pinch out tomatoes"),
)


def test_a_log_of_several_kinds_of_acts_is_told_kind_by_kind_in_its_order() -> None:
    log = [
        Interaction(user_id="g", type=kind, item=item, text=text, timestamp=day(at))
        for at, (kind, item, text) in enumerate(MIXED)
    ]
    prompt = prompt_of(log)
    starts = Counter[str]()
    for seed in range(20):
        drafts = draft(prompt, random.Random(seed))
        assert not check(text_of(drafts), prompt).dropped, drafts
        starts.update(d.text.split()[0] for d in drafts)
        for drafted in drafts:
            places = [drafted.text.find(name) for _, item, text in MIXED for name in (item, text) if name]
            said = [place for place in places if place >= 0]
            assert said == sorted(said), drafted
    assert {"Buys", "Writes", "Lately"} <= starts.keys()
    assert starts["Looks"] + starts["Searches"] > 10
    text = text_of(draft(prompt, random.Random(0)))
    assert "tomato blight balcony" in text
    assert "Saturday" not in text


def test_an_update_of_such_a_log_says_what_came() -> None:
    log = [
        Interaction(user_id="g", type=kind, item=item, text=text, timestamp=day(at))
        for at, (kind, item, text) in enumerate(MIXED)
    ]
    user = User(user_id="g", visible=tuple(log), held_out=(Interaction(user_id="g", item="y"),))
    teacher = Teacher([("garden", user)], Lesson(update_share=1, min_visible=2), size)
    examples = [teacher.example(n) for n in range(10)]
    assert UPDATE in {e.mode for e in examples}
    assert any("Also " in e.target for e in examples if e.mode == UPDATE)


def test_of_a_text_its_rarest_words_are_said_and_no_days() -> None:
    (entry,) = read([Interaction(type="note", text="On Tuesday the choir sings the Requiem of Gabriel Fauré again.")])
    (group,) = read_groups([entry], "en")
    said = mentioned(group, [Interaction(type="note", text="On Tuesday the choir sings the Requiem of Gabriel Fauré.")])
    assert list(said) == ["Gabriel Fauré", "Requiem"]
    assert frequency("the") > 7 > frequency("requiem") > frequency("zorblax") == 0


def test_lists_things_and_names() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["Salt & Pepper", "b"]) == "Salt & Pepper, and b"
    assert things_of(GEAR[0])[0] == "guitar strap"
    assert "ball strap" not in " ".join(things_of("I like it. The Ernie Ball strap is an Ernie Ball strap."))


def test_other_wordings_answer_the_same_prompt_truly_and_do_not_depend_on_what_was_asked_before() -> None:
    users = [listener(n) for n in range(6)] + [reviewer(n) for n in range(6)] + planted(4)
    lesson = Lesson(seed=1, update_share=0.5)
    teacher = Teacher(users, lesson, lambda text: len(text.split()))
    several = 0
    for number in range(12):
        asked = [teacher.example(number, wording) for wording in range(4)]
        assert len({id(one.prompt) for one in asked}) == 1
        assert all(one.target for one in asked)
        if asked[0].mode == WRITE:
            assert not any(check(one.target, one.prompt).dropped for one in asked)
        several += len({one.target for one in asked}) > 1
        alone = Teacher(users, lesson, lambda text: len(text.split())).example(number, 2)
        assert (alone.target, alone.prompt) == (asked[2].target, asked[2].prompt)
    assert several > 6


FILMS = ("Winter Ferry, The (1994)", "Salt Harbour (1996)", "Moth, A (1991)", "Paper Engine (1992)",
         "Last Orchard (1999)", "Quiet Bell (1998)", "Glass Tram, The (1993)", "North Quay (1995)")  # fmt: skip


def test_films_are_named_with_their_years_and_by_their_genres() -> None:
    log = [
        Interaction(
            user_id="f",
            type="rating",
            item=item,
            rating=float(1 + at % 5),
            timestamp=day(at),
            meta={"genres": ["Crime", "Drama"]},
        )
        for at, item in enumerate(FILMS)
    ]
    prompt = prompt_of(log)
    written = [draft(prompt, random.Random(seed)) for seed in range(30)]
    for drafts in written:
        found = check(text_of(drafts), prompt)
        assert not found.dropped, drafts
        assert "labels" in {d.kind for d in drafts}
        assert "Crime and Drama" in drafts[[d.kind for d in drafts].index("labels")].text
    text = " ".join(text_of(drafts) for drafts in written)
    assert "The Winter Ferry (1994)" in text
    assert "A Moth (1991)" in text
    assert "Ferry, The" not in text
    assert "Most date from the 1990s." in text
    lowest = {d.text for drafts in written for d in drafts if "owest" in d.text or "worst" in d.text}
    assert lowest
    assert all("The Winter Ferry (1994)" in text or "Quiet Bell (1998)" in text or "Salt" in text for text in lowest)


def test_what_is_listed_stands_in_the_logs_order() -> None:
    plays = (3, 80, 11, 40, 7, 95, 22, 60)
    bands = ("Moth Parade", "Salt Union", "Glass Tram", "Ada Quill", "Paper Oxen", "North Quay", "Tin Harbour", "Kes")
    counted = [
        Interaction(user_id="a", type="listen", item=band, meta={"plays": count})
        for band, count in zip(bands, plays, strict=True)
    ]
    filed = [Interaction(user_id="f", type="rating", item=film, timestamp=day(at)) for at, film in enumerate(FILMS)]
    shown = [name.split(" (")[0].split(", ")[0] for name in FILMS]
    for log, names in ((counted, bands), (filed, shown)):
        for seed in range(10):
            for drafted in draft(prompt_of(log), random.Random(seed)):
                places = [drafted.text.find(name) for name in names]
                said = [place for place in places if place >= 0]
                assert said == sorted(said), drafted
        text = text_of(draft(prompt_of(log), random.Random(0)))
        assert sum(name in text for name in names) >= 6


def test_words_that_reviews_share_are_named_and_those_of_one_are_not() -> None:
    texts = (
        "Fine. The tone of my Telecaster is warm and the volume is right.",
        "OK. My Telecaster has a better tone now. I like how it looks.",
        "Well. The battery lasts and the tone stays.",
        "GREAT. I LOVE THE BATTERY OF THIS ZORBLAX AND THE ZORBLAX LOVES ME.",
    )
    log = [Interaction(user_id="r", type="review", text=text) for text in texts]
    assert recurring_words(read(log)) == {"tone": 0, "Telecaster": 0, "battery": 2}
