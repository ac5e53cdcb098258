"""The values that flow through bump-edge: interactions in, profiles out.

Frozen, keyword-only, comparable, without behaviour beyond their form. Nothing here reads a file, a clock or a model.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

LOCAL_USER = "local"
"""The `user_id` of interactions that name none: the one person whose device this is."""

MAX_USER_ID = 512
"""Characters in a `user_id`; longer ones are an error, because they are another field in the wrong place."""

MAX_RATING = 1e15
"""The most that a rating may be, up or down: from there on, squares and sums of ratings overflow."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp_ms(moment: datetime) -> int:
    """Milliseconds since the epoch; a naive `moment` is taken as UTC. Microseconds are cut off."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_timestamp_ms(ms: int) -> datetime:
    """The UTC time of `ms` milliseconds since the epoch (years 1 to 9999)."""
    seconds, rest = divmod(ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def content_digest(
    user_id: str,
    ms: int | None,
    type_: str | None,
    item: str | None,
    text: str | None,
    rating: float | None,
    meta: Mapping[str, Any] | None,
) -> bytes:
    """The 16-byte BLAKE2b digest that identifies an interaction: equal in every field, equal digest.

    The hashed bytes are the JSON list of the fields in this order with sorted keys, so that any language can make
    them again. `ms` is the timestamp in milliseconds; an empty `meta` counts as none.
    """
    fields = [user_id, ms, type_, item, text, rating, meta or None]
    return hashlib.blake2b(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _encodable(text: str) -> str:
    """`text` with half characters (lone surrogates, which no encoding has) as question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


_NO_LABEL = re.compile(
    r"(^_|(^|_|-)(id|ids|uuid|guid|hash|url|uri|link|href|path|token|key|session|ip|asin|sku|role)$)", re.I
)
_ADDRESS = re.compile(r"://|^[0-9a-f-]{16,}$|^\S{33,}$", re.I)


