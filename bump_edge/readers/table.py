"""CSV and TSV: a header, then one interaction a record."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from bump_edge.errors import InputError
from bump_edge.readers.fields import NAMES, Fields
from bump_edge.readers.lines import line_blocks
from bump_edge.readers.problems import SKIPPED_BY_RULE, FieldError, Problems
from bump_edge.readers.sources import Source

_DELIMITERS = ",;\t|"
_EVERY = 4096  # records between two chances for the caller to take what was read


def delimiter_of(header: str) -> str | None:
    """The delimiter that cuts `header` into most cells; None if none occurs in it."""
    found = max(_DELIMITERS, key=lambda d: len(next(csv.reader([header], delimiter=d), [])))
    return found if found in header else None


def read_table(
    source: Source,
    out: list[Fields],
    shape: Callable[[dict[str, Any]], Fields],
    problems: Problems,
    *,
    limit: int,
    mapping: Mapping[str, str],
) -> Iterator[None]:
    """Append the interactions of `source` to `out`; yields now and then, so that the caller can take them.

    A cell is a string; an empty one is none; a `meta` cell that holds a JSON object is that object. A quoted cell may
    hold line breaks, up to the limit of `csv.field_size_limit` (131,072 characters unless the program changed it).

    Raises:
        InputError: no usable header; a bad record in strict mode; binary data.
    """

    def too_long(number: int, head: bytes) -> None:
        problems.bad(number, "too_long", head, f"longer than {limit:,} bytes")

    def cut(number: int, rest: bytes) -> bool:
        if source.damage is None:
            return False
        problems.bad(number, source.damage[0], rest, source.damage[1])
        return True

    def texts() -> Iterator[str]:
        for _before, lines in line_blocks(source.pieces(), limit=limit, too_long=too_long, cut=cut):
            for line in lines:
                # bytes that are not UTF-8 become lone surrogates, so that their record can be told
                yield line.decode("utf-8", "surrogateescape") + "\n"

    lines = texts()
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        problems.refuse_binary()
        return
    delimiter = delimiter_of(first) or ","
    names = _header(next(csv.reader([first], delimiter=delimiter), []), source.name, mapping)
    # the header took line 1; a header below empty lines shifts the numbers, which no CSV in practice has
    records = csv.reader(lines, delimiter=delimiter, strict=False)
    seen = 0
    number = 2
    while True:
        try:
            cells = next(records)
        except StopIteration:
            break
        except csv.Error as error:
            problems.bad(number, "too_long" if "limit" in str(error) else "field", "", str(error))
            number = records.line_num + 2
            continue
        here, number = number, records.line_num + 2
        if not any(cells):
            continue
        try:
            out.append(shape(_record(names, cells)))
            problems.good()
        except FieldError as error:
            problems.bad(here, error.reason, _raw(cells, delimiter), str(error))
            if error.reason in SKIPPED_BY_RULE:
                problems.good()
        seen += 1
        if seen % _EVERY == 0:
            yield
    problems.refuse_binary()
    yield


def _header(cells: list[str], source: str, mapping: Mapping[str, str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    # Text, TEXT and text are one name, as long as only one column has it
    lowered = [name.lower() for name in names]
    names = [
        low if low in NAMES and lowered.count(low) == 1 else name for name, low in zip(names, lowered, strict=True)
    ]
    wanted = [mapping.get("text", "text"), mapping.get("item", "item")]
    if not any(name in names for name in wanted):
        shown = ", ".join(names)[:300].encode("ascii", "backslashreplace").decode()
        raise InputError(
            f"{source}: the CSV header has the columns {shown}: expected {' or '.join(wanted)}. "
            "Say which column it is, as in --map text=COLUMN.",
            details={"source": source, "columns": names[:100]},
        )
    return names


def _record(names: list[str], cells: list[str]) -> dict[str, Any]:
    for cell in cells:
        if not cell.isascii() and any("\ud800" <= c <= "\udfff" for c in cell):
            raise FieldError("bad_utf8")
    record: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=False) if cell and name}
    if more := [cell for cell in cells[len(names) :] if cell]:
        record["more"] = more
    if (meta := record.get("meta")) and meta.lstrip().startswith("{"):
        try:
            record["meta"] = orjson.loads(meta)
        except orjson.JSONDecodeError as error:
            raise FieldError("field", f"meta is not JSON ({error.msg})") from error
    return record


def _raw(cells: list[str], delimiter: str) -> bytes:
    return delimiter.join(cells)[:1000].encode("utf-8", "surrogateescape")
