"""The tables, as named migrations.

An interaction's `id` is ``user << 32 | position``: a user's rows and index entries lie together, so that reading,
searching and deleting one user's never touches another's. `position` counts a user's interactions in the order of
ingest, from 1, and is never used twice.

`at` is what a history is ordered by: the timestamp in milliseconds, or for an interaction without one `UNTIMED` + its
position, which keeps file order and comes before every time. Equal content has an equal digest, and for a timed
interaction an equal `at`: one index, ``(user_no, at, digest)``, orders a history and keeps it free of duplicates, and
it grows at its end when a log comes in time order. Untimed ones have a unique index of their own.

Raw text is in `interactions` only: the search index is one of terms (external content, no positions), profiles link to
interactions by id. Deleting an interaction, or a user, takes index entries and links along by triggers and cascades,
and forgets which files were taken in, because what was deleted may be in one of them.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from bump_edge.errors import StoreCorruptError, StoreVersionError

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

SET = "bump-edge"
"""The name of the set of migrations."""

UNTIMED = -(1 << 62)
"""`at` of an interaction without a timestamp, less its position."""

NO_TIME = -(1 << 61)
"""Every `at` below this stands for no timestamp; the partial index below has it as a number."""

POSITION_BITS = 32

_FIRST = """
CREATE TABLE users (
    no INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE,
    interactions INTEGER NOT NULL DEFAULT 0,
    characters INTEGER NOT NULL DEFAULT 0,
    last_position INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE interactions (
    id INTEGER PRIMARY KEY,
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    type TEXT,
    item TEXT,
    text TEXT,
    rating REAL,
    meta TEXT
);
CREATE UNIQUE INDEX interactions_in_order ON interactions(user_no, at, digest);
CREATE UNIQUE INDEX interactions_untimed ON interactions(user_no, digest) WHERE at < -2305843009213693952;
CREATE VIRTUAL TABLE interactions_fts USING fts5(
    item, text, content='interactions', content_rowid='id', detail='none', columnsize=0,
    tokenize='porter unicode61 remove_diacritics 2'
);
INSERT INTO interactions_fts(interactions_fts, rank) VALUES ('hashsize', 16777216);
INSERT INTO interactions_fts(interactions_fts, rank) VALUES ('automerge', 16);
CREATE TRIGGER interactions_added AFTER INSERT ON interactions BEGIN
    INSERT INTO interactions_fts(rowid, item, text) VALUES (new.id, new.item, new.text);
END;
CREATE TRIGGER interactions_deleted AFTER DELETE ON interactions BEGIN
    INSERT INTO interactions_fts(interactions_fts, rowid, item, text) VALUES ('delete', old.id, old.item, old.text);
    UPDATE users SET
        interactions = interactions - 1,
        characters = characters - length(coalesce(old.item, '')) - length(coalesce(old.text, '')),
        revision = revision + 1
    WHERE no = old.user_no;
END;
CREATE TABLE profiles (
    id INTEGER PRIMARY KEY,
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    text TEXT NOT NULL,
    model TEXT NOT NULL,
    language TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    revision INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    UNIQUE (user_no, version)
);
CREATE TABLE sentences (
    profile_id INTEGER NOT NULL REFERENCES profiles(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (profile_id, position)
) WITHOUT ROWID;
CREATE TABLE evidence (
    profile_id INTEGER NOT NULL REFERENCES profiles(id) ON DELETE CASCADE,
    sentence INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    interaction_id INTEGER NOT NULL REFERENCES interactions(id) ON DELETE CASCADE,
    PRIMARY KEY (profile_id, sentence, rank)
) WITHOUT ROWID;
CREATE INDEX evidence_interaction ON evidence(interaction_id);
CREATE TABLE sources (
    digest BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL,
    report TEXT NOT NULL,
    users TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER sources_of_deleted_interactions AFTER DELETE ON interactions BEGIN
    DELETE FROM sources;
END;
CREATE TRIGGER sources_of_deleted_users AFTER DELETE ON users BEGIN
    DELETE FROM sources;
END;
"""


def first(db: Database) -> None:
    """Users, interactions with their search index, profiles with their evidence, files that were taken in."""
    _run(db, _FIRST)


_LIFE = """
ALTER TABLE profiles ADD COLUMN origin TEXT NOT NULL DEFAULT 'write';
ALTER TABLE profiles ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE profiles ADD COLUMN updates INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sentences ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE corrections (
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (user_no, kind, text)
) WITHOUT ROWID;
CREATE TABLE forgotten (
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    mark BLOB NOT NULL,
    PRIMARY KEY (user_no, mark)
) WITHOUT ROWID;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO secrets VALUES ('forgotten', randomblob(16));
"""


def life(db: Database) -> None:
    """Where a profile came from and how far it had read, a person's corrections, marks of what was forgotten.

    `profiles.position` is the user's last position when the history was read: what lies beyond it is new. A mark in
    `forgotten` is the hash of an interaction's digest under the store's own key: it keeps a log that is read again from
    bringing back what was forgotten, and says nothing about it to who does not hold the text and this file.
    """
    _run(db, _LIFE)


_MOVED = """
ALTER TABLE profiles ADD COLUMN uid BLOB;
UPDATE profiles SET uid = randomblob(16);
CREATE UNIQUE INDEX profiles_uid ON profiles(user_no, uid);
CREATE TRIGGER profiles_added AFTER INSERT ON profiles WHEN new.uid IS NULL BEGIN
    UPDATE profiles SET uid = randomblob(16) WHERE id = new.id;
END;
CREATE TABLE gone_profiles (
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    uid BLOB NOT NULL,
    PRIMARY KEY (user_no, uid)
) WITHOUT ROWID;
CREATE TABLE forgotten_elsewhere (
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    key BLOB NOT NULL,
    mark BLOB NOT NULL,
    PRIMARY KEY (user_no, key, mark)
) WITHOUT ROWID;
CREATE TABLE forgotten_corrections (
    user_no INTEGER NOT NULL REFERENCES users(no) ON DELETE CASCADE,
    key BLOB NOT NULL,
    mark BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (user_no, key, mark)
) WITHOUT ROWID;
"""


def moved(db: Database) -> None:
    """What stores need to be merged: a name of each version of a profile, and what was forgotten in other stores.

    `profiles.uid` is random, so that it says nothing about the text; it travels with the version and tells that two
    copies are one. `gone_profiles` keeps the names of versions of which forgetting left nothing.
    `forgotten_elsewhere` holds marks as `forgotten` does, under the keys of the stores that they come from, and
    `forgotten_corrections` marks of corrections that were deleted, with the time: a later word stands.
    """
    _run(db, _MOVED)


_RECEIPTS = """
CREATE TABLE receipts (no INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE exports (path TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""


def receipts(db: Database) -> None:
    """What was forgotten, each receipt bound to the one before by its hash; where exports were written.

    A receipt names its user by a mark under the store's own key, and nothing that was forgotten.
    """
    _run(db, _RECEIPTS)


NAMES: tuple[str, ...] = ("first", "life", "moved", "receipts")
"""Every migration that this version knows, in order; a name is never changed or removed."""


def _run(db: Database, script: str) -> None:
    # executescript would commit the transaction that the migration runs in
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.conn.execute(statement)
            statement = ""


def _migrations() -> Migrations:
    from sqlite_utils import Migrations

    migrations = Migrations(SET)
    for name in NAMES:
        migrations(name=name)(globals()[name])
    return migrations


def pending(connection: sqlite3.Connection, path: str) -> bool:
    """Whether the store needs migrations; makes no change.

    Raises:
        StoreVersionError: it has migrations that this version does not know.
        StoreCorruptError: it is a database of something else.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    applied: list[str] = []
    if "_sqlite_migrations" in tables:
        query = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY rowid"
        applied = [name for (name,) in connection.execute(query, (SET,))]
    if unknown := [name for name in applied if name not in NAMES]:
        raise StoreVersionError(
            f"{path} was written by a newer bump-edge: it has {', '.join(unknown)}, this version knows "
            f"{', '.join(NAMES)}. Update bump-edge (pip install -U bump-edge), or name another store with --db.",
            details={"path": path, "unknown": unknown},
        )
    if tables and not applied and not tables <= {"_sqlite_migrations", "sqlite_autoindex__sqlite_migrations_1"}:
        raise StoreCorruptError(
            f"{path} is an SQLite database of something else: expected a bump-edge store or a new path. "
            "Name another one with --db.",
            details={"path": path},
        )
    return len(applied) < len(NAMES)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is pending; the caller holds the write lock in an open transaction."""
    from sqlite_utils import Database

    _migrations().apply(Database(connection, recursive_triggers=False, execute_plugins=False))
