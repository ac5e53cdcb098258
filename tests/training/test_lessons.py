"""What a judge learns from: made of raw logs, the same for a seed and a number, never with two right answers."""

from __future__ import annotations

import re

import pytest

from bump_edge.errors import EmptyHistoryError
from bump_edge.types import Interaction
from tests.training.planted import name_of, rare_words, rows
from training.histories import User, cut
from training.lessons import Lesson, Lessons

USERS = 14
MANY = 24


def user_of(number: int, *, length: int = 9, also: tuple[str, ...] = ()) -> User:
    """A planted user; `also` are items amid the others."""
    items = [str(row["item"]) for row in rows(number, length=length)]
    items[4:4] = also
    return cut([Interaction(user_id=name_of(number), item=item) for item in items])


def users(start: int = 0) -> list[User]:
    return [user_of(number) for number in range(start, start + USERS)]


def owners(text: str) -> set[int]:
    """Whose rare words are in a text."""
    said = set(re.findall(r"[a-z]+", text.lower()))
    return {number for number in range(2 * USERS) if said & set(rare_words(number))}


def parts(lesson: Lesson) -> tuple[list[str], list[str]]:
    """Views and records of a lesson, both in the order of its users."""
    shown, queries = lesson.lists[0].candidates, [one.query for one in lesson.lists]
    candidates = [shown[target] for target in lesson.targets]
    forward = lesson.lists[0].direction == "forward"
    return (queries, candidates) if forward else (candidates, queries)


def test_a_lesson_follows_from_the_seed_and_its_number_alone() -> None:
    data = {"a": users(), "b": users(USERS)}
    first, again = Lessons(data, seed=3, hinted=5), Lessons(dict(reversed(data.items())), seed=3, hinted=5)
    other = Lessons(data, seed=4, hinted=5)
    made = [first[number] for number in range(8)]
    assert made == [again[number] for number in reversed(range(8))][::-1]
    assert all(made[number] != other[number] for number in range(8))
    # data sets take turns, and then directions
    assert [lesson.dataset for lesson in made] == ["a", "b"] * 4
    assert [lesson.lists[0].direction for lesson in made] == ["forward", "forward", "backward", "backward"] * 2


def test_each_list_has_one_right_answer_and_nobody_stands_against_themselves() -> None:
    lessons = Lessons({"made": users()}, candidates=6, max_visible=5)
    sizes = set()
    for number in range(MANY):
        lesson = lessons[number]
        [shown] = {one.candidates for one in lesson.lists}  # one list for all its queries
        assert sorted(lesson.targets) == list(range(len(shown))) == list(range(len(lesson.lists)))
        views, records = parts(lesson)
        asked = [owners(record) for record in records]
        assert all(len(one) == 1 for one in asked)
        assert len(set.union(*asked)) == len(asked)  # each user once
        for view, record, whose in zip(views, records, asked, strict=True):
            assert owners(view) <= whose  # the view is of that user, or says nothing of anybody
            assert record not in view  # and not what is asked for
        for target, wrong in zip(lesson.targets, lesson.wrong, strict=True):
            assert target not in wrong
            assert len(set(wrong)) == len(wrong) <= 3
            assert set(wrong) <= set(range(len(shown)))
        lasts = {one.last for one in lesson.lists}
        assert (lasts == {None}) == (lesson.lists[0].direction == "forward")
        assert len(lasts) == 1
        sizes.add(len(shown))
    assert max(sizes) == 6
    assert len(sizes) > 1
    assert any(wrong for number in range(MANY) for wrong in lessons[number].wrong)


def test_what_two_users_did_is_asked_for_only_where_one_of_them_is() -> None:
    data = [user_of(number, also=(f"shared thing {number // 2}",)) for number in range(USERS)]
    lessons = Lessons({"made": data}, candidates=6)
    asked = 0
    for number in range(2 * MANY):
        views, records = parts(lessons[number])
        for at, record in enumerate(records):
            if record.startswith("shared thing"):
                pair = {2 * int(record.split()[-1]), 2 * int(record.split()[-1]) + 1}
                others = [text for texts in (views, records) for place, text in enumerate(texts) if place != at]
                assert not pair & set.union(*map(owners, others))
                asked += 1
    assert asked


def test_hints_hold_what_is_asked_for_and_fade() -> None:
    def hinted(lessons: Lessons, numbers: range) -> float:
        pairs = [pair for number in numbers for pair in zip(*parts(lessons[number]), strict=True)]
        return sum(record[:80] in view for view, record in pairs) / len(pairs)

    always, fading = (Lessons({"made": users()}, hinted=count) for count in (10**6, 20))
    assert hinted(always, range(6)) == 1
    assert hinted(fading, range(10)) > hinted(fading, range(10, 20)) >= 0
    assert hinted(fading, range(20, 26)) == 0


def test_who_cannot_be_told_apart_is_said() -> None:
    with pytest.raises(EmptyHistoryError, match="made has 1 users with more than 3 interactions"):
        Lessons({"made": [user_of(0), user_of(1, length=3)]})
    same = [cut([Interaction(user_id=name_of(number), item=f"thing {at}") for at in range(6)]) for number in range(4)]
    lessons = Lessons({"made": same})
    with pytest.raises(EmptyHistoryError, match="no two users could be told apart"):
        lessons[0]
