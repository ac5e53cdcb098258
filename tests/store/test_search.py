import random
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bump_edge.store import Store
from bump_edge.store import search as module
from bump_edge.types import Interaction


def found(store: Store, query: str, user_id: str = "local", limit: int = 5) -> list[str | None]:
    return [i.text or i.item for i in store.search(user_id, query, limit=limit)]


def test_rare_words_weigh_more_and_long_texts_less(store: Store) -> None:
    store.ingest(Interaction(text=f"guitar string set {k}") for k in range(10, 60))
    store.ingest([
        Interaction(text="fret file"),
        Interaction(text="guitar fret file for guitars"),
        Interaction(text="fret file " + "and many other things that are not about it " * 5),
    ])  # fmt: skip
    best = found(store, "fret file guitar")
    assert best[:2] == ["fret file", "guitar fret file for guitars"]
    assert str(best[2]).startswith("fret file and many")
    assert best[3:] == ["guitar string set 59", "guitar string set 58"]  # of equals, the newest
    assert len(found(store, "guitar", limit=100)) == 51


def test_stems_case_accents_and_items(store: Store) -> None:
    store.ingest([Interaction(item="Cafés of Paris"), Interaction(text="boxes, boxes"), Interaction(text="Ελλάδα")])
    assert found(store, "CAFE") == ["Cafés of Paris"]
    assert found(store, "box") == ["boxes, boxes"]
    assert found(store, "ΕΛΛΆΔΑ") == ["Ελλάδα"]
    assert found(store, "nothing of it") == ["Cafés of Paris"]  # "of" is a word like any other


def test_what_another_user_does_changes_nothing(store: Store, tmp_path: Path) -> None:
    rng = random.Random(3)
    words = ["amp", "string", "fret", "pick", "tone", "noise", "pedal", "cable"]
    mine = [Interaction(text=" ".join(rng.choices(words, k=rng.randint(2, 9))), meta={"n": k}) for k in range(800)]
    queries = [" ".join(rng.choices(words, k=3)) for _ in range(20)]
    with Store(tmp_path / "alone.db") as alone:
        alone.ingest(mine)
        expected = [alone.search("local", q, limit=20) for q in queries]
    others = [
        Interaction(user_id=f"o{k % 9}", text=" ".join(rng.choices([*words[:2], "rare"], k=8)), meta={"n": k})
        for k in range(5000)
    ]
    store.ingest(others[:2000])
    for part in range(0, 800, 100):  # mixed in time of ingest
        store.ingest(mine[part : part + 100])
        store.ingest(others[2000 + part : 2100 + part])
    store.ingest(others)
    assert [store.search("local", q, limit=20) for q in queries] == expected
    assert found(store, "rare") == []


def test_agrees_with_the_formula_worked_out_in_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import math

    rng = random.Random(5)
    words = [a + b + "ok" for a in string.ascii_lowercase[:12] for b in "aeo"]
    weights = [1 / (k + 1) for k in range(len(words))]
    docs = [rng.choices(words, weights, k=rng.randint(3, 30)) for _ in range(400)]
    store.ingest(Interaction(text=" ".join(doc), meta={"n": k}) for k, doc in enumerate(docs))
    mean = sum(len(" ".join(d)) for d in docs) / len(docs)
    monkeypatch.setattr(module, "RESCORED", 1000)
    for _ in range(20):
        query = rng.sample(words, 4)

        def score(doc: list[str], query: list[str] = query) -> float:
            total = 0.0
            for word in query:
                df = sum(word in d for d in docs)
                idf = math.log(1 + (len(docs) - df + 0.5) / (df + 0.5))
                tf = doc.count(word)
                total += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(" ".join(doc)) / mean))
            return total

        ranked = sorted(range(400), key=lambda k: (-score(docs[k]), -k))[:10]
        assert [i.meta["n"] for i in store.search("local", " ".join(query), limit=10)] == ranked


def test_words_more_frequent_than_the_cap(store: Store) -> None:
    store.ingest(Interaction(text=f"the {'good ' if k % 2 else ''}day number {k}") for k in range(5000))
    store.ingest([Interaction(text="the zither")])
    assert found(store, "the good zither")[0] == "the zither"
    assert len(found(store, "the good", limit=10)) == 10
    assert all("good" in (t or "") for t in found(store, "the good", limit=10))


QUERIES = """
"|'|a AND|NOT|NEAR(|item:guitar|guitar*|^guitar|(guitar|{item text}: x|- + *|gui\0tar|💡|\ud800|a"b'c
|guitar-strings|OR OR OR|; DROP TABLE users|'; DELETE FROM users; --|
"""


@pytest.mark.parametrize("query", [*QUERIES.split("|"), "x" * 100_000, "word " * 5000, " ".join(map(str, range(999)))])
def test_a_query_is_text_whatever_it_holds(store: Store, query: str) -> None:
    store.ingest([Interaction(text="guitar strings"), Interaction(item="a NOT near or and")])
    store.search("local", query)
    if len(query) < 1000:
        assert "guitar strings" in found(store, f"guitar {query}")
    assert len(store.users()) == 1


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=300)
def test_no_text_breaks_the_search(query: str) -> None:
    _SHARED["store"].search("local", query)


@given(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12))
@settings(deadline=None, max_examples=300)
def test_what_is_stored_is_found_by_its_own_words(word: str) -> None:
    store = _SHARED["store"]
    store.ingest([Interaction(text=f"{word} {word}", user_id="w", timestamp=datetime(2020, 1, 1, tzinfo=UTC))])
    # letters that are newer than the tokenizer's Unicode are its only excuse
    if all(ord(c) < 0x500 or "一" <= c <= "鿌" for c in word):
        assert any(word in (i.text or "") for i in store.search("w", word, limit=1000)), word


_SHARED: dict[str, Store] = {}


@pytest.fixture(autouse=True, scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> object:
    with Store(tmp_path_factory.mktemp("shared") / "s.db") as store:
        store.ingest([Interaction(text="some words in a store"), Interaction(item="123 words")])
        _SHARED["store"] = store
        yield
