"""Gate: what is forgotten is gone: from every table, index, version, log and export, and out of the file's bytes.

Each trial fills a store, plain or encrypted, in which every interaction has a word of its own that nothing else has;
has profiles written and brought up to date between, a sentence confirmed and an export made; then forgets interactions,
a topic, a span of time or a user. The words are looked for by this module's own search of the bytes, not by the
product's, which wrote the receipt.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from bump_edge import Interaction, Profiler, Store, decrypt_store, forget, pin, plan_forget
from bump_edge.errors import StoreCorruptError
from tests.trust.gate import Outcome
from tests.trust.operations import KEY, NEEDLE, USERS, db, log, opened

KINDS = ("interactions", "topic", "time", "user")
_SPAN = (8, 15)  # of the log's numbers, days after its first


@dataclass
class Trial:
    """A store with all that can be forgotten in it.

    Args:
        folder: where it lies, with its export.
        encrypted: whether the store is.
        words: of each user, the word that only one of their interactions has → that interaction.
        confirmed: of each user, the word that only a sentence about the topic has, which they confirmed.
    """

    folder: Path
    encrypted: bool
    words: dict[str, dict[str, Interaction]] = field(default_factory=dict)
    confirmed: dict[str, str] = field(default_factory=dict)

    def doomed(self, user: str, kind: str) -> list[str]:
        """The words of what is to be forgotten."""
        every = self.words[user]
        match kind:
            case "interactions":
                return [word for word, _ in islice(every.items(), 3, None, 7)]
            case "topic":
                return [word for word, i in every.items() if NEEDLE in (i.text or "")]
            case "time":
                return list(every)[slice(*_SPAN)]
            case _:
                return list(every)


def word_of(chance: random.Random) -> str:
    """A word that nothing else has."""
    return "q" + "".join(chance.choices("bcdfghjklmnpqrstvwxz", k=10))


def marked(user: str, chance: random.Random) -> Iterator[tuple[str, Interaction]]:
    """The log of a user, the last six interactions about the topic, each with its own word."""
    for i in [*log(user, range(25)), *log(user, range(25, 31), secret=True)]:
        word = word_of(chance)
        yield word, replace(i, text=f"{i.text} {word}")


def filled(folder: Path, number: int) -> Trial:
    """A store to forget in: two versions of each user's profile, a confirmed sentence, an export."""
    chance = random.Random(f"erasure {number}")
    made = Trial(folder, encrypted=number % 2 == 1)
    with (
        Store(db(folder), key=KEY) if made.encrypted else Store(db(folder)) as store,
        Profiler(store, "extractive") as profiler,
    ):
        for user in USERS:
            made.words[user] = dict(marked(user, chance))
            history = list(made.words[user].values())
            parts = (history[:10] + history[25:28], history[10:25] + history[28:])
            for part in parts:
                store.ingest(part)
                profiler.profile(user)
            made.confirmed[user] = word_of(chance)
            pin(store, user, f"Takes {NEEDLE} lessons with {made.confirmed[user]}.")
        store.export_file(folder / "out.jsonl")
    return made


