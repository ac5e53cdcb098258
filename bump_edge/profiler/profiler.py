"""From a history to a stored profile: select, prompt, generate, check, save.

history ─select→ Prompt ─backend→ text ─check→ sentences with evidence ─save→ Profile
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import orjson

from bump_edge.backends.base import Backend, Generation, GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.errors import BumpEdgeError, CancelledError, EmptyHistoryError, NoProfileError, UsageError
from bump_edge.models import open_model
from bump_edge.profiler.checks import Checked, check
from bump_edge.profiler.options import ProfilerOptions
from bump_edge.profiler.selection import select
from bump_edge.prompts import LANGUAGES, TEMPLATE, Prompt, template_fingerprint
from bump_edge.settings import load
from bump_edge.store import ProfileDraft, Store
from bump_edge.text import guess_language
from bump_edge.types import LOCAL_USER, Interaction, Profile
from bump_edge.version import __version__

_GROUP = 64  # users whose profiles are saved in one transaction
_AHEAD = 512  # users of whom is asked at a time whether their profiles are up to date
_CHAT_OVERHEAD = 96  # tokens that a chat format and the line of facts may take


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """One user's prompt, and the revision of the history that it was made from."""

    user_id: str
    prompt: Prompt
    revision: int


class Profiler:
    """Writes the profiles of a store's users with one model.

    Args:
        store: where the histories are and the profiles go.
        backend: an open backend, or a model's name or path (``extractive``, ``smollm2``, ``./model.gguf``), or None
            for the model of the settings. A backend that the profiler opened is closed with it.
        options: settings; the defaults are the product's.

    Raises:
        ModelError: the model does not exist or does not open.
    """

    def __init__(
        self, store: Store, backend: Backend | str | None = None, *, options: ProfilerOptions | None = None
    ) -> None:
        self.store = store
        self.options = options or ProfilerOptions()
        self._owns_backend = backend is None or isinstance(backend, str)
        if backend is None or isinstance(backend, str):
            settings = load(model=backend)
            backend = open_model(settings.model, settings)
        self.backend: Backend = backend
        self._spare: ExtractiveBackend | None = None
        self._fingerprint = dict(self.backend.fingerprint())
        self.recipe = self._recipe()

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model if the profiler opened it; a backend that was handed in stays open."""
        if self._owns_backend:
            self.backend.close()

    def profile(
        self, user_id: str = LOCAL_USER, *, force: bool = False, cancel: threading.Event | None = None
    ) -> Profile:
        """The user's profile, written if the history, the model or the settings changed since the last one.

        Args:
            user_id: whose.
            force: write a new version even if nothing changed.
            cancel: when set, the work stops with `CancelledError` and nothing is stored.

        Raises:
            NotFoundError: the store has no such user.
            EmptyHistoryError: the user has no interaction left.
            NoProfileError: nothing that was written passed the checks.
            GenerationError: the model failed.
            CancelledError: `cancel` was set.
        """
        return next(self.profile_many([user_id], force=force, cancel=cancel))

    def profile_many(
        self,
        user_ids: Iterable[str],
        *,
        force: bool = False,
        cancel: threading.Event | None = None,
        on_error: Callable[[str, BumpEdgeError], None] | None = None,
    ) -> Iterator[Profile]:
        """The profiles of many users, in their order; those that are up to date are read, not written again.

        Users are worked on in groups, in batches where the backend can, and each group is stored before its
        profiles are yielded: what was yielded is safe.

        Args:
            user_ids: whose; read a group at a time.
            force, cancel: see `profile`.
            on_error: called with a user whose profile could not be written, and why; without it, the error is raised.
        """
        pending = iter(user_ids)
        while ahead := list(islice(pending, _AHEAD)):
            stale = set(ahead if force else self.store.stale(ahead, self.recipe))
            size = _GROUP if stale else _AHEAD  # where nothing is to be written, nothing can be lost
            for start in range(0, len(ahead), size):
                group = ahead[start : start + size]
                failed: dict[str, BumpEdgeError] = {}
                drafts = self._draft_group([u for u in dict.fromkeys(group) if u in stale], cancel, failed)
                stale.difference_update(group)  # who is named twice is written once
                if drafts:
                    self.store.save_profiles(drafts)
                for user_id, error in failed.items():
                    if on_error is None:
                        raise error
                    on_error(user_id, error)
                yield from self.store.profiles([u for u in group if u not in failed])

    def prompt(self, user_id: str = LOCAL_USER) -> Prompt:
        """The prompt that a profile of this user is written from: what the model will read, and nothing else.

        Raises:
            NotFoundError: the store has no such user.
            EmptyHistoryError: the user has no interaction left.
        """
        return self._task(user_id).prompt

    def _draft_group(
        self, user_ids: list[str], cancel: threading.Event | None, failed: dict[str, BumpEdgeError]
    ) -> list[ProfileDraft]:
        drafts: list[ProfileDraft] = []
        size = max(1, self.backend.batch_size)
        for start in range(0, len(user_ids), size):
            tasks: list[_Task] = []
            for user_id in user_ids[start : start + size]:
                try:
                    tasks.append(self._task(user_id))
                except BumpEdgeError as error:
                    failed[user_id] = error
            options = replace(self.options.generation, cancel=cancel)
            options.check_cancelled()
            for task, written in zip(tasks, generate(self.backend, [t.prompt for t in tasks], options), strict=True):
                try:
                    drafts.append(self._finish(task, written, options))
                except CancelledError:
                    raise
                except BumpEdgeError as error:
                    failed[task.user_id] = error
        return drafts

    def _task(self, user_id: str) -> _Task:
        revision = self.store.revision(user_id)
        stats = self.store.stats(user_id)
        if stats.count == 0:
            raise EmptyHistoryError(
                f"user {user_id!r} has no interactions: ingest some before asking for a profile",
                details={"user_id": user_id},
            )
        options = self.options
        # The language says how the system text reads, and the system text takes tokens: guess before selecting.
        language = options.language or self._language(user_id)
        bare = Prompt(interactions=(), stats=stats, language=language, max_words=options.max_words)
        room = (
            self.backend.context_tokens
            - options.generation.max_tokens
            - self.backend.count_tokens(bare.system)
            - _CHAT_OVERHEAD
        )
        if room < 64:
            raise UsageError(
                f"the model {self.backend.model!r} has a context of {self.backend.context_tokens} tokens, of which "
                f"{room} are left for the history: expected at least 64; lower max_tokens or take another model",
                details={"context_tokens": self.backend.context_tokens, "room": room},
            )
        selection = select(
            self.store,
            user_id,
            budget=min(room, options.prompt_tokens),
            count_tokens=self.backend.count_tokens,
            max_interactions=options.max_interactions,
        )
        return _Task(user_id=user_id, prompt=replace(bare, interactions=selection), revision=revision)

    def _language(self, user_id: str) -> str:
        own_words = [i.text for i in self.store.history(user_id, limit=60, newest=True) if i.text]
        language = guess_language(own_words)
        return language if language in LANGUAGES else "en"

    def _finish(self, task: _Task, written: Generation, options: GenerationOptions) -> ProfileDraft:
        prompt, settings = task.prompt, self.options
        checked = self._check(written, prompt)
        model, fallback = self.backend.model, None
        if not checked.evidence and settings.fallback and self.backend.name != "extractive":
            fallback = {"requested": model, "dropped": dict(checked.dropped)}
            self._spare = self._spare or ExtractiveBackend()
            model = self._spare.model
            (written,) = generate(self._spare, [prompt], options)
            checked = self._check(written, prompt)
        if not checked.evidence:
            raise NoProfileError(
                f"{model!r} wrote {checked.written} sentences about user {task.user_id!r}, none of which may be "
                f"stored ({_counts(checked.dropped)}); take another model, or leave the fallback on",
                details={"user_id": task.user_id, "written": checked.written, "dropped": dict(checked.dropped)},
            )
        return ProfileDraft(
            user_id=task.user_id,
            text=checked.text,
            model=model,
            language=prompt.language,
            evidence=tuple((e.sentence, tuple(i.id for i in e.interactions)) for e in checked.evidence),
            manifest=self._manifest(task, written, checked, fallback),
            recipe=self.recipe,
            revision=task.revision,
        )

    def _check(self, written: Generation, prompt: Prompt) -> Checked:
        return check(
            written.text,
            prompt,
            finished=written.finish == "stop",
            min_coverage=self.options.min_coverage,
            max_evidence=self.options.max_evidence,
        )

    def _manifest(
        self, task: _Task, written: Generation, checked: Checked, fallback: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        selection = task.prompt.interactions
        manifest: dict[str, Any] = {
            "bump_edge": __version__,
            "template": TEMPLATE,
            "template_sha256": template_fingerprint(),
            "backend": self.backend.name,
            "model": self._fingerprint,
            "options": self.options.as_dict(),
            "recipe": self.recipe,
            "history": {
                "interactions": task.prompt.stats.count,
                "revision": task.revision,
                "selected": len(selection),
                "selection_sha256": _digest(selection),
            },
            "tokens": {
                "prompt": written.prompt_tokens,
                "reused": written.reused_tokens,
                "generated": written.tokens,
            },
            "checks": {
                "written": checked.written,
                "kept": len(checked.evidence),
                "dropped": dict(sorted(checked.dropped.items())),
            },
        }
        if fallback is not None:
            manifest["fallback"] = fallback
        return manifest

    def _recipe(self) -> str:
        """A hash of all that a profile depends on beside the history: another recipe makes a profile stale."""
        parts = {
            "template": template_fingerprint(),
            "backend": self.backend.name,
            "model": self._fingerprint,
            "options": self.options.as_dict(),
        }
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _digest(selection: Iterable[Interaction]) -> str:
    return hashlib.sha256(b"".join(i.digest for i in selection)).hexdigest()


def _counts(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "no sentence at all"
