"""The lines of an export, one by one: how each is written, and what is checked when it is read.

The format is described in `bump_edge.store.transfer`. Every check of a line's form is here; what a line means for the
store that it comes into is in `bump_edge.store.merging`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import orjson

from bump_edge.errors import InputError
from bump_edge.store.corrections import KINDS, MAX_CHARS
from bump_edge.store.ingest import Row
from bump_edge.types import MAX_RATING, MAX_USER_ID, ORIGINS, content_digest

FORMAT = 1
"""The version of the format that this version writes, and the highest that it reads."""

MAX_LINE = 64 << 20
"""Bytes of the longest line that is written or read."""

MARKS = 1000
"""Marks, or names of versions, in one line at most."""

_MAX_HEADER = 4096
_EARLIEST, _LATEST = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999 in milliseconds
_MOST = 1 << 53
_SECTIONS = {"marks": 0, "unsaid": 1, "gone": 2, "interaction": 3, "correction": 4, "version": 5}
_BARE = "imported"  # key of a manifest: what a version was that came without its evidence


class BadRecord(Exception):  # never leaves the store: it becomes an InputError with the line's number
    """What is wrong with a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of a profile as it travels.

    Args:
        uid: its name, 16 bytes.
        created_at: milliseconds since the epoch.
        sentences: `(text, confirmed, digests of the evidence)` each.
    """

    uid: bytes
    created_at: int
    model: str
    language: str
    recipe: str
    origin: str
    updates: int
    text: str
    manifest: Mapping[str, Any]
    sentences: Sequence[tuple[str, bool, Sequence[bytes]]]

    @property
    def bare(self) -> bool:
        """Whether it came without its evidence."""
        return self.origin == "import"

    def without_evidence(self) -> Version:
        """The version for an export without histories: the manifest says on how many interactions each sentence rested.

        The hash of the selection goes too: it says whether a guessed interaction was in it.
        """
        if self.bare:
            return replace(self, sentences=[(text, confirmed, ()) for text, confirmed, _ in self.sentences])
        manifest = forgotten_form(self.manifest, note=False)
        manifest[_BARE] = {"origin": self.origin, "evidence": [len(ids) for _, _, ids in self.sentences]}
        return replace(
            self,
            origin="import",
            manifest=manifest,
            sentences=[(text, confirmed, ()) for text, confirmed, _ in self.sentences],
        )


def forgotten_form(manifest: Mapping[str, Any], *, note: bool = True) -> dict[str, Any]:
    """The manifest of a version from which something was taken; the same as `forgetting` makes in SQL."""
    out = dict(manifest)
    if isinstance(out.get("history"), dict):
        out["history"] = {k: v for k, v in out["history"].items() if k != "selection_sha256"}
    if note:
        out["forgotten"] = True
    return out


def header(*, histories: bool, users: int) -> bytes:
    """The first line."""
    return _line({"bump_edge_export": FORMAT, "histories": histories, "users": users})


def trailer(lines: int, sha256: str) -> bytes:
    """The last line: how many lines come before it, and the hash of their bytes."""
    return _line({"lines": lines, "sha256": sha256})


def user_line(user_id: str) -> bytes:
    """The line that begins a user."""
    return _line({"user": user_id})


def marks_line(key: bytes, marks: Sequence[bytes]) -> bytes:
    """Marks of forgotten interactions under one key."""
    return _line({"marks": [m.hex() for m in marks], "key": key.hex()})


def unsaid_line(key: bytes, marks: Sequence[tuple[bytes, int]]) -> bytes:
    """Marks of deleted corrections under one key, with their times."""
    return _line({"unsaid": [[m.hex(), at] for m, at in marks], "key": key.hex()})


def gone_line(uids: Sequence[bytes]) -> bytes:
    """Names of versions of which nothing is left."""
    return _line({"gone": [u.hex() for u in uids]})


def interaction_line(row: Row) -> bytes:
    """One interaction."""
    digest, ms, type_, item, text, rating, meta = row
    said: dict[str, Any] = {"id": digest.hex()}
    for name, value in (("at", ms), ("type", type_), ("item", item), ("text", text), ("rating", rating)):
        if value is not None:
            said[name] = value
    if meta is not None:
        said["meta"] = orjson.loads(meta)
    return _line({"interaction": said})


def correction_line(kind: str, text: str, at: int, *, active: bool) -> bytes:
    """One correction."""
    return _line({"correction": {"kind": kind, "text": text, "at": at, "active": active}})


def version_line(version: Version) -> bytes:
    """One version of a profile."""
    said: dict[str, Any] = {"uid": version.uid.hex()}
    for name in ("created_at", "model", "language", "recipe", "origin", "updates", "text", "manifest"):
        said[name] = getattr(version, name)
    said["sentences"] = [
        {"text": text, "confirmed": confirmed, "evidence": [d.hex() for d in digests]}
        for text, confirmed, digests in version.sentences
    ]
    return _line({"version": said})


def _line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def verified(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Every line but the trailer, in flat memory; the last step of the iteration compares the trailer.

    Raises:
        InputError: it is no export, one of a newer format, or not the very bytes that were written.
    """
    seen, count, held = hashlib.sha256(), 0, b""
    size = _MAX_HEADER
    while line := stream.readline(size + 1):
        if len(line) > size:
            if not count and not held:
                raise not_an_export(name)
            raise InputError(f"{name} has a line of more than {size:,} bytes: expected an export of bump-edge.")
        if held:
            seen.update(held)
            count += 1
            yield held
        else:
            _check_version(line, name)
        held, size = line, MAX_LINE
    if not held:
        raise not_an_export(name)
    if held != trailer(count, seen.hexdigest()):
        raise InputError(
            f"{name} is incomplete or was changed: its last line is not the checksum of the {count} lines before it. "
            "Nothing was taken in; export again, and copy the whole file.",
            details={"source": name, "lines": count},
        )