def left(trial: Trial, words: list[str]) -> list[str]:
    """Files that hold one of the words, in UTF-8 or UTF-16; of an encrypted store what it holds when it is opened."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        files = sorted(trial.folder.iterdir())
        if trial.encrypted:
            plain = Path(scratch) / "plain.db"
            for path in files:
                if path.name.startswith("store.db"):
                    plain.with_name(path.name.replace("store", "plain")).write_bytes(path.read_bytes())
            decrypt_store(plain, key=KEY)
            files += sorted(Path(scratch).iterdir())
        for path in files:
            content = path.read_bytes().lower()
            hit = [w for w in words if w.encode() in content or w.encode("utf-16-le") in content]
            found += [f"{hit[0]} is in {path.name}, and {len(hit) - 1} more"] if hit else []
    return found


def carry_out(trial: Trial, user: str, kind: str) -> None:
    """Forget as the product does."""
    words = trial.doomed(user, kind)
    days = [trial.words[user][word].timestamp for word in words]
    with opened(db(trial.folder)) as store:
        match kind:
            case "interactions":
                ids = [trial.words[user][word].id for word in words]
                plan = plan_forget(store, user, interactions=ids)
            case "topic":
                plan = plan_forget(store, user, topic=NEEDLE)
            case "time":
                first, last = days[0], days[-1]
                assert first is not None
                assert last is not None
                plan = plan_forget(store, user, since=first, until=last + timedelta(hours=1))
            case _:
                plan = plan_forget(store, user, everything=True)
        receipt = forget(store, plan, delete_exports=True)
        if not receipt.clean or receipt.interactions != len(words) or receipt.exports_left:
            raise AssertionError(f"the receipt says {receipt.as_dict()}")


def wrong(trial: Trial, user: str, kind: str) -> list[str]:
    """What is not as it must be, after forgetting: traces, a loss, what comes back when the log is read again."""
    words = trial.doomed(user, kind)
    confirmed = [trial.confirmed[user]] if kind in ("topic", "user") else []
    problems = left(trial, [*words, *confirmed])
    rest = {word for name in USERS for word in trial.words[name]} - set(words)
    with opened(db(trial.folder)) as store:
        if (said := store.check()) is not None:
            problems.append(f"the store is damaged: {said}")
        there = "".join(i.text or "" for name in USERS if store.has_user(name) for i in store.iter_history(name))
        problems += [f"lost: {word}" for word in rest if word not in there]
        try:
            count = len(store.receipts())
        except StoreCorruptError as error:
            problems.append(f"the receipts do not hang together: {error}")
        else:
            problems += [] if count else ["there is no receipt"]
        if kind != "user":  # a user who was forgotten as such may begin anew
            store.ingest(trial.words[user].values())
            store.truncate_wal()
    return problems + [f"read again: {one}" for one in left(trial, [*words, *confirmed])]


def _try(number: int, kind: str, user: str, act: Callable[[Trial, str, str], None] = carry_out) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        trial = filled(Path(folder), number)
        try:
            act(trial, user, kind)
        except AssertionError as error:
            return [str(error)]
        return wrong(trial, user, kind)


# violations on purpose: each does what the product does, less one thing


def _without_overwriting(trial: Trial, user: str, kind: str) -> None:
    with opened(db(trial.folder)) as store:
        store._connection.rows("PRAGMA secure_delete = OFF")
        plan = plan_forget(store, user, topic=NEEDLE)
        store.forget(user, plan.interactions, plan.derived, corrections=plan.pins)
    (trial.folder / "out.jsonl").unlink()


def _old_versions_stay(trial: Trial, user: str, kind: str) -> None:
    with opened(db(trial.folder)) as store:
        plan = plan_forget(store, user, topic=NEEDLE)
        text = f"Takes {NEEDLE} lessons, says {trial.doomed(user, kind)[0]}."
        store._connection.rows("UPDATE profiles SET text = ? WHERE version = 1", (text,))
        forget(store, plan, delete_exports=True)


def _exports_stay(trial: Trial, user: str, kind: str) -> None:
    with opened(db(trial.folder)) as store:
        forget(store, plan_forget(store, user, topic=NEEDLE))


def _index_stays(trial: Trial, user: str, kind: str) -> None:
    carry_out(trial, user, kind)
    with opened(db(trial.folder)) as store:
        word = trial.doomed(user, kind)[0]
        store._connection.rows("INSERT INTO interactions_fts(rowid, item, text) VALUES (123456789, ?, '')", (word,))


def _receipts_rewritten(trial: Trial, user: str, kind: str) -> None:
    carry_out(trial, user, kind)
    with opened(db(trial.folder)) as store:
        store._connection.rows("UPDATE receipts SET body = replace(CAST(body AS TEXT), 'true', 'false')")


def _others_go_too(trial: Trial, user: str, kind: str) -> None:
    carry_out(trial, user, kind)
    with opened(db(trial.folder)) as store:
        store.forget(USERS[0] if user != USERS[0] else USERS[1], list(store.iter_history(USERS[0]))[:1], ())


def _comes_back(trial: Trial, user: str, kind: str) -> None:
    carry_out(trial, user, kind)
    with opened(db(trial.folder)) as store:
        store._connection.rows("DELETE FROM forgotten")


PLANTED: dict[str, Callable[[Trial, str, str], None]] = {
    "deleted and not overwritten": _without_overwriting,
    "an older version keeps it": _old_versions_stay,
    "an export keeps it": _exports_stay,
    "the search index keeps it": _index_stays,
    "a receipt rewritten": _receipts_rewritten,
    "another user loses something": _others_go_too,
    "it comes back with the log": _comes_back,
}


def run(*, long: bool) -> Outcome:
    """Forget everything that can be named, in plain and encrypted stores, and look for it."""
    failures: list[str] = []
    tried = 0
    for number in range(250 if long else 4):
        for at, kind in enumerate(KINDS):
            user = USERS[(number + at) % len(USERS)]
            tried += 1
            encrypted = (number + at) % 2
            found = _try(2 * number + encrypted, kind, user)
            failures += [f"{kind} of {user} (store {number}): {what}" for what in found]
    planted = {name: bool(_try(0, "topic", USERS[1], act)) for name, act in PLANTED.items()}
    return Outcome(
        promise="What is forgotten is gone, from versions, index, log and exports too, and the receipt proves it",
        test="interactions, topics, spans and users forgotten in plain and encrypted stores; every byte searched",
        tried=tried,
        failures=failures,
        planted=planted,
    )
