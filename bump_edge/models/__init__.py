"""The models' room: which models there are, adding and checking them, and opening one."""

from bump_edge.models.adding import add
from bump_edge.models.manifest import ModelManifest
from bump_edge.models.opening import open_model
from bump_edge.models.registry import ModelSpec, list_models, remove, resolve, verify

__all__ = ["ModelManifest", "ModelSpec", "add", "list_models", "open_model", "remove", "resolve", "verify"]
