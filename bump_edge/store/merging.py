"""One user's part of an export into the store: a union without duplicates, and without what was forgotten anywhere.

Each kind of content is merged by a rule that does not depend on who imports whom, or how often: interactions are a
set, less those that any store forgot; of a correction, the later word holds; a version of a profile is known by its
name (`uid`), and of two copies of one, a sentence stays if both have it. A sentence that rested on something forgotten
stays only where a copy says that it was looked at, and holds without.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from bump_edge.store import forgetting, ingest
from bump_edge.store.corrections import put_row
from bump_edge.store.records import BadRecord, Version, forgotten_form

_BATCH = 4096
_BATCH_CHARS = 8 << 20
_PART = 5000  # digests in one query

Sentences = dict[tuple[str, int], tuple[bool, list[bytes]]]
"""`(text, how often it came before)` → `(confirmed, digests of the evidence)`."""


class Merge:
    """Takes one user's lines in their order; `finish` has to be called after the last.

    Args:
        sql: inside the transaction of the import.
        user_id: whose; made if the store does not know them.
        histories: whether the export has histories.
        counts: what is counted, for the report.
    """

    def __init__(self, sql: sqlite3.Connection, user_id: str, *, histories: bool, counts: Counter[str]) -> None:
        self._sql = sql
        self._user_id = user_id
        self._histories = histories
        self._counts = counts
        counts["users"] += 1
        counts["new_users"] += sql.execute(
            "INSERT INTO users(user_id) VALUES (?) ON CONFLICT DO NOTHING", (user_id,)
        ).rowcount
        ((self._no,),) = sql.execute("SELECT no FROM users WHERE user_id = ?", (user_id,)).fetchall()
        self._own_key = forgetting.key_of(sql)
        self._new_marks: dict[bytes, set[bytes]] = {}
        self._batch: list[ingest.Row] = []
        self._batch_chars = 0
        self._changed = False
        self._settled = False
        self._removed = False
        self._new_unsaid = False
        self._is_unsaid: Callable[[str, str, int], bool] | None = None
        self._touched: set[int] = set()
        self._doubtful: dict[int, set[tuple[str, int]]] = {}
        self._known: dict[bytes, int] = {}

    def marks(self, key: bytes, marks: Iterable[bytes]) -> None:
        """What was forgotten in a store with this key."""
        own = key == self._own_key
        statement = (
            "INSERT OR IGNORE INTO forgotten(user_no, mark) VALUES (?, ?)"
            if own
            else "INSERT OR IGNORE INTO forgotten_elsewhere(user_no, key, mark) VALUES (?, ?, ?)"
        )
        for mark in marks:
            if self._sql.execute(statement, (self._no, mark) if own else (self._no, key, mark)).rowcount:
                self._new_marks.setdefault(key, set()).add(mark)
                self._counts["marks"] += 1

    def unsaid(self, key: bytes, marks: Iterable[tuple[bytes, int]]) -> None:
        """Corrections that were deleted in a store with this key, and when."""
        for mark, at in marks:
            if forgetting.put_unsaid(self._sql, self._no, key, mark, at):
                self._new_unsaid = True
                self._counts["marks"] += 1

    def gone(self, uids: Iterable[bytes]) -> None:
        """Versions of which another store's forgetting left nothing."""
        for uid in uids:
            self._sql.execute("INSERT OR IGNORE INTO gone_profiles(user_no, uid) VALUES (?, ?)", (self._no, uid))
            if self._sql.execute("DELETE FROM profiles WHERE user_no = ? AND uid = ?", (self._no, uid)).rowcount:
                self._counts["versions_removed"] += 1
                self._changed = True

    def interaction(self, row: ingest.Row) -> None:
        """One interaction."""
        self._batch.append(row)
        self._batch_chars += len(row[3] or "") + len(row[4] or "") + len(row[6] or "")
        if len(self._batch) >= _BATCH or self._batch_chars >= _BATCH_CHARS:
            self._flush()

    def correction(self, kind: str, text: str, ms: int, active: bool) -> None:
        """One correction: the later word holds."""
        self._flush()
        if self._is_unsaid is None:
            self._is_unsaid = forgetting.unsaid(self._sql, self._no)
        if self._is_unsaid(kind, text, ms):
            return
        taken, _ = put_row(self._sql, self._no, kind, text, ms, active=active)
        self._counts["corrections"] += taken

    def version(self, version: Version) -> None:
        """One version of a profile.

        Raises:
            BadRecord: its evidence is not in the history.
        """
        self._flush()
        key = (self._no, version.uid)
        if self._sql.execute("SELECT 1 FROM gone_profiles WHERE user_no = ? AND uid = ?", key).fetchone():
            return
        theirs, doubtful = self._without_forgotten(version)
        row = self._sql.execute(
            "SELECT id, text, origin, manifest FROM profiles WHERE user_no = ? AND uid = ?", key
        ).fetchone()
        if row is None:
            self._add(version, {k: entry for k, entry in theirs.items() if k not in doubtful})
        else:
            self._join(row, version, theirs, doubtful)

    def finish(self) -> bool:
        """Number the versions by time; returns whether the search index has to be packed."""
        self._flush()
        for profile, doubtful in self._doubtful.items():  # no copy came that says they hold
            manifest, origin = self._sql.execute(
                "SELECT manifest, origin FROM profiles WHERE id = ?", (profile,)
            ).fetchone()
            left = {key: entry for key, entry in self._own(profile).items() if key not in doubtful}
            self._replace(profile, left, _text(left), origin, orjson.loads(manifest))
        self._counts["versions_changed"] += len(self._touched)
        versions = self._sql.execute(
            "SELECT id, version FROM profiles WHERE user_no = ? ORDER BY created_at, uid", (self._no,)
        ).fetchall()
        wanted = [(number, i) for number, (i, _) in enumerate(versions, 1)]
        if wanted != [(number, i) for i, number in versions]:
            # two steps, because a number is taken once
            self._sql.executemany("UPDATE profiles SET version = ? WHERE id = ?", [(-n, i) for n, i in wanted])
            self._sql.executemany("UPDATE profiles SET version = ? WHERE id = ?", wanted)
        if self._changed:
            self._sql.execute("UPDATE users SET revision = revision + 1 WHERE no = ?", (self._no,))
        return self._removed

    def _forget(self) -> None:
        """Delete what other stores forgot."""
        self._settled = True
        if self._new_unsaid:
            is_unsaid = forgetting.unsaid(self._sql, self._no)
            query = "SELECT kind, text, at FROM corrections WHERE user_no = ?"
            for kind, text, at in self._sql.execute(query, (self._no,)).fetchall():
                if is_unsaid(kind, text, at):
                    self._sql.execute(
                        "DELETE FROM corrections WHERE user_no = ? AND kind = ? AND text = ?", (self._no, kind, text)
                    )
                    self._counts["corrections_removed"] += 1
                    self._changed = True
        if not self._new_marks:
            return
        gone = {
            i
            for i, digest in self._sql.execute("SELECT id, digest FROM interactions WHERE user_no = ?", (self._no,))
            if any(forgetting.mark(digest, key) in marks for key, marks in self._new_marks.items())
        }
        if not gone:
            return
        keeps: dict[int, dict[int, list[int]]] = {}
        for profile, number in self._sql.execute(
            """SELECT DISTINCT profiles.id, version FROM json_each(?) AS j
               JOIN evidence ON interaction_id = j.value JOIN profiles ON profiles.id = profile_id""",
            (_json(list(gone)),),
        ).fetchall():
            links: dict[int, list[int]] = {n: [] for n in range(len(self._own(profile)))}
            for position, link in self._sql.execute(
                "SELECT sentence, interaction_id FROM evidence WHERE profile_id = ? ORDER BY sentence, rank", (profile,)
            ):
                links[position].append(link)
            keeps[number] = {n: [i for i in ids if i not in gone] for n, ids in links.items()}
            self._doubtful[profile] = {
                key for n, key in enumerate(self._own(profile)) if len(keeps[number][n]) < len(links[n])
            }
            self._touched.add(profile)
        # Sentences stay for now: a copy in the export may say that they hold without what was forgotten.
        forgetting.take_out(self._sql, self._no, gone, keeps)
        self._counts["removed"] += len(gone)
        self._removed = True

    def _flush(self) -> None:
        if not self._settled:
            self._forget()
        batch, self._batch, self._batch_chars = self._batch, [], 0
        if not batch:
            return
        added, refused = ingest.add(self._sql, {self._user_id: batch})
        self._counts["interactions"] += len(batch)
        self._counts["added"] += added
        self._counts["forgotten"] += refused
        if added < len(batch):
            # Equal meta in another order is the same interaction, and both stores have to end with the same.
            self._sql.executemany(
                "UPDATE interactions SET meta = ?1 WHERE user_no = ?2 AND at = ?3 AND digest = ?4 AND meta > ?1",
                [(meta, self._no, ms, digest) for digest, ms, *_, meta in batch if meta is not None and ms is not None],
            )

    def _without_forgotten(self, version: Version) -> tuple[Sentences, set[tuple[str, int]]]:
        """The sentences without evidence that was forgotten, and those that had some."""
        wanted = {d for _, _, digests in version.sentences for d in digests}
        if missing := wanted - self._ids(wanted).keys():
            is_forgotten = forgetting.marked(self._sql, self._no)
            if is_forgotten is None or not all(map(is_forgotten, missing)):
                raise BadRecord(f"evidence names {min(missing).hex()}, which is not in the history")
        every = _keyed(version.sentences)
        doubtful = {key for key, (_, digests) in every.items() if not missing.isdisjoint(digests)}
        return {k: (c, [d for d in ids if d not in missing]) for k, (c, ids) in every.items()}, doubtful

    def _add(self, version: Version, sentences: Sentences) -> None:
        if not self._histories and forgetting.marked(self._sql, self._no) is not None:
            # nobody can tell whether it rests on what was forgotten here
            self._counts["withheld"] += 1
            return
        if not sentences:
            self._sql.execute("INSERT OR IGNORE INTO gone_profiles VALUES (?, ?)", (self._no, version.uid))
            return
        reduced = len(sentences) < len(version.sentences)
        profile = self._sql.execute(
            """INSERT INTO profiles(user_no, version, text, model, language, created_at, recipe, revision, manifest,
                   origin, position, updates, uid)
               SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3, ?4, ?5, ?6, -1, ?7, ?8, 0, ?9, ?10
               FROM profiles WHERE user_no = ?1""",
            (
                self._no,
                _text(sentences) if reduced else version.text,
                version.model,
                version.language,
                version.created_at,
                version.recipe,
                _json(forgotten_form(version.manifest) if reduced else version.manifest),
                version.origin,
                version.updates,
                version.uid,
            ),
        ).lastrowid
        assert profile is not None  # noqa: S101  # an INSERT has a rowid
        self._write(profile, sentences)
        self._counts["versions"] += 1
        self._changed = True

    def _join(
        self, row: tuple[int, str, str, str], version: Version, theirs: Sentences, doubtful: set[tuple[str, int]]
    ) -> None:
        """Merge two copies of a version."""
        profile, own_text, own_origin, own_json = row
        own_manifest = orjson.loads(own_json)
        ours = self._own(profile)
        doubtful_here = self._doubtful.pop(profile, set())
        if version.bare:  # it does not know on what it rests
            doubtful = doubtful_here
        elif own_origin != "import":
            doubtful &= doubtful_here
        both: Sentences = {}
        for key, (confirmed, digests) in ours.items():
            if key in theirs and key not in doubtful:
                other_confirmed, others = theirs[key]
                both[key] = (confirmed or other_confirmed, _union(digests, others))
        origin, text = own_origin, own_text
        manifest: Mapping[str, Any] = own_manifest
        whole = len(both) == len(ours)
        if own_origin == "import" and not version.bare:
            # the other copy has the evidence, and says how the version came about
            origin, text, manifest = version.origin, version.text, version.manifest
            whole = len(both) == len(version.sentences)
        elif version.bare == (own_origin == "import"):
            whole = whole and len(both) == len(version.sentences)
            if _json(version.manifest) != _json(own_manifest):
                manifest = min(forgotten_form(own_manifest), forgotten_form(version.manifest), key=_json)
                text = own_text if own_text == version.text else _text(both)
        if not whole:
            text, manifest = _text(both), forgotten_form(manifest)
        if (both, origin, text, _json(manifest)) == (ours, own_origin, own_text, _json(own_manifest)):
            return
        self._replace(profile, both, text, origin, manifest)

    def _replace(self, profile: int, sentences: Sentences, text: str, origin: str, manifest: Mapping[str, Any]) -> None:
        self._changed = True
        if not sentences:
            forgetting.drop_version(self._sql, profile)
            self._counts["versions_removed"] += 1
            self._touched.discard(profile)
            return
        self._sql.execute("DELETE FROM evidence WHERE profile_id = ?", (profile,))
        self._sql.execute("DELETE FROM sentences WHERE profile_id = ?", (profile,))
        self._write(profile, sentences)
        self._sql.execute(
            "UPDATE profiles SET text = ?, origin = ?, manifest = ?, revision = -1 WHERE id = ?",
            (text, origin, _json(manifest), profile),
        )
        self._touched.add(profile)

    def _own(self, profile: int) -> Sentences:
        sentences = self._sql.execute(
            "SELECT position, text, confirmed FROM sentences WHERE profile_id = ? ORDER BY position", (profile,)
        ).fetchall()
        evidence: dict[int, list[bytes]] = {position: [] for position, _, _ in sentences}
        for position, digest in self._sql.execute(
            """SELECT sentence, digest FROM evidence JOIN interactions ON id = interaction_id
               WHERE profile_id = ? ORDER BY sentence, rank""",
            (profile,),
        ):
            evidence[position].append(digest)
        return _keyed([(text, bool(confirmed), evidence[position]) for position, text, confirmed in sentences])

    def _write(self, profile: int, sentences: Sentences) -> None:
        known = self._ids({d for _, digests in sentences.values() for d in digests})
        for position, ((text, _), (confirmed, digests)) in enumerate(sentences.items()):
            self._sql.execute(
                "INSERT INTO sentences(profile_id, position, text, confirmed) VALUES (?, ?, ?, ?)",
                (profile, position, text, confirmed),
            )
            self._sql.executemany(
                "INSERT INTO evidence(profile_id, sentence, rank, interaction_id) VALUES (?, ?, ?, ?)",
                [(profile, position, rank, known[digest]) for rank, digest in enumerate(digests)],
            )

    def _ids(self, digests: Iterable[bytes]) -> Mapping[bytes, int]:
        """At least these that the user has. Versions share most of their evidence, and a search is a walk."""
        wanted = [d for d in digests if d not in self._known]
        for start in range(0, len(wanted), _PART):
            part = wanted[start : start + _PART]
            rows = self._sql.execute(
                f"SELECT digest, id FROM interactions WHERE user_no = ? AND digest IN ({','.join('?' * len(part))})",  # noqa: S608
                (self._no, *part),
            )
            self._known.update(rows.fetchall())
        return self._known


def _keyed(sentences: Sequence[tuple[str, bool, Sequence[bytes]]]) -> Sentences:
    seen: Counter[str] = Counter()
    out: Sentences = {}
    for text, confirmed, digests in sentences:
        out[text, seen[text]] = (confirmed, list(digests))
        seen[text] += 1
    return out


def _union(ours: list[bytes], theirs: list[bytes]) -> list[bytes]:
    """Both, by their better rank; the same whichever is whose."""
    if ours == theirs:
        return ours
    rank: dict[bytes, int] = {}
    for digests in (ours, theirs):
        for n, digest in enumerate(digests):
            rank[digest] = min(n, rank.get(digest, n))
    return sorted(rank, key=lambda digest: (rank[digest], digest))


def _text(sentences: Sentences) -> str:
    return " ".join(text for text, _ in sentences)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
