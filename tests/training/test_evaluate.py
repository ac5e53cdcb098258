"""The evaluation on users with planted rare words: what quotes them must win, what is shuffled must not."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import orjson
import pytest

from bump_edge.errors import EmptyHistoryError, InputError, UsageError
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats, Interaction
from tests.training.planted import name_of, rare_words, write_log
from training.evaluate import EvaluateConfig, run, table_lines
from training.measures import gain, interval, verbatim_share, wrong_names
from training.plots import bars
from training.prepare import PrepareConfig
from training.prepare import run as prepare
from training.profiles import read_profiles
from training.tables import MARKS, markdown, put


def profiles_file(path: Path, texts: dict[int, str]) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps({"user_id": name_of(u), "text": t}) for u, t in texts.items()))
    return path


def quoting(user: int) -> str:
    return f"Buys {', '.join(rare_words(user))}."


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "made.jsonl", range(40))


def evaluate(log: Path, profiles: Path, **more: Any) -> dict[str, Any]:
    return run(EvaluateConfig(data=log, profiles=profiles, split="all", judges=("bm25",), rounds=200, **more))


def test_quoted_rare_words_are_perfect_and_beat_every_baseline(log: Path, tmp_path: Path) -> None:
    found = evaluate(log, profiles_file(tmp_path / "p.jsonl", {u: quoting(u) for u in range(40)}), out=tmp_path / "o")
    kinds = found["kinds"]
    assert found["users"] == 40
    assert kinds["given"]["bm25"] == {
        "ndcg": 2.0, "ci95": [2.0, 2.0], "forward": 1.0, "backward": 1.0, "unparsed": 0,
    }  # fmt: skip
    assert kinds["given"]["words"] == 4.0
    assert kinds["raw"]["bm25"]["ndcg"] > 1.8
    assert kinds["extractive"]["bm25"]["ndcg"] > 1.5
    assert kinds["generic"]["bm25"]["ndcg"] == found["chance"] == 0.945
    assert kinds["other"]["bm25"]["ndcg"] < 1.0
    assert found["gain_over"]["generic"]["bm25"]["ci95"][0] > 1.0
    # supported by the log; another's words are not
    assert (kinds["given"]["unsupported"], kinds["other"]["unsupported"], kinds["generic"]["unsupported"]) == (0, 1, 1)
    assert kinds["raw"]["verbatim"] > 0.8
    assert kinds["given"]["verbatim"] == 0
    assert len(table_lines(found, ["bm25"])) == 7
    assert (tmp_path / "o" / "profiles.jsonl").exists()
    assert found["out"]["evaluation.png"] is None or Path(found["out"]["evaluation.png"]).stat().st_size > 1000


def test_shuffled_profiles_are_at_chance(log: Path, tmp_path: Path) -> None:
    order = list(range(40))
    random.Random(0).shuffle(order)
    shuffled = profiles_file(tmp_path / "p.jsonl", {u: quoting(o) for u, o in enumerate(order)})
    found = evaluate(log, shuffled, baselines=())
    assert found["kinds"]["given"]["bm25"]["ndcg"] == pytest.approx(0.945, abs=0.15)


def test_others_stand_beside_it_with_the_gain_over_each(log: Path, tmp_path: Path) -> None:
    own = profiles_file(tmp_path / "p.jsonl", {u: quoting(u) for u in range(40)})
    dull = profiles_file(tmp_path / "dull.jsonl", dict.fromkeys(range(30), "Buys things."))
    found = evaluate(log, own, baselines=("raw",), compare=(f"dull={dull}", "device=extractive"))
    assert list(found["kinds"]) == ["given", "dull", "device", "raw"]
    assert (found["users"], found["left_out"]) == (30, {"users_without_profile": 10})
    assert found["kinds"]["dull"]["bm25"]["ndcg"] == found["chance"]
    gains = found["gain_over"]["dull"]["bm25"]
    assert gains["gain"] == pytest.approx(2 - found["chance"], abs=0.001)
    assert gains["ci95"][0] > 1
    assert found["gain_over"]["device"]["bm25"]["gain"] == pytest.approx(2 - found["kinds"]["device"]["bm25"]["ndcg"])
    for wrong in (("dull",), ("=x",), ("raw=x",), ("a=x", "a=y")):
        with pytest.raises(UsageError, match="name=REF"):
            EvaluateConfig(data=log, model="extractive", compare=wrong)


def test_what_the_device_would_store_is_judged_where_that_is_asked_for(log: Path, tmp_path: Path) -> None:
    # one name too many in each list, and a sentence of nothing but such names: those of the next user
    texts = {
        u: f"Buys {rare_words(u)[0].title()}, {rare_words(u)[1].title()} and {rare_words(u + 1)[0].title()}. "
        f"Also buys {rare_words(u + 1)[1].title()}."
        for u in range(39)
    }
    given = profiles_file(tmp_path / "p.jsonl", texts)
    written = evaluate(log, given, baselines=())["kinds"]["given"]
    stored = evaluate(log, given, baselines=(), stored=True)["kinds"]["given"]
    assert (written["unsupported"], written["fallen"]) == (1, 0.5)
    assert {k: v for k, v in written.items() if k != "bm25"} == {k: v for k, v in stored.items() if k != "bm25"}
    assert stored["bm25"]["ndcg"] > written["bm25"]["ndcg"]
    assert stored["bm25"]["ndcg"] == 2


def test_the_table_goes_between_the_marks_of_a_readme(log: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nafter — it\n")
    given = profiles_file(tmp_path / "p.jsonl", {u: quoting(u) for u in range(40)})
    found = evaluate(log, given, readme=readme, plot=tmp_path / "a.svg")
    before, table, after = readme.read_text().partition(f"\n{markdown(found, ['bm25'])}\n")
    assert (before, after) == (f"# Title\n\n{MARKS[0]}", f"{MARKS[1]}\n\nafter — it\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    assert {len(row) for row in rows} == {5}
    assert rows[2] == ["p.jsonl", "4", "0.0%", "", "2.000 [2.000, 2.000]"]
    assert rows[-1] == ["chance", "", "", "", "0.945"]
    once = readme.read_bytes()
    if (tmp_path / "a.svg").exists():
        picture = (tmp_path / "a.svg").read_bytes()
        evaluate(log, given, readme=readme, plot=tmp_path / "a.svg")
        assert (readme.read_bytes(), (tmp_path / "a.svg").read_bytes()) == (once, picture)
    for broken in ("no marks", f"{MARKS[1]} {MARKS[0]}", f"{MARKS[0]} {MARKS[0]} {MARKS[1]}"):
        readme.write_text(broken)
        with pytest.raises(UsageError, match="once each"):
            put(readme, "x")
        assert readme.read_text() == broken
    with pytest.raises(InputError, match="cannot read"):
        put(tmp_path / "none.md", "x")


def test_a_name_is_wrong_when_no_one_record_has_all_of_it() -> None:
    log = tuple(Interaction(type="listen", item=item) for item in ("30 Seconds to Mars", "Area 108", "Kid Cudi"))
    prompt = Prompt(interactions=log, stats=HistoryStats(count=3))
    assert wrong_names("Listens to 30 Seconds to Mars, Kid Cudi and Area 108.", prompt) == (0, 3)
    assert wrong_names("Listens to Kid Cudi, 108 Seconds to Mars and pop music. Likes Zorblax.", prompt) == (1, 2)
    assert wrong_names("Listens to much.", prompt) == (0, 0)


def test_users_without_a_profile_are_left_out_and_empty_ones_are_nothing(log: Path, tmp_path: Path) -> None:
    texts = {u: quoting(u) for u in range(20)} | {20: " "}
    found = evaluate(log, profiles_file(tmp_path / "p.jsonl", texts), baselines=())
    assert (found["users"], found["left_out"]) == (21, {"users_without_profile": 19})
    assert found["kinds"]["given"]["empty"] == 1
    assert found["kinds"]["given"]["bm25"]["ndcg"] == pytest.approx(2 * 20 / 21, abs=0.01)


def test_nothing_to_evaluate_is_an_error(log: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyHistoryError, match="0 users"):
        evaluate(log, profiles_file(tmp_path / "p.jsonl", {99: "x"}))
    (tmp_path / "q.jsonl").write_text('{"user_id": "a"}')
    with pytest.raises(InputError, match="line 1"):
        read_profiles(tmp_path / "q.jsonl")
    (tmp_path / "q.jsonl").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_profiles(tmp_path / "q.jsonl")
    twice = '{"user_id": "a", "text": "x"}\n'
    (tmp_path / "q.jsonl").write_text(twice + twice)
    with pytest.raises(InputError, match="already"):
        read_profiles(tmp_path / "q.jsonl")
    for wrong in ({"model": None, "profiles": None}, {"model": "m", "profiles": log}, {"model": "m", "judges": ()}):
        with pytest.raises(UsageError):
            EvaluateConfig(data=log, **wrong)  # type: ignore[arg-type]


def test_data_sets_of_a_prepared_folder_are_measured_apart_and_count_alike(log: Path, tmp_path: Path) -> None:
    other = write_log(tmp_path / "other.jsonl", range(40, 60))
    prepare(PrepareConfig(data=(log, other), out=tmp_path / "users"))
    texts = {u: quoting(u) if u < 40 else "Buys things." for u in range(60)}
    given = profiles_file(tmp_path / "p.jsonl", texts)
    with pytest.raises(UsageError, match="names 'third': expected some of made, other"):
        evaluate(tmp_path / "users", given, datasets=("third",))
    prepare(PrepareConfig(data=(log,), out=tmp_path / "held", evaluation_only=("made",)))
    with pytest.raises(EmptyHistoryError, match="has no user of the split train"):
        run(EvaluateConfig(data=tmp_path / "held", profiles=given, split="train", judges=("bm25",)))
    # the same users, cut in the same place, as from the file itself
    alone = evaluate(tmp_path / "users", given, datasets=("made",))
    assert alone["kinds"] == evaluate(log, given)["kinds"]
    assert "datasets" not in alone
    both = evaluate(tmp_path / "users", given, out=tmp_path / "out")
    assert both["users"] == 60
    assert both["datasets"]["made"] == {name: alone[name] for name in both["datasets"]["made"]}
    # 40 perfect users and 20 at chance: a data set weighs the same however large
    found = both["kinds"]["given"]["bm25"]
    assert found["ndcg"] == pytest.approx(
        (2 + both["datasets"]["other"]["kinds"]["given"]["bm25"]["ndcg"]) / 2, abs=1e-3
    )
    assert found["ndcg"] == pytest.approx((2 + both["chance"]) / 2, abs=1e-3)
    assert both["gain_over"]["generic"]["bm25"]["gain"] == pytest.approx((2 - both["chance"]) / 2, abs=2e-3)
    written = [orjson.loads(line) for line in (tmp_path / "out" / "profiles.jsonl").read_bytes().splitlines()]
    assert {row["user_id"]: row["text"] for row in written} == {name_of(u): text for u, text in texts.items()}


def test_an_interval_of_several_groups_resamples_each_by_itself() -> None:
    ones, zeros = [1.0] * 50, [0.0] * 5
    assert interval(ones, zeros) == (0.5, 0.5)  # no user of one group stands in for one of the other
    low, high = interval([0.0, 1.0] * 200, [0.0, 1.0] * 8)
    assert high - low == pytest.approx(2 * 1.96 * 0.5 * (1 / 400 + 1 / 16) ** 0.5 / 2, rel=0.25)


def test_intervals_hold_the_mean_and_narrow() -> None:
    draw = random.Random(2)
    values = [draw.gauss(1.0, 0.4) for _ in range(400)]
    low, high = interval(values)
    assert low < statistics.fmean(values) < high
    assert high - low == pytest.approx(2 * 1.96 * 0.4 / 20, rel=0.25)
    wide = interval(values[:25])
    assert wide[1] - wide[0] > 2 * (high - low)
    # paired: a constant gain is certain however the values spread
    assert gain(([v + 0.1 for v in values], values)) == {"gain": 0.1, "ci95": [0.1, 0.1]}


def test_verbatim_share_by_hand() -> None:
    record = "one two three four five six"
    assert verbatim_share("Likes ONE two three four five.", [record]) == pytest.approx(5 / 6)
    assert verbatim_share("one two three four", [record]) == 0
    assert verbatim_share(record, [record]) == 1
    assert verbatim_share("", [record]) == 0


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    row = {"words": 3.0, "bm25": {"ndcg": 1.2, "ci95": [1.1, 1.3]}}
    summary = {"given": "runs/grpo", "kinds": {"given": row}, "chance": 0.945, "data": "d", "users": 3, "split": "all"}
    assert bars(summary, ["bm25"], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
