"""Where things lie and what the defaults are: flag, then environment, then config file, then default.

The config file is ``config.toml`` in the user's configuration directory (or ``$BUMP_EDGE_HOME``), with the keys of
`Settings`. Nothing here creates a file or a directory.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from bump_edge.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleasePolicy:
    """What a profile must not hold when it leaves the store; `bump_edge.audit.release` holds it to that.

    Args:
        max_verbatim: the longest run of words that it may share with a raw record, names of items apart; ≥ 0. None
            for any. With it, no raw record leaves either: no retrieved interaction, no history.
        no_pii: no personal data that `bump_edge.pii` finds, in whatever leaves.

    Under either, evidence leaves as ids, without the records' texts.

    Raises:
        UsageError: `max_verbatim` is below 0.
    """

    max_verbatim: int | None = None
    no_pii: bool = False

    def __post_init__(self) -> None:
        if self.max_verbatim is not None and self.max_verbatim < 0:
            raise UsageError(
                f"max_verbatim is {self.max_verbatim}: expected a number of words, 0 or more",
                details={"option": "max_verbatim"},
            )

    def __bool__(self) -> bool:
        """Whether anything is refused at all."""
        return self.max_verbatim is not None or self.no_pii

    def as_dict(self) -> dict[str, Any]:
        """The policy as JSON-ready values."""
        return {"max_verbatim": self.max_verbatim, "no_pii": self.no_pii}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Resolved settings.

    Args:
        home: data directory: the default store and the models that were added.
        db: the store.
        model: name or path of the model; None where none is named: then `bump_edge.models` opens the model that the
            package carries, or, where it carries none or it does not open, the extractive backend.
        json: whether commands print JSON.
        policy: what a profile that a command hands out must not hold.
        embedder: name or path of a sentence encoder, by which blocked and forgotten topics are recognised in other
            words too; None for none.
        similarity: cosine from which on a text is about a topic, with an embedder; 0 to 1; None for the default, which
            was measured for MiniLM. Other encoders need another.
    """

    home: Path
    db: Path
    model: str | None
    json: bool
    policy: ReleasePolicy = ReleasePolicy()
    embedder: str | None = None
    similarity: float | None = None

    @property
    def models(self) -> Path:
        """Where added models lie."""
        return self.home / "models"


def config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """The path of the config file; it need not exist."""
    home = environment.get("BUMP_EDGE_HOME")
    return (Path(home).expanduser() if home else Path(platformdirs.user_config_dir("bump-edge"))) / "config.toml"


def load_key(environment: Mapping[str, str] = os.environ, name: str = "BUMP_EDGE_KEY") -> str | None:
    """The key of the store from the environment; never from the config file, which would lie beside the store."""
    return environment.get(name) or None


def load(
    *,
    db: Path | None = None,
    model: str | None = None,
    json: bool | None = None,
    max_verbatim: int | None = None,
    no_pii: bool | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Resolve the settings; an argument that is not None wins over the environment, the config file and the default.

    Raises:
        UsageError: the config file is not TOML, has an unknown key, or a value of the wrong kind; so has the
            environment; a similarity that is no number from 0 to 1.
    """
    file = _read_config(config_file(environment))
    home = Path(
        str(environment.get("BUMP_EDGE_HOME") or file.get("home") or platformdirs.user_data_dir("bump-edge"))
    ).expanduser()
    chosen_db = str(db or environment.get("BUMP_EDGE_DB") or file.get("db") or home / "bump-edge.db")
    chosen_json = json if json is not None else _truth(environment.get("BUMP_EDGE_JSON") or file.get("json") or False)
    return Settings(
        home=home,
        db=Path(chosen_db).expanduser(),
        model=model or environment.get("BUMP_EDGE_MODEL") or str(file.get("model") or "") or None,
        json=chosen_json,
        policy=ReleasePolicy(
            max_verbatim=_words(environment, file) if max_verbatim is None else max_verbatim,
            no_pii=_truth(environment.get("BUMP_EDGE_NO_PII") or file.get("no_pii") or False)
            if no_pii is None
            else no_pii,
        ),
        embedder=environment.get("BUMP_EDGE_EMBEDDER") or str(file.get("embedder") or "") or None,
        similarity=_share(environment.get("BUMP_EDGE_SIMILARITY") or file.get("similarity")),
    )


def _words(environment: Mapping[str, str], file: Mapping[str, str | bool | float]) -> int | None:
    given = environment.get("BUMP_EDGE_MAX_VERBATIM")
    if not given:
        found = file.get("max_verbatim")
        return None if found is None else int(found)
    try:
        return int(given)
    except ValueError:
        raise UsageError(f"BUMP_EDGE_MAX_VERBATIM is {given!r}: expected a number of words, 0 or more") from None


def _read_config(path: Path) -> dict[str, str | bool | float]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}. Mend or remove it.") from error
    kinds: dict[str, type] = {
        "home": str, "db": str, "model": str, "json": bool, "max_verbatim": int, "no_pii": bool, "embedder": str,
        "similarity": float,
    }  # fmt: skip
    for key, value in content.items():
        if key not in kinds:
            raise UsageError(f"{path} has the unknown key {key!r}: expected some of {', '.join(kinds)}")
        if type(value) is not kinds[key]:  # a truth is an int to isinstance
            raise UsageError(f"{path}: {key} is {value!r}: expected a {kinds[key].__name__}")
    return content


def _share(value: str | bool | float | None) -> float | None:
    if value is None:
        return None
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(
            f"the similarity is {value!r}: expected a number from 0 to 1", details={"option": "similarity"}
        )
    return share


def _truth(value: str | bool | float) -> bool:
    if not isinstance(value, str):
        return bool(value)
    return value.strip().lower() not in ("", "0", "false", "no", "off")
