"""A recipe: one TOML file, one section a stage, checked against frozen dataclasses.

``--set section.key=value`` overrides a key; the value is TOML (``8``, ``true``, ``["a"]``), or else the text itself.
Precedence: defaults, the recipe, the stage's own flags, ``--set``. Paths are relative to the working directory.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bump_edge.errors import InputError, UsageError

T = TypeVar("T")


def check_ranges(config: Any, **ranges: tuple[float, float]) -> None:
    """Raise `UsageError` for the first field of `config` that lies outside its (lowest, highest)."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if not low <= value <= high:
            raise UsageError(f"{name} is {value}: expected {low:g} to {high:g}", details={"key": name})


def read_recipe(path: Path) -> dict[str, dict[str, Any]]:
    """The sections of a recipe as they are written.

    Raises:
        InputError: the file cannot be read.
        UsageError: it is no TOML, or has a key outside a section.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the recipe {path}: {error}; give a TOML file") from None
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise UsageError(f"{path} has the key {name!r} outside a section: expected [stage] and its keys below")
    return sections


def apply_overrides(
    sections: Mapping[str, Mapping[str, Any]], overrides: Sequence[str], schema: Mapping[str, type]
) -> dict[str, dict[str, Any]]:
    """`sections` with each ``section.key=value`` of `overrides` on top.

    Raises:
        UsageError: an override of another form.
    """
    merged = {name: dict(section) for name, section in sections.items()}
    for override in overrides:
        target, equals, text = override.partition("=")
        section, dot, key = target.strip().partition(".")
        if not (equals and dot and section and key):
            raise UsageError(f"--set {override!r}: expected section.key=value, as in evaluate.users=50")
        merged.setdefault(section, {})[key] = from_text(text, _hints(schema.get(section)).get(key))
    return merged


def from_text(text: str, hint: Any) -> Any:
    """The value that `text` means on the command line for a field of type `hint`; its type is checked by `build`."""
    text = text.strip()
    kinds = _alternatives(hint)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if (str in kinds or Path in kinds) and not isinstance(value, str):
        return text  # a path or a name that looks like a number
    if any(typing.get_origin(kind) is tuple for kind in kinds) and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def check_values(section: str, values: Mapping[str, Any], schema: type[Any]) -> dict[str, Any]:
    """`values` as the fields of `schema` want them; ranges are looked at when it is built.

    Raises:
        UsageError: an unknown key, a wrong type.
    """
    hints = _hints(schema)
    if unknown := sorted(values.keys() - hints.keys()):
        raise UsageError(
            f"[{section}] has no key {unknown[0]!r}: expected some of {', '.join(sorted(hints))}",
            details={"section": section, "key": unknown[0]},
        )
    return {key: _checked(f"{section}.{key}", value, hints[key]) for key, value in values.items()}


def build(section: str, values: Mapping[str, Any], schema: type[T]) -> T:
    """The dataclass `schema` with `values`, each of the right type.

    Raises:
        UsageError: an unknown key, a missing one, a wrong type, a value out of its range.
    """
    checked = check_values(section, values, schema)
    fields = dataclasses.fields(schema)  # type: ignore[arg-type]
    required = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in checked]:
        raise UsageError(f"[{section}] needs the key {missing[0]!r}", details={"section": section, "key": missing[0]})
    try:
        return schema(**checked)
    except UsageError as error:
        raise UsageError(f"[{section}] {error.message}", details=error.details) from None


def as_json(config: Any) -> dict[str, Any]:
    """A config as JSON-ready values."""
    return {
        key: str(value) if isinstance(value, Path) else list(map(str, value)) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(config).items()
    }


def _hints(schema: type | None) -> dict[str, Any]:
    return {} if schema is None else typing.get_type_hints(schema)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _checked(name: str, value: Any, hint: Any) -> Any:
    for kind in _alternatives(hint):
        if kind is Path and isinstance(value, str):
            return Path(value)
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if typing.get_origin(kind) is tuple and isinstance(value, list):
            inner = typing.get_args(kind)[0]
            return tuple(_checked(f"{name}[{i}]", entry, inner) for i, entry in enumerate(value))
        if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
    wanted = " or ".join(
        "path"
        if k is Path
        else "nothing"
        if k is type(None)
        else getattr(k, "__name__", str(k))
        if typing.get_origin(k) is None
        else f"list of {getattr(typing.get_args(k)[0], '__name__', '')}"
        for k in _alternatives(hint)
    )
    raise UsageError(f"{name} is {value!r}: expected {wanted}", details={"key": name})