def not_an_export(name: str) -> InputError:
    """The error for a file of something else."""
    return InputError(
        f"{name} is no export of bump-edge: expected a first line that begins with "
        '{"bump_edge_export":1, not compressed. `bump-edge export` writes one; logs go in with `bump-edge ingest`.',
        details={"source": name},
    )


def _check_version(line: bytes, name: str) -> None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise not_an_export(name) from error
    version = found.get("bump_edge_export") if isinstance(found, dict) else None
    if type(version) is not int or version < 1:
        raise not_an_export(name)
    if version > FORMAT:
        raise InputError(
            f"{name} is an export in format {version}, this bump-edge reads up to {FORMAT}: "
            "update bump-edge (pip install -U bump-edge).",
            details={"source": name, "format": version, "known": FORMAT},
        )


def read_header(line: bytes) -> tuple[bool, int]:
    """`(histories, users)` of a first line."""
    found = _object(_loads(line), "the header", ("bump_edge_export", "histories", "users"))
    _need(type(found["histories"]) is bool, "histories is not true or false")
    return found["histories"], _number(found["users"], "users", 0, _MOST)


def section(kind: str) -> int:
    """The place of a kind of line within its user."""
    return _SECTIONS[kind]


def read(line: bytes) -> tuple[str, Any]:
    """`(kind, content)` of a line between header and trailer; see `_loads` for the kinds.

    Raises:
        BadRecord: it is not one.
    """
    found = _loads(line)
    _need(isinstance(found, dict) and bool(found), "it is no object")
    kind = next(iter(found))
    if kind == "user":
        return kind, _user(_object(found, "the line", ("user",))["user"])
    if kind == "marks":
        _object(found, "the line", ("marks", "key"))
        return kind, (_bytes(found["key"], "key"), _list_of_bytes(found["marks"], "marks"))
    if kind == "unsaid":
        pairs = _object(found, "the line", ("unsaid", "key"))["unsaid"]
        _need(isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs), "unsaid is no pairs")
        key = _bytes(found["key"], "key")
        return kind, (key, [(_bytes(m, "unsaid"), _number(at, "at", _EARLIEST, _LATEST)) for m, at in pairs])
    _need(kind in _SECTIONS, f"{kind[:40]!r} is no kind of line")
    value = _object(found, "the line", (kind,))[kind]
    if kind == "gone":
        return kind, _list_of_bytes(value, "gone")
    return kind, value


