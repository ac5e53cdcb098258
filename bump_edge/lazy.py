"""Public names that are loaded when they are first used, so that importing a package stays light."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any


def loader(package: str, home_of: Mapping[str, str], names: MutableMapping[str, Any]) -> Callable[[str], Any]:
    """A package's ``__getattr__``.

    Args:
        package: its name.
        home_of: public name → the module below the package that it lives in.
        names: the package's globals, where a name stays once it was loaded.
    """

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        names[name] = value
        return value

    return load
