"""Receipts: a chain that shows when it was changed, exports that are named or deleted, and nothing said too much."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bump_edge import Interaction, Profiler, Store, StoreCorruptError, forget, plan_forget
from bump_edge.store.receipts import hash_of


def fill(store: Store) -> None:
    store.ingest(
        Interaction(user_id=user, item=f"{thing} {n}", text=f"the {thing} number {n} of {user}")
        for user in ("zoltan", "winnie")
        for n, thing in enumerate(["zither", "lute", "drum", "zither"] * 4)
    )
    with Profiler(store, "extractive") as profiler:
        profiler.profile("zoltan")


def test_each_receipt_follows_from_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        fill(store)
        one = forget(store, plan_forget(store, "zoltan", topic="zither"))
        two = forget(store, plan_forget(store, "winnie", everything=True))
        assert (one.number, two.number) == (1, 2)
        assert one.previous == "0" * 64
        assert two.previous == one.hash
        assert one.clean
        assert two.clean
        # whoever keeps a receipt can check it by hand
        assert hash_of(one.previous, one.proved()) == one.hash
        assert [r["hash"] for r in store.receipts()] == [one.hash, two.hash]
        assert "zoltan" not in str(store.receipts())
        assert "winnie" not in str(store.receipts())
        assert one.user_mark != two.user_mark
        again = forget(store, plan_forget(store, "zoltan", topic="lute"))
        assert again.user_mark == one.user_mark


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE receipts SET body = replace(body, '\"interactions\":8', '\"interactions\":7') WHERE no = 1",
        "DELETE FROM receipts WHERE no = 1",
        "UPDATE receipts SET no = 9 WHERE no = 2",
        "UPDATE receipts SET hash = zeroblob(32) WHERE no = 2",
    ],
)
def test_a_changed_chain_is_seen(tmp_path: Path, change: str) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        fill(store)
        for user in ("zoltan", "winnie"):
            forget(store, plan_forget(store, user, topic="zither"))
        assert len(store.receipts()) == 2
    with sqlite3.connect(path) as sql:
        assert sql.execute(change).rowcount == 1
    sql.close()
    with Store(path) as store, pytest.raises(StoreCorruptError, match="the list was changed"):
        store.receipts()


@pytest.mark.parametrize("delete", [False, True])
def test_exports_that_hold_it_are_named_or_deleted(tmp_path: Path, delete: bool) -> None:
    with Store(tmp_path / "s.db") as store:
        fill(store)
        for name in ("all", "gone", "winnie"):
            store.export_file(tmp_path / name, user_ids=["winnie"] if name == "winnie" else None)
        (tmp_path / "gone").unlink()
        holding = tmp_path / "all"
        receipt = forget(store, plan_forget(store, "zoltan", topic="zither"), delete_exports=delete)
        # Ben has zithers too, and his export has nothing of Ada
        assert {receipt.exports_deleted, receipt.exports_left} == {(), (str(holding),)}
        assert bool(receipt.exports_deleted) == delete
        assert holding.exists() is not delete
        [proved] = store.receipts()
        assert proved["exports_deleted" if delete else "exports_left"] == 1
        assert str(tmp_path) not in str(proved)


def test_an_export_without_it_is_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        fill(store)
        store.export_file(tmp_path / "winnie", user_ids=["winnie"])
        receipt = forget(store, plan_forget(store, "zoltan", everything=True), delete_exports=True)
        assert receipt.exports_deleted == receipt.exports_left == ()
        assert (tmp_path / "winnie").exists()
