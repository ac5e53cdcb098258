"""One record of any format → the fields of an interaction, as they are hashed and stored."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bump_edge.errors import UsageError
from bump_edge.profile_block import strip_block
from bump_edge.readers.problems import NOT_THE_USER, PROFILE_BLOCK, FieldError
from bump_edge.readers.speakers import another_speaks, is_anothers_type, names_another
from bump_edge.types import LOCAL_USER, MAX_RATING, MAX_USER_ID, Interaction, from_timestamp_ms, timestamp_ms

Fields = tuple[str, int | None, str | None, str | None, str | None, float | None, dict[str, Any] | None]
"""`(user_id, timestamp in ms, type, item, text, rating, meta)`: the arguments of `types.content_digest`, in order."""

NAMES = ("user_id", "timestamp", "type", "text", "item", "rating", "meta")
"""The fields of the input format."""

_MIN_MS = timestamp_ms(datetime(1, 1, 1, tzinfo=UTC))
_MAX_MS = timestamp_ms(datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC))
_YEAR = re.compile(r"[12]\d{3}(-[01]\d)?", re.ASCII)
_DATE = re.compile(r"(19|20)\d{2}[01]\d[0-3]\d", re.ASCII)
_64_BITS = 2.0**63


def read_timestamp(value: object) -> int | None:
    """Milliseconds since the epoch, UTC, of a timestamp in any of its forms; None for none (null, empty).

    ISO 8601 with or without a zone (UTC then) and with or without a time; a year or a year and month alone; numbers,
    also as strings: epoch seconds, and from 10^11 on milliseconds, from 10^14 microseconds, from 10^17 nanoseconds. A
    string of eight digits that reads as a date of 1900 to 2099 is that date.

    Raises:
        FieldError: anything else, and times outside the years 1 to 9999.
    """
    if value is None:
        return None
    if type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _rare_timestamp(value)
        if value.isdigit() and not _DATE.fullmatch(value):
            return _epoch(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if moment.microsecond == 0:
            return _in_range(int(moment.timestamp()) * 1000)
        return _in_range(timestamp_ms(moment))
    if type(value) is int or type(value) is float:
        return _epoch(value)
    raise FieldError("timestamp", f"the timestamp is a {type(value).__name__}: expected ISO 8601 or epoch time")


def _rare_timestamp(value: str) -> int | None:
    bare = value.strip()
    if not bare:
        return None
    if _YEAR.fullmatch(bare):
        try:
            return _in_range(
                timestamp_ms(datetime.fromisoformat(f"{bare}-01-01"[:10] if len(bare) < 7 else f"{bare}-01"))
            )
        except ValueError:
            pass
    if bare != value:
        return read_timestamp(bare)
    return _epoch(value)


def _epoch(value: str | float) -> int:
    try:
        if isinstance(value, str) and "_" in value:
            raise ValueError(value)
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(value)
    except (ValueError, OverflowError) as error:
        raise FieldError(
            "timestamp", f"the timestamp {str(value)[:40]!r} is neither ISO 8601 nor epoch time"
        ) from error
    exact = isinstance(value, int) or (isinstance(value, str) and value.lstrip("+-").isdecimal())
    whole = int(value) if exact else None
    size = abs(number)
    if size < 1e11:
        return _in_range(whole * 1000 if whole is not None else math.floor(number * 1000 + 1e-4))
    scale = 1 if size < 1e14 else 1000 if size < 1e17 else 1_000_000
    return _in_range(whole // scale if whole is not None else math.floor(number / scale))


def _in_range(ms: int) -> int:
    if not _MIN_MS <= ms <= _MAX_MS:
        raise FieldError("timestamp", f"the timestamp is {ms} ms from 1970: expected the years 1 to 9999")
    return ms


def read_rating(value: object) -> float | None:
    """A rating from a number or a string of one, at most `MAX_RATING`; None for none (null, empty).

    Raises:
        FieldError: anything else.
    """
    if value is None:
        return None
    if type(value) is float or type(value) is int:
        number = float(value)
    elif type(value) is str and "_" not in value:
        if not value.strip():
            return None
        try:
            number = float(value)
        except ValueError as error:
            raise FieldError("rating", f"the rating is {value[:40]!r}: expected a number") from error
    else:
        raise FieldError("rating", f"the rating is {str(value)[:40]!r}: expected a number")
    if not abs(number) <= MAX_RATING:  # NaN is not either
        raise FieldError("rating", f"the rating is {number}: expected a number of at most {MAX_RATING:g}")
    return number


def clean(text: str | None) -> str | None:
    """`text` without NUL characters and outer white space; None when nothing is left."""
    if text is None:
        return None
    if "\0" in text:
        text = text.replace("\0", "")
    return text.strip() or None


def _text(value: object, name: str) -> str | None:
    if type(value) is str:
        return clean(value)
    if type(value) is int or type(value) is float:
        return str(value)
    raise FieldError("field", f"{name} is a {type(value).__name__}: expected a string")


def _user(value: object, default: str) -> str:
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        raise FieldError("user_id", f"the user_id is a {type(value).__name__}: expected a string")
    name = value.replace("\0", "")
    if not name:
        return default
    if len(name) > MAX_USER_ID:
        raise FieldError("user_id", f"the user_id has {len(name)} characters: expected at most {MAX_USER_ID}")
    return name


def check_numbers(value: object) -> None:
    """Raise `FieldError` if a number in the JSON value `value` does not fit 64 bits (the parser made it a float)."""
    if type(value) is float:
        if abs(value) >= _64_BITS:
            raise FieldError("number", f"meta holds the number {value:g}: expected at most 64 bits")
    elif type(value) is int:
        if not -_64_BITS <= value < 2 * _64_BITS:
            raise FieldError("number", "meta holds a number beyond 64 bits")
    elif type(value) is dict:
        for inner in value.values():
            check_numbers(inner)
    elif type(value) is list:
        for inner in value:
            check_numbers(inner)


def shaper(
    *, mapping: Mapping[str, str] | None = None, user_id: str | None = None
) -> Callable[[dict[str, Any]], Fields]:
    """The function that turns one record into `Fields`; it takes its record apart.

    Args:
        mapping: our field → their field; a dot leads into an object (``{"item": "product.title"}``).
        user_id: whose a record without a `user_id` is; None means `LOCAL_USER`.

    Raises:
        UsageError: `mapping` names a field that is not in `NAMES`, or `user_id` is no name.
    """
    default = LOCAL_USER if user_id is None else user_id
    if not 0 < len(default.replace("\0", "")) <= MAX_USER_ID:
        raise UsageError(f"the user has {len(default)} characters: expected 1 to {MAX_USER_ID}")
    theirs = dict(mapping or {})
    user_is_mapped = "user_id" in theirs
    for ours, other in theirs.items():
        if ours not in NAMES:
            raise UsageError(f"the mapping sets {ours!r}: expected some of {', '.join(NAMES)}, as in text=body")
        if not other:
            raise UsageError(f"the mapping of {ours!r} is empty: expected the name of their field, as in text=body")

    def shape(record: dict[str, Any]) -> Fields:
        if theirs:
            record = _remap(record, theirs)
        pop = record.pop
        user = pop("user_id", None)
        if user_is_mapped and names_another(user):
            # `--map user_id=sender`: the assistant is no second user
            raise FieldError(NOT_THE_USER)
        ms = read_timestamp(pop("timestamp", None))
        type_ = pop("type", None)
        text = pop("text", None)
        item = pop("item", None)
        rating = pop("rating", None)
        meta = pop("meta", None)
        # what is usual goes without a call
        if type(text) is str and "\0" not in text:
            text = text.strip() or None
        elif text is not None:
            text = _text(text, "text")
        if type(item) is str and "\0" not in item:
            item = item.strip() or None
        elif item is not None:
            item = _text(item, "item")
        if type_ is not None:
            type_ = _text(type_, "type")
            if type_ is not None and is_anothers_type(type_):
                raise FieldError(NOT_THE_USER)
        if type(meta) is dict and another_speaks(meta):
            raise FieldError(NOT_THE_USER)
        if record:
            if another_speaks(record):
                raise FieldError(NOT_THE_USER)
            meta = _merge(meta, record)
        elif meta is not None and type(meta) is not dict:
            meta = {"meta": meta}
        if (text is not None and "_" in text) or (item is not None and "_" in item):
            text, item = _without_blocks(text, item)
        if text is None and item is None:
            raise FieldError("no_text_or_item")
        if meta:
            check_numbers(meta)
        return (
            user
            if type(user) is str and 0 < len(user) <= MAX_USER_ID and "\0" not in user
            else default
            if user is None
            else _user(user, default),
            ms,
            type_,
            item,
            text,
            rating if type(rating) is float and -MAX_RATING <= rating <= MAX_RATING else read_rating(rating),
            meta or None,
        )

    return shape


def _merge(meta: object, unknown: dict[str, Any]) -> dict[str, Any]:
    """The `meta` of the record and its unknown keys in one; what `meta` says wins."""
    if type(meta) is dict:
        return {**meta, **{key: value for key, value in unknown.items() if key not in meta}}
    return unknown if meta is None else {"meta": meta, **unknown}


def _remap(record: dict[str, Any], theirs: Mapping[str, str]) -> dict[str, Any]:
    found = {ours: _take(record, other) for ours, other in theirs.items()}
    # what they call by one of our names, but is mapped away from it, is theirs and goes to meta
    kept = {name: record.pop(name) for name in theirs if name in record}
    if kept:
        meta = record.get("meta")
        record["meta"] = _merge(meta if "meta" not in theirs else None, kept)
    record.update({ours: value for ours, value in found.items() if value is not None})
    return record


def _take(record: dict[str, Any], name: str) -> Any:
    if name in record or "." not in name:
        return record.pop(name, None)
    head, rest = name.split(".", 1)
    inner = record.get(head)
    if type(inner) is not dict:
        return None
    value = _take(inner, rest)
    if not inner:
        del record[head]
    return value


def _without_blocks(text: str | None, item: str | None) -> tuple[str | None, str | None]:
    """`text` and `item` as they are without the block that an app put into a prompt; one of them stays.

    Raises:
        FieldError: nothing but blocks.
    """
    bare = clean(strip_block(text)) if text else None
    named = clean(strip_block(item)) if item else None
    if bare is None and named is None and (text or item):
        raise FieldError(PROFILE_BLOCK)
    return bare, named


def to_fields(interaction: Interaction) -> Fields:
    """The fields of an interaction as the store keeps them; NUL characters and profiles' blocks go.

    Raises:
        FieldError: it is another's turn, or nothing but a profile's block.
    """
    moment = interaction.timestamp
    meta = dict(interaction.meta)
    type_ = clean(interaction.type)
    if (type_ is not None and is_anothers_type(type_)) or (meta and another_speaks(meta)):
        raise FieldError(NOT_THE_USER)
    text, item = _without_blocks(clean(interaction.text), clean(interaction.item))
    return (
        interaction.user_id.replace("\0", ""),
        None if moment is None else timestamp_ms(moment),
        type_,
        item,
        text,
        interaction.rating,
        meta or None,
    )


def to_interaction(fields: Fields) -> Interaction:
    """The interaction of `fields`."""
    user_id, ms, type_, item, text, rating, meta = fields
    return Interaction(
        user_id=user_id,
        timestamp=None if ms is None else from_timestamp_ms(ms),
        type=type_,
        item=item,
        text=text,
        rating=rating,
        meta=meta or {},
    )
