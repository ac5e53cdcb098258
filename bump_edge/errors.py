"""Every error that bump-edge raises on purpose.

    BumpEdgeError                    1  (the exit code of the command line)
    ├── UsageError                   2  an argument or setting makes no sense
    ├── InputError                   1  a history cannot be read (or, with --strict, one of its lines)
    │   └── EmptyHistoryError        1  a history has no usable interaction
    ├── NotFoundError                3  no such user, profile, version or interaction
    ├── StoreError                   1  the store cannot be used
    │   ├── StoreLockedError         4  another process holds it for longer than the timeout
    │   ├── StoreVersionError        1  written by a newer bump-edge
    │   ├── ProfileChangedError      1  what a profile rests on changed meanwhile
    │   ├── StoreCorruptError        1  not a bump-edge store, or damaged
    │   └── StoreWriteError          1  read-only or full disk
    ├── ModelError                   5  no model that can write
    │   ├── ModelNotFoundError       5  the name or path leads nowhere
    │   ├── ModelCorruptError        5  files are missing, truncated, or not what their manifest says
    │   └── BackendUnavailableError  5  the backend's package is not installed or does not run here
    ├── GenerationError              1  a model ran and failed
    │   ├── BackendCrashedError      1  the process that ran the model died
    │   └── NoProfileError           1  nothing that was written passed the checks
    ├── KeyUnavailableError          6  no key, or the wrong one, for an encrypted store
    ├── PolicyError                  7  a policy refused
    └── CancelledError             130  the caller asked to stop

A message says what was got, what was expected, and what to do. `details` holds the same facts for programs and
becomes `{"error": {"code", "message", "details"}}` under ``--json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class BumpEdgeError(Exception):
    """Base of every error in this module.

    Args:
        message: what was got, what was expected, what to do.
        details: the same facts as JSON-ready values.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})

    def as_dict(self) -> dict[str, Any]:
        """The error as the command line prints it with ``--json``."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class UsageError(BumpEdgeError):
    """An argument or a setting makes no sense."""

    code = "usage"
    exit_code = 2


class InputError(BumpEdgeError):
    """A history cannot be read, or, in strict mode, one of its lines."""

    code = "input"


class EmptyHistoryError(InputError):
    """A history holds no usable interaction."""

    code = "empty_history"


class NotFoundError(BumpEdgeError):
    """No such user, profile, version or interaction."""

    code = "not_found"
    exit_code = 3


class StoreError(BumpEdgeError):
    """The store cannot be used."""

    code = "store"


class StoreLockedError(StoreError):
    """Another process held the store for longer than the timeout."""

    code = "store_locked"
    exit_code = 4


class StoreVersionError(StoreError):
    """The store was written by a newer bump-edge."""

    code = "store_version"


class ProfileChangedError(StoreError):
    """What a profile rests on changed meanwhile: another version was written, or interactions are gone."""

    code = "profile_changed"


class StoreCorruptError(StoreError):
    """The file is no bump-edge store, or is damaged."""

    code = "store_corrupt"


class StoreWriteError(StoreError):
    """The store cannot be written: a read-only or full disk."""

    code = "store_write"


class ModelError(BumpEdgeError):
    """No model that can write a profile."""

    code = "model"
    exit_code = 5


class ModelNotFoundError(ModelError):
    """A model's name or path leads nowhere."""

    code = "model_not_found"


class ModelCorruptError(ModelError):
    """A model's files are missing, truncated, or not what its manifest says."""

    code = "model_corrupt"


class BackendUnavailableError(ModelError):
    """A backend's package is not installed, or does not run on this machine."""

    code = "backend_unavailable"


class GenerationError(BumpEdgeError):
    """A model was loaded, ran and failed."""

    code = "generation"


class BackendCrashedError(GenerationError):
    """The process that ran the model died; the host process lives on."""

    code = "backend_crashed"


class NoProfileError(GenerationError):
    """Nothing that the model wrote passed the checks."""

    code = "no_profile"


class KeyUnavailableError(BumpEdgeError):
    """There is no key, or the wrong one, for an encrypted store."""

    code = "key"
    exit_code = 6


class PolicyError(BumpEdgeError):
    """A policy refused to go on."""

    code = "policy"
    exit_code = 7


class CancelledError(BumpEdgeError):
    """The caller asked to stop."""

    code = "cancelled"
    exit_code = 130
