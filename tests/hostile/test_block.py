"""The block that an app put into a prompt is taken out again, on every way into the store."""

from __future__ import annotations

import html
import json
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bump_edge import EmptyHistoryError, Interaction, Profiler, Store, build_messages
from bump_edge.profile_block import CLOSE_TAG, OPEN_TAG, PREAMBLE, disarm, has_block, strip_block
from bump_edge.readers import REASONS
from tests.hostile.attacks import HONEST
from tests.hostile.measure import interaction

LINE = "Likes qqtea, mostly from Uji."
BLOCK = f"{OPEN_TAG}\nProfile: {LINE}\n{CLOSE_TAG}"
ESCAPED = html.escape(BLOCK)


@pytest.mark.parametrize(
    ("logged", "kept"),
    [
        (f"x {BLOCK} y", "x y"),
        (f"x{BLOCK}y", "x y"),
        (f"x\n{BLOCK}\ny", "x\ny"),
        (f"{BLOCK} y", "y"),
        (BLOCK, ""),
        (f"x {BLOCK} y {BLOCK} z", "x y z"),
        (f"x {BLOCK.upper()} y", "x y"),
        ("x < bump_edge_profile\n>qqtea</ Bump_Edge_Profile > y", "x y"),
        ('x <bump_edge_profile version="2">qqtea</bump_edge_profile> y', "x y"),
        (f"x {ESCAPED} y", "x y"),
        (f"x {html.escape(ESCAPED)} y", "x y"),
        (f"x {BLOCK.replace('<', '&#60;').replace('>', '&#x3E;')} y", "x y"),
        (json.dumps({"content": f"x\n{BLOCK}\ny"}), '{"content": "x y"}'),
        (json.dumps(json.dumps({"content": f"x\n{BLOCK}\ny"})), '"{\\"content\\": \\"x y\\"}"'),
        (f"x {BLOCK} y".replace("<", r"\u003c").replace(">", r"\u003E").replace("/", r"\/"), "x y"),
        (f"x {BLOCK.replace('_', chr(92) + '_')} y", "x y"),
        ("x %3Cbump_edge_profile%3Eqqtea%3C%2Fbump_edge_profile%3E y", "x y"),
        (f"x {OPEN_TAG} qqtea {BLOCK} qqtea {CLOSE_TAG} y", "x y"),
        (f"x {OPEN_TAG} Profile: qqtea", "x"),
        (f"x {BLOCK[:-8]}", "x"),
        (f"x {OPEN_TAG}", "x"),
        (f"edge_profile>\nProfile: qqtea\n{CLOSE_TAG} y", "y"),
        (f"where they differ.\n{BLOCK}\ny", "y"),
        (f"A fine tea.\nProfile: qqtea\n{CLOSE_TAG}\ny", "A fine tea.\ny"),
        (f"x {CLOSE_TAG} y", "x y"),
        ("x <bump_edge_profile/> y", "x y"),
        (f"You are a shop.\n\n{PREAMBLE}\n{BLOCK}", ""),
        (f"You are a shop.\n\n{PREAMBLE}\n{BLOCK}\n\nWhich tea?", "Which tea?"),
        ("<<bump_edge_profile>qqtea</bump_edge_profile>bump_edge_profile>qqtea", ""),
        ("The name is bump_edge_profile, I read.", "The name is bump_edge_profile, I read."),
        ("snake_case stays", "snake_case stays"),
    ],
)
def test_what_is_left_without_the_block(logged: str, kept: str) -> None:
    assert strip_block(logged) == kept
    assert "qqtea" not in strip_block(logged)


@given(st.text(), st.text())
def test_nothing_of_the_block_is_left_whatever_stands_around_it(before: str, after: str) -> None:
    for block in (BLOCK, ESCAPED, BLOCK.upper()):
        left = strip_block(before + block + after)
        assert "qqtea" not in left.lower()
        assert not has_block(left)
        assert strip_block(left) == left