def meta_labels(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The `(key, value)` pairs of `meta` that read as labels or counts, in the order of `meta`.

    Kept: finite numbers, and strings or lists of strings of up to 60 characters each. Left out: identifiers,
    addresses, nested objects, and keys that name one.
    """
    labels = []
    for key, value in meta.items():
        if _NO_LABEL.search(key):
            continue
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            labels.append((key, f"{value:g}"))
            continue
        values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        kept = [" ".join(v.split()) for v in values if isinstance(v, str) and v.strip() and len(v) <= 60]
        kept = [v for v in kept if not _ADDRESS.search(v)][:8]
        if kept:
            labels.append((key, ", ".join(kept)))
    return labels


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """One textual record of what a user did.

    Args:
        text: what the user wrote or read (a review, a message, a search).
        item: the name of the thing it was about. At least one of `text` and `item` is required.
        type: the kind of act: ``purchase``, ``review``, ``listen``, ``search``, …
        rating: the user's rating of the item, on whatever scale the log uses; at most `MAX_RATING`, up or down.
        timestamp: when; kept in UTC to the millisecond. A naive time is taken as UTC.
        user_id: whose; 1 to 512 characters.
        meta: everything else that the log says, JSON values only.

    Raises:
        ValueError: neither `text` nor `item`, a rating that is not finite or too large, a bad `user_id`.
    """

    text: str | None = None
    item: str | None = None
    type: str | None = None
    rating: float | None = None
    timestamp: datetime | None = None
    user_id: str = LOCAL_USER
    meta: Mapping[str, Any] = field(default_factory=dict)
    # Computed once: a run over many profiles asks for the same ids again and again.
    _digest: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        text = _encodable(self.text or "").strip() or None
        item = _encodable(self.item or "").strip() or None
        if text is None and item is None:
            raise ValueError("an interaction needs a text or an item: got neither")
        if not 0 < len(self.user_id) <= MAX_USER_ID:
            raise ValueError(f"user_id has {len(self.user_id)} characters: expected 1 to {MAX_USER_ID}")
        if self.rating is not None and not abs(self.rating) <= MAX_RATING:  # NaN is not either
            raise ValueError(f"rating is {self.rating}: expected a number of at most {MAX_RATING:g}")
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "item", item)
        object.__setattr__(self, "type", (self.type or "").strip() or None)
        if self.rating is not None:
            object.__setattr__(self, "rating", float(self.rating))
        if self.timestamp is not None:
            object.__setattr__(self, "timestamp", from_timestamp_ms(timestamp_ms(self.timestamp)))

    @property
    def digest(self) -> bytes:
        """The content's digest, 16 bytes; see `content_digest`."""
        if self._digest is None:
            ms = None if self.timestamp is None else timestamp_ms(self.timestamp)
            digest = content_digest(self.user_id, ms, self.type, self.item, self.text, self.rating, self.meta)
            object.__setattr__(self, "_digest", digest)
            return digest
        return self._digest

    @property
    def id(self) -> str:
        """The content's digest in hex, 32 characters."""
        return self.digest.hex()

    def as_record(self, *, max_chars: int = 400) -> str:
        """The textual record of the method: one line, as the profiler, the judge and a person read it.

        ``2018-02-10 purchase: IRIS Desktop File Box, Medium, Clear (rated 5)``. Of `meta`, what reads as a label or
        a count is kept (genres, plays), identifiers and addresses are not.

        Args:
            max_chars: the record is cut at a word to at most this many characters.
        """
        head = "" if self.timestamp is None else self.timestamp.date().isoformat()
        if self.type:
            head = f"{head} {self.type}" if head else self.type
        notes = [] if self.rating is None else [f"rated {self.rating:g}"]
        if self.meta:
            notes += [f"{key}: {value}" for key, value in meta_labels(self.meta)]
        body = f"{self.item} - {self.text}" if self.item and self.text else self.item or self.text or ""
        if "  " in body or not body.isprintable():
            body = " ".join(body.split())
        # the notes are short and say most: when something must be cut, it is the text
        tail = f" ({'; '.join(notes)})" if notes else ""
        start = f"{head}: " if head else ""
        room = max(max_chars - len(start) - len(tail), 40)
        if len(body) > room:
            body = body[: room - 1].rsplit(" ", 1)[0] + "…"
        return f"{start}{body}{tail}"

    def as_dict(self) -> dict[str, Any]:
        """The interaction as one line of the input format; keys without a value are left out."""
        out: dict[str, Any] = {"user_id": self.user_id}
        if self.timestamp is not None:
            out["timestamp"] = self.timestamp.isoformat().replace("+00:00", "Z")
        for name in ("type", "text", "item", "rating"):
            if (value := getattr(self, name)) is not None:
                out[name] = value
        if self.meta:
            out["meta"] = dict(self.meta)
        return out


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryStats:
    """Facts about a whole history, counted by the store, that a selection from it cannot show.

    Args:
        count: interactions in the history.
        first, last: the earliest and latest timestamps, where there are any.
        types: how often each type occurs, most frequent first.
        rated: interactions with a rating.
        rating_mean: mean rating over them.
        rating_min, rating_max: the smallest and the largest rating that the user gave.
    """

    count: int
    first: datetime | None = None
    last: datetime | None = None
    types: Mapping[str, int] = field(default_factory=dict)
    rated: int = 0
    rating_mean: float | None = None
    rating_min: float | None = None
    rating_max: float | None = None

    @classmethod
    def of(cls, history: Sequence[Interaction]) -> HistoryStats:
        """The facts that the store would count about `history`."""
        ratings = [i.rating for i in history if i.rating is not None]
        times = [i.timestamp for i in history if i.timestamp is not None]
        return cls(
            count=len(history),
            first=min(times, default=None),
            last=max(times, default=None),
            types=dict(Counter(i.type for i in history if i.type).most_common()),
            rated=len(ratings),
            rating_mean=sum(ratings) / len(ratings) if ratings else None,
            rating_min=min(ratings, default=None),
            rating_max=max(ratings, default=None),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One sentence of a profile and the interactions that support it, the strongest first.

    Args:
        sentence: the sentence.
        interactions: what supports it; only a confirmed sentence may have none.
        confirmed: a person wrote or confirmed it: their word stands without further evidence.
    """

    sentence: str
    interactions: tuple[Interaction, ...]
    confirmed: bool = False


ORIGINS = ("write", "update", "edit", "rollback", "block", "import")
"""How a version of a profile came about: written anew from the history, updated, edited by a person, brought back,
without the sentences about a blocked topic, from another store. Forgetting changes versions where they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The generated text about a user.

    Args:
        user_id: whom it is about.
        text: the sentences, joined by spaces.
        version: 1 for a user's first profile, then counted up.
        model: the name of the model that wrote it.
        created_at: when it was stored, UTC.
        language: ISO 639-1 code of its language.
        evidence: one entry a sentence, in the order of the text.
        manifest: what reproduces the profile: template, model fingerprint, options, seed, selection, and the counts
            of sentences that the checks dropped.
        origin: how this version came about, one of `ORIGINS`.
    """

    user_id: str
    text: str
    version: int
    model: str
    created_at: datetime
    language: str
    evidence: tuple[Evidence, ...]
    manifest: Mapping[str, Any]
    origin: str = "write"

    def _evidence(self, records_too: bool) -> list[dict[str, Any]]:
        # One interaction often supports several sentences: its record is rendered once.
        unique = {id(i): i for e in self.evidence for i in e.interactions}
        records = {
            key: {"id": i.id, "text": i.as_record()} if records_too else {"id": i.id} for key, i in unique.items()
        }
        return [
            {"sentence": e.sentence, "interactions": [records[id(i)] for i in e.interactions]}
            | ({"confirmed": True} if e.confirmed else {})
            for e in self.evidence
        ]

    def as_dict(self, *, records: bool = True) -> dict[str, Any]:
        """The profile as one JSON line of the commands.

        Args:
            records: whether the evidence holds the records' texts beside their ids.
        """
        return {
            "user_id": self.user_id,
            "text": self.text,
            "version": self.version,
            "origin": self.origin,
            "model": self.model,
            "created_at": self.created_at.isoformat().replace("+00:00", "Z"),
            "language": self.language,
            "evidence": self._evidence(records),
            "manifest": dict(self.manifest),
        }
