"""bump-edge: interaction logs go in, a short readable profile of their user comes out; the logs stay where they are.

    from bump_edge import Store, Profiler

    with Store() as store, Profiler(store) as profiler:
        store.ingest_file("logs.jsonl")
        print(profiler.profile().text)

Names are loaded when they are first used: importing the package loads no model runtime, no numpy, no command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bump_edge.lazy import loader
from bump_edge.version import __version__ as __version__

_HOME_OF = {
    "AsyncProfiler": "aio",
    "AsyncStore": "aio",
    "Backend": "backends.base",
    "BackendCrashedError": "errors",
    "BackendUnavailableError": "errors",
    "BumpEdgeError": "errors",
    "CancelledError": "errors",
    "Chunk": "backends.base",
    "Correction": "store",
    "Detector": "pii",
    "EmptyHistoryError": "errors",
    "EncryptionReport": "store.encryption",
    "Evidence": "types",
    "ExportReport": "store",
    "ExtractiveBackend": "backends.extractive",
    "ForgetPlan": "profiler.forget",
    "Generation": "backends.base",
    "GenerationError": "errors",
    "GenerationOptions": "backends.base",
    "HistoryStats": "types",
    "ImportReport": "store",
    "IngestReport": "store",
    "InputError": "errors",
    "Interaction": "types",
    "KeyUnavailableError": "errors",
    "LOCAL_USER": "types",
    "LeakReport": "audit",
    "MODES": "context",
    "ModelCorruptError": "errors",
    "ModelError": "errors",
    "ModelNotFoundError": "errors",
    "NoProfileError": "errors",
    "NotFoundError": "errors",
    "OnnxEncoder": "encoder",
    "PolicyError": "errors",
    "Profile": "types",
    "ProfileChangedError": "errors",
    "Profiler": "profiler",
    "ProfilerOptions": "profiler",
    "Prompt": "prompts",
    "Receipt": "profiler.forget",
    "ReleasePolicy": "settings",
    "ScriptedBackend": "backends.scripted",
    "SentenceDiff": "profiler.diff",
    "Settings": "settings",
    "Store": "store",
    "StoreCorruptError": "errors",
    "StoreError": "errors",
    "StoreLockedError": "errors",
    "StoreVersionError": "errors",
    "StoreWriteError": "errors",
    "UsageError": "errors",
    "UserSummary": "store",
    "block": "profiler.corrections",
    "build_messages": "context",
    "decrypt_store": "store.encryption",
    "diff": "profiler.diff",
    "edit": "profiler.corrections",
    "encrypt_store": "store.encryption",
    "follow": "profiler.watch",
    "forget": "profiler.forget",
    "generate": "backends.base",
    "open_encoder": "encoder",
    "open_model": "models",
    "pin": "profiler.corrections",
    "plan_forget": "profiler.forget",
    "recovery_key": "store.encryption",
    "release": "audit",
    "restore_key": "store.encryption",
    "rollback": "profiler.corrections",
    "rotate_key": "store.encryption",
    "unblock": "profiler.corrections",
    "unpin": "profiler.corrections",
}

if TYPE_CHECKING:
    from bump_edge.aio import AsyncProfiler, AsyncStore
    from bump_edge.audit import LeakReport, release
    from bump_edge.backends.base import Backend, Chunk, Generation, GenerationOptions, generate
    from bump_edge.backends.extractive import ExtractiveBackend
    from bump_edge.backends.scripted import ScriptedBackend
    from bump_edge.context import MODES, build_messages
    from bump_edge.encoder import OnnxEncoder, open_encoder
    from bump_edge.errors import (
        BackendCrashedError,
        BackendUnavailableError,
        BumpEdgeError,
        CancelledError,
        EmptyHistoryError,
        GenerationError,
        InputError,
        KeyUnavailableError,
        ModelCorruptError,
        ModelError,
        ModelNotFoundError,
        NoProfileError,
        NotFoundError,
        PolicyError,
        ProfileChangedError,
        StoreCorruptError,
        StoreError,
        StoreLockedError,
        StoreVersionError,
        StoreWriteError,
        UsageError,
    )
    from bump_edge.models import open_model
    from bump_edge.pii import Detector
    from bump_edge.profiler import Profiler, ProfilerOptions
    from bump_edge.profiler.corrections import block, edit, pin, rollback, unblock, unpin
    from bump_edge.profiler.diff import SentenceDiff, diff
    from bump_edge.profiler.forget import ForgetPlan, Receipt, forget, plan_forget
    from bump_edge.profiler.watch import follow
    from bump_edge.prompts import Prompt
    from bump_edge.settings import ReleasePolicy, Settings
    from bump_edge.store import Correction, ExportReport, ImportReport, IngestReport, Store, UserSummary
    from bump_edge.store.encryption import (
        EncryptionReport,
        decrypt_store,
        encrypt_store,
        recovery_key,
        restore_key,
        rotate_key,
    )
    from bump_edge.types import LOCAL_USER, Evidence, HistoryStats, Interaction, Profile

__all__ = [
    "LOCAL_USER",
    "MODES",
    "AsyncProfiler",
    "AsyncStore",
    "Backend",
    "BackendCrashedError",
    "BackendUnavailableError",
    "BumpEdgeError",
    "CancelledError",
    "Chunk",
    "Correction",
    "Detector",
    "EmptyHistoryError",
    "EncryptionReport",
    "Evidence",
    "ExportReport",
    "ExtractiveBackend",
    "ForgetPlan",
    "Generation",
    "GenerationError",
    "GenerationOptions",
    "HistoryStats",
    "ImportReport",
    "IngestReport",
    "InputError",
    "Interaction",
    "KeyUnavailableError",
    "LeakReport",
    "ModelCorruptError",
    "ModelError",
    "ModelNotFoundError",
    "NoProfileError",
    "NotFoundError",
    "OnnxEncoder",
    "PolicyError",
    "Profile",
    "ProfileChangedError",
    "Profiler",
    "ProfilerOptions",
    "Prompt",
    "Receipt",
    "ReleasePolicy",
    "ScriptedBackend",
    "SentenceDiff",
    "Settings",
    "Store",
    "StoreCorruptError",
    "StoreError",
    "StoreLockedError",
    "StoreVersionError",
    "StoreWriteError",
    "UsageError",
    "UserSummary",
    "block",
    "build_messages",
    "decrypt_store",
    "diff",
    "edit",
    "encrypt_store",
    "follow",
    "forget",
    "generate",
    "open_encoder",
    "open_model",
    "pin",
    "plan_forget",
    "recovery_key",
    "release",
    "restore_key",
    "rollback",
    "rotate_key",
    "unblock",
    "unpin",
]


__getattr__ = loader(__name__, _HOME_OF, globals())


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