PIECES = st.lists(
    st.sampled_from(
        ["<", ">", "/", "bump_edge_profile", OPEN_TAG, CLOSE_TAG, OPEN_TAG[:9], CLOSE_TAG[8:], "&lt;", "&gt;",
         "\\n", " ", "\n", "x", "Profile: ", PREAMBLE, "&amp;", "\\"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(PIECES, PIECES)
def test_nothing_of_the_block_is_left_among_pieces_of_tags(before: str, after: str) -> None:
    left = strip_block(before + BLOCK + after)
    assert "qqtea" not in left
    assert strip_block(left) == left


@given(st.text(alphabet="abc <>/_&;\n", max_size=60), st.text(alphabet="abc <>/_&;\n", max_size=60))
def test_what_the_user_wrote_around_it_stays(before: str, after: str) -> None:
    assert strip_block(f"{before} {BLOCK} {after}").split() == f"{before} {after}".split()


@given(PIECES)
def test_what_is_disarmed_holds_no_tag(text: str) -> None:
    assert not has_block(disarm(text))


@pytest.mark.parametrize(
    "text",
    ["<" * 400_000 + "bump_edge_profile>" * 50, OPEN_TAG * 40_000, BLOCK * 20_000, "&amp;" * 200_000 + "_" + OPEN_TAG,
     f"{CLOSE_TAG}Profile: " * 20_000, "\\" * 500_000 + OPEN_TAG, " " * 500_000 + OPEN_TAG,
     PREAMBLE * 2_000 + OPEN_TAG],
)  # fmt: skip
def test_a_text_made_to_take_long_takes_no_long(text: str) -> None:
    begun = time.perf_counter()
    strip_block(text)
    assert time.perf_counter() - begun < 3


def write_lines(path: Path, *records: dict[str, object]) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps(r) for r in records))
    return path


def test_a_file_and_the_library_store_the_same(tmp_path: Path) -> None:
    records = [
        {"type": "message", "text": f"x {BLOCK} y"},
        {"type": "message", "text": BLOCK},
        {"item": f"Tea {BLOCK}", "type": "purchase"},
        {"item": "Tea pot", "text": BLOCK, "type": "review"},
    ]
    wanted = [("x y", None), (None, "Tea"), (None, "Tea pot")]
    with Store(tmp_path / "a.db") as one, Store(tmp_path / "b.db") as other:
        by_file = one.ingest_file(write_lines(tmp_path / "log.jsonl", *records))
        by_call = other.ingest([Interaction(**r) for r in records])  # type: ignore[arg-type]
        for store, report in ((one, by_file), (other, by_call)):
            assert (report.read, report.added, report.skipped) == (3, 3, {"profile_block": 1})
            assert [q.line for q in report.quotes] == [2]
            kept = store.history("local")
            assert [(i.text, i.item) for i in kept] == wanted
        assert [i.id for i in one.history("local")] == [i.id for i in other.history("local")]
        # the same line without the block is the same interaction
        again = other.ingest([Interaction(type="message", text="x y")])
        assert (again.added, again.duplicates) == (0, 1)
    assert "profile_block" in REASONS


def test_it_is_no_bad_line_in_strict_mode(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        path = write_lines(tmp_path / "log.jsonl", {"text": BLOCK}, {"text": "x"})
        report = store.ingest_file(path, strict=True)
        assert (report.added, report.skipped) == (1, {"profile_block": 1})


@pytest.mark.parametrize("mode", ["history", "profile", "profile+retrieved"])
@pytest.mark.parametrize("system", [None, "You are the shop's voice. Be brief."])
def test_a_prompt_that_is_logged_back_adds_nothing(tmp_path: Path, mode: str, system: str | None) -> None:
    with Store(tmp_path / "s.db") as store, Profiler(store, "extractive") as profiler:
        store.ingest(interaction(record, "ann") for record in HONEST)
        first = profiler.profile("ann")
        messages = build_messages(store, "Which tea?", user_id="ann", mode=mode, system=system)  # type: ignore[arg-type]
        content = messages[0]["content"]
        assert first.text in content or mode == "history"
        # with its role, without it, as an item, as JSON in a text, escaped for a page
        report = store.ingest(
            [
                Interaction(user_id="ann", text=content, type="message"),
                Interaction(user_id="ann", text=content, meta={"role": "system"}),
                Interaction(user_id="ann", item=content),
                Interaction(user_id="ann", text=html.escape(content)),
                Interaction(user_id="ann", text=json.dumps(content)[1:-1]),
            ]
        )
        assert (report.read, report.added) == (0, 0)
        assert report.skipped == {"profile_block": 4, "not_the_user": 1}
        with pytest.raises(EmptyHistoryError, match="profile_block"):
            store.ingest_file(write_lines(tmp_path / "log.jsonl", {"user_id": "ann", "text": content}))
        assert profiler.profile("ann") == first
        assert profiler.profile("ann", force=True).text == first.text
