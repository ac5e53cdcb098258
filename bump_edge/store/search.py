"""BM25 over one user's interactions.

FTS5's own ``bm25()`` weighs words by how frequent they are in the whole file, so that one user's data would move
another's results. Here FTS5 finds, inside the user's range of ids, which interactions hold a word; the counts, the
weights and the lengths are all the user's own.

The cost is bounded: of each word the newest `CAP` interactions are looked at (how frequent a more frequent word is, is
estimated from how densely those lie), and the full formula is worked out for the `RESCORED` interactions whose words
weigh most.

Source of the formula: Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond (2009), with
idf = ln(1 + (N − df + 0.5) / (df + 0.5)), which is never negative, and the length in characters.
"""

from __future__ import annotations

import heapq
import math
import re
import sqlite3
import unicodedata
from collections import Counter, defaultdict
from functools import cache, lru_cache
from typing import Any

import orjson

from bump_edge.store.connection import Connection
from bump_edge.store.interactions import COLUMNS, interaction_of, need_user
from bump_edge.store.schema import POSITION_BITS
from bump_edge.text import fold
from bump_edge.types import Interaction

K1 = 1.2
B = 0.75
CAP = 500
RESCORED = 100
MAX_WORDS = 24
"""Different words of a query that are looked up, the longest first when there are more."""

_WORD = re.compile(r"[^\W_]+")  # what the tokenizer unicode61 takes for one
_HITS = """
SELECT rowid FROM interactions_fts WHERE interactions_fts MATCH ? AND rowid BETWEEN ? AND ?
ORDER BY rowid DESC LIMIT ?
"""


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("porter")


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    """What the index's tokenizer makes of a folded word; it leaves words of one or two letters alone."""
    return str(_stemmer().stemWord(word)) if len(word) > 2 else word


def search(connection: Connection, user_id: str, query: str, *, limit: int) -> list[Interaction]:
    """The interactions that match `query` best, the best first; of equals, the newest ingested first.

    Args:
        query: any text; its words are searched for, whatever else it holds.
        limit: at most this many.

    Raises:
        NotFoundError: there is no such user.
    """
    terms: dict[str, str] = {}
    for word in _WORD.findall(unicodedata.normalize("NFC", query)[:20_000]):
        terms.setdefault(_stem(fold(word)), word)
    if len(terms) > MAX_WORDS:
        terms = dict(sorted(terms.items(), key=lambda pair: -len(pair[0]))[:MAX_WORDS])
    with connection.reading() as sql:
        no, count, characters, last, _ = need_user(sql, user_id)
        if limit < 1 or not terms or not count:
            return []
        first_id, last_id = no << POSITION_BITS, ((no + 1) << POSITION_BITS) - 1
        weight: dict[str, float] = {}
        weights: defaultdict[int, float] = defaultdict(float)
        for stem, word in terms.items():
            hits = _hits(connection, sql, word, first_id, last_id)
            if not hits:
                continue
            frequency = len(hits)
            if frequency == CAP:
                covered = last - (hits[-1] - first_id) + 1
                frequency = min(count, max(CAP, CAP * last // covered))
            weight[stem] = math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))
            for hit in hits:
                weights[hit] += weight[stem]
        best = heapq.nlargest(max(RESCORED, limit), weights, key=lambda i: (weights[i], i))
        rows = sql.execute(
            f"SELECT {COLUMNS} FROM interactions WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608
            (orjson.dumps(best).decode(),),
        ).fetchall()
    mean = max(characters / count, 1.0)
    scored = [(_bm25(row[3], row[4], weight, weights[row[0]], mean), row) for row in rows]
    top = heapq.nlargest(limit, scored, key=lambda pair: (pair[0], pair[1][0]))
    return [interaction_of(user_id, row) for _, row in top]


def _hits(connection: Connection, sql: sqlite3.Connection, word: str, first_id: int, last_id: int) -> list[int]:
    try:
        return [i for (i,) in sql.execute(_HITS, (f'"{word}"', first_id, last_id, CAP))]
    except connection.errors as error:
        # Unicode versions differ: what is one word here can be several, a phrase, to the tokenizer
        if "phrase" in str(error):
            return []
        raise


def _bm25(item: str | None, text: str | None, weight: dict[str, float], floor: float, mean: float) -> float:
    body = fold(f"{item or ''} {text or ''}")
    heads = {stem[:2] for stem in weight}  # a stem keeps the beginning of its word
    counts = Counter(_stem(word) for word in _WORD.findall(body) if word[:2] in heads)
    norm = K1 * (1 - B + B * (len(item or "") + len(text or "")) / mean)
    score = 0.0
    for stem, idf in weight.items():
        if times := counts[stem]:
            score += idf * times * (K1 + 1) / (times + norm)
    # the index says that it matches: where the spellings above differ from the tokenizer's, each word counts once
    return score or floor * (K1 + 1) / (1 + norm)