def read_interaction(value: Any, user_id: str) -> Row:
    """The row of an interaction, its digest compared with the content."""
    found = _object(value, "the interaction", ("id",), ("at", "type", "item", "text", "rating", "meta"))
    digest = _bytes(found["id"], "id")
    ms = _number(found["at"], "at", _EARLIEST, _LATEST) if "at" in found else None
    type_, item, text = (_text(found[n], n) if n in found else None for n in ("type", "item", "text"))
    _need(item is not None or text is not None, "the interaction has neither text nor item")
    rating = found.get("rating")
    _need(rating is None or (type(rating) is float and abs(rating) <= MAX_RATING), "rating is no decimal number")
    meta = found.get("meta")
    _need("meta" not in found or (isinstance(meta, dict) and bool(meta)), "meta is no object with content")
    try:
        _need(content_digest(user_id, ms, type_, item, text, rating, meta) == digest, "its id is not of its content")
        return digest, ms, type_, item, text, rating, None if meta is None else orjson.dumps(meta).decode()
    except TypeError as error:
        raise BadRecord("meta is nested too deeply") from error


def read_correction(value: Any) -> tuple[str, str, int, bool]:
    """`(kind, text, ms, active)`."""
    found = _object(value, "the correction", ("kind", "text", "at", "active"))
    _need(found["kind"] in KINDS, "kind is no kind of correction")
    text = _text(found["text"], "text")
    _need(text == " ".join(text.split()) and len(text) <= MAX_CHARS, "text is no correction's")
    _need(type(found["active"]) is bool, "active is not true or false")
    return found["kind"], text, _number(found["at"], "at", _EARLIEST, _LATEST), found["active"]


def read_version(value: Any, *, histories: bool) -> Version:
    """A version of a profile."""
    names = ("model", "language", "recipe", "origin", "text")
    keys = ("uid", "created_at", *names, "updates", "manifest", "sentences")
    found = _object(value, "the version", keys)
    model, language, recipe, origin, text = (_string(found[n], n) for n in names)
    _need(origin in ORIGINS and (histories or origin == "import"), "origin is none that is known here")
    _need(isinstance(found["manifest"], dict), "manifest is no object")
    _need(isinstance(found["sentences"], list) and bool(found["sentences"]), "sentences is no list with content")
    sentences = []
    for entry in found["sentences"]:
        _object(entry, "a sentence", ("text", "confirmed", "evidence"))
        _need(type(entry["confirmed"]) is bool, "confirmed is not true or false")
        evidence = _list_of_bytes(entry["evidence"], "evidence")
        _need(histories or not evidence, "there is evidence in an export without histories")
        _need(len(set(evidence)) == len(evidence), "evidence names an interaction twice")
        sentences.append((_string(entry["text"], "a sentence"), entry["confirmed"], evidence))
    version = Version(
        uid=_bytes(found["uid"], "uid"),
        created_at=_number(found["created_at"], "created_at", _EARLIEST, _LATEST),
        model=model,
        language=language,
        recipe=recipe,
        origin=origin,
        updates=_number(found["updates"], "updates", 0, _MOST),
        text=text,
        manifest=found["manifest"],
        sentences=sentences,
    )
    try:
        orjson.dumps(version.manifest)
    except TypeError as error:
        raise BadRecord("manifest is nested too deeply") from error
    return version


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise BadRecord(otherwise)


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadRecord("it is no JSON") from error


def _object(value: Any, what: str, keys: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    _need(isinstance(value, dict), f"{what} is no object")
    if missing := [k for k in keys if k not in value]:
        raise BadRecord(f"{what} has no {missing[0]}")
    if unknown := [k for k in value if k not in keys and k not in optional]:
        raise BadRecord(f"{what} has an unknown key {unknown[0][:40]!r}")
    found: dict[str, Any] = value
    return found


def _string(value: Any, name: str) -> str:
    if type(value) is not str:
        raise BadRecord(f"{name} is a {type(value).__name__}, not a string")
    return value


def _text(value: Any, name: str) -> str:
    text = _string(value, name)
    _need(bool(text) and "\0" not in text, f"{name} is empty or has a NUL character")
    return text


def _user(value: Any) -> str:
    name = _text(value, "user")
    _need(len(name) <= MAX_USER_ID, f"user has more than {MAX_USER_ID} characters")
    return name


def _number(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise BadRecord(f"{name} is no whole number from {low} to {high}")
    return value


def _bytes(value: Any, name: str) -> bytes:
    text = _string(value, name)
    try:
        made = bytes.fromhex(text)
    except ValueError as error:
        raise BadRecord(f"{name} is not hexadecimal") from error
    _need(len(made) == 16 and made.hex() == text, f"{name} is not 32 hexadecimal digits")
    return made


def _list_of_bytes(value: Any, name: str) -> list[bytes]:
    _need(isinstance(value, list), f"{name} is no list")
    return [_bytes(entry, name) for entry in value]
