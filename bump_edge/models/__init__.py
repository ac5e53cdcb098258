"""The models' room: which models there are, adding and checking them, and opening one."""

from typing import TYPE_CHECKING, Any

from bump_edge.models.manifest import ModelManifest
from bump_edge.models.opening import open_model, open_writer
from bump_edge.models.registry import ModelSpec, bundled, list_models, remove, resolve, verify

if TYPE_CHECKING:
    from bump_edge.models.adding import add

__all__ = [
    "ModelManifest",
    "ModelSpec",
    "add",
    "bundled",
    "list_models",
    "open_model",
    "open_writer",
    "remove",
    "resolve",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load `add` when it is first used: only adding a model needs what copies, and what may fetch."""
    if name != "add":
        raise AttributeError(f"module 'bump_edge.models' has no attribute {name!r}")
    from bump_edge.models.adding import add

    return add
