"""From a history to a stored profile: plan, select, prompt, generate, check, save.

history, or profile so far + what is new ─select→ Prompt ─backend→ text ─check→ sentences with evidence ─save→ Profile
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from bump_edge.backends.base import Backend, Generation, GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.errors import (
    BumpEdgeError,
    CancelledError,
    NoProfileError,
    ProfileChangedError,
)
from bump_edge.models import open_writer
from bump_edge.models.stand_in import StandIn
from bump_edge.profiler.options import CHECKS_VERSION, ProfilerOptions
from bump_edge.prompts import TEMPLATE, Prompt, template_fingerprint
from bump_edge.settings import load
from bump_edge.store import ProfileDraft, Store
from bump_edge.types import LOCAL_USER, Interaction, Profile
from bump_edge.version import __version__

if TYPE_CHECKING:
    from bump_edge.profiler.checks import Checked
    from bump_edge.profiler.plan import Update
    from bump_edge.profiler.task import Task, Tasks
    from bump_edge.profiler.word import Embedder

_GROUP = 64  # users whose profiles are saved in one transaction
_AHEAD = 512  # users of whom is asked at a time whether their profiles are up to date
_ATTEMPTS = 5  # to save a profile that others write too


class Profiler:
    """Writes the profiles of a store's users with one model.

    Args:
        store: where the histories are and the profiles go.
        backend: an open backend, or a model's name or path (``extractive``, ``smollm2``, ``./model.gguf``), or None
            for the model of the settings: where they name none, the one that the package carries, or, where it carries
            none or it does not open and `ProfilerOptions.fallback` is on, the extractive backend. A backend that the
            profiler opened is closed with it.
        options: settings; the defaults are the product's.
        embedder: texts → vectors; with it, blocked topics are recognised in other words too. What its `fingerprint`
            returns, if it has one as `OnnxEncoder` does, is part of a profile's manifest.

    Raises:
        ModelError: the model does not exist or does not open.
    """

    def __init__(
        self,
        store: Store,
        backend: Backend | str | None = None,
        *,
        options: ProfilerOptions | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.store = store
        self.options = options or ProfilerOptions()
        self._owns_backend = backend is None or isinstance(backend, str)
        if backend is None or isinstance(backend, str):
            backend = open_writer(load(model=backend), fallback=self.options.fallback)
        self.backend: Backend = backend
        self._spare: ExtractiveBackend | None = None
        self._fingerprint = dict(self.backend.fingerprint())
        self._embedder = embedder
        self._embedder_fingerprint = dict(getattr(embedder, "fingerprint", dict)())
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
                drafts = self._draft_group([u for u in dict.fromkeys(group) if u in stale], cancel, failed, anew=force)
                stale.difference_update(group)  # who is named twice is written once
                self._save(drafts, cancel, failed, anew=force)
                for user_id, error in failed.items():
                    if on_error is None:
                        raise error
                    on_error(user_id, error)
                yield from self.store.profiles([u for u in group if u not in failed])

    @cached_property
    def _tasks(self) -> Tasks:
        # Here, as in `_check`: most runs find every profile up to date and write none.
        from bump_edge.profiler.task import Tasks

        return Tasks(
            store=self.store,
            backend=self.backend,
            options=self.options,
            recipe=self.recipe,
            embedder=self._embedder,
        )

    def prompt(self, user_id: str = LOCAL_USER) -> Prompt:
        """The prompt that a profile of this user is written from: what the model will read, and nothing else.

        Raises:
            NotFoundError: the store has no such user.
            EmptyHistoryError: the user has no interaction left.
        """
        return self._tasks.make(user_id, anew=True).prompt

    def _draft_group(
        self,
        user_ids: list[str],
        cancel: threading.Event | None,
        failed: dict[str, BumpEdgeError],
        *,
        anew: bool,
    ) -> list[ProfileDraft]:
        drafts: list[ProfileDraft] = []
        size = max(1, self.backend.batch_size)
        for start in range(0, len(user_ids), size):
            tasks: list[Task] = []
            for user_id in user_ids[start : start + size]:
                try:
                    tasks.append(self._tasks.make(user_id, anew=anew))
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

    def _save(
        self,
        drafts: list[ProfileDraft],
        cancel: threading.Event | None,
        failed: dict[str, BumpEdgeError],
        *,
        anew: bool,
    ) -> None:
        """Save all in one transaction; where somebody was quicker, user by user, on what is there by then."""
        try:
            if drafts:
                self.store.save_profiles(drafts)
            return
        except ProfileChangedError:
            pass
        for draft in drafts:
            for attempt in range(_ATTEMPTS):
                try:
                    self.store.save_profiles([draft])
                    break
                except ProfileChangedError as error:
                    if not anew and not self.store.stale([draft.user_id], self.recipe):
                        break
                    if attempt == _ATTEMPTS - 1:
                        failed[draft.user_id] = error
                        break
                    again = self._draft_group([draft.user_id], cancel, failed, anew=anew)
                    if not again:
                        break
                    (draft,) = again

    def _finish(self, task: Task, written: Generation, options: GenerationOptions) -> ProfileDraft:
        prompt, settings = task.prompt, self.options
        checked = self._check(written, task)
        if task.update is not None and _drifted(task.update, checked, settings.drift):
            task = self._tasks.make(task.user_id, anew=True)
            (written,) = generate(self.backend, [task.prompt], options)
            task = replace(task, drifted=True)
            prompt, checked = task.prompt, self._check(written, task)
        model, fallback = self.backend.model, self._stood_in()
        wrote_nothing = all(e.confirmed for e in checked.evidence)
        if wrote_nothing and settings.fallback and self.backend.name != "extractive":
            fallback = {"requested": model, "dropped": dict(checked.dropped)}
            self._spare = self._spare or ExtractiveBackend()
            model = self._spare.model
            (written,) = generate(self._spare, [prompt], options)
            checked = self._check(written, task)
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
            position=task.position,
            origin="write" if task.update is None else "update",
            updates=0 if task.update is None else task.update.updates,
            confirmed=frozenset(e.sentence for e in checked.evidence if e.confirmed),
            after=task.after,
        )

    def _stood_in(self) -> dict[str, Any] | None:
        if not isinstance(self.backend, StandIn):
            return None
        # by its code: the message names the folder where bump-edge lies, which is nobody's business in an export
        return {"requested": self.backend.requested, "error": self.backend.error.code}

    def _check(self, written: Generation, task: Task) -> Checked:
        from bump_edge.profiler.checks import check

        prompt, standing = task.prompt, task.pins
        if task.update is not None:
            standing += tuple(e for e in task.update.kept if not e.confirmed)
            # What the old sentences rest on is evidence as well as what is new.
            earlier = {i.digest: i for e in standing for i in e.interactions}
            known = {i.digest for i in prompt.interactions}
            older = sorted((i for d, i in earlier.items() if d not in known), key=_when)
            prompt = replace(prompt, interactions=(*older, *prompt.interactions))
        return check(
            written.text,
            prompt,
            finished=written.finish == "stop",
            min_coverage=self.options.min_coverage,
            max_evidence=self.options.max_evidence,
            standing=standing,
            refuses=task.word.refuses,
            trims=True,
        )

    def _manifest(
        self, task: Task, written: Generation, checked: Checked, fallback: Mapping[str, Any] | None
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
                "trimmed": checked.trimmed,
            },
        }
        if self._embedder_fingerprint:
            manifest["embedder"] = self._embedder_fingerprint
        if task.update is not None:
            update, texts = task.update, {e.sentence for e in checked.evidence}
            old = [e.sentence for e in update.previous.evidence]
            # by position, not by text: what is forgotten later must not live on here
            manifest["update"] = {
                "from": update.previous.version,
                "new": update.count,
                "kept": sum(sentence in texts for sentence in old),
                "faded": list(update.faded),
                "refused": list(update.refused),
            }
        if task.drifted:
            manifest["drifted"] = True
        if fallback is not None:
            manifest["fallback"] = fallback
        return manifest

    def _recipe(self) -> str:
        """A hash of all that a profile depends on beside the history: another recipe makes a profile stale."""
        parts = {
            "template": template_fingerprint(),
            "checks": CHECKS_VERSION,
            "backend": self.backend.name,
            "model": self._fingerprint,
            "options": self.options.as_dict(),
        }
        if self._embedder_fingerprint:
            parts["embedder"] = self._embedder_fingerprint
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _drifted(update: Update, checked: Checked, drift: float) -> bool:
    """Whether too little of the old profile is left: then its remains are no base for the next."""
    texts = {e.sentence for e in checked.evidence}
    kept = sum(e.sentence in texts for e in update.previous.evidence)
    return kept < (1 - drift) * len(update.previous.evidence)


def _when(interaction: Interaction) -> float:
    return 0.0 if interaction.timestamp is None else interaction.timestamp.timestamp()


def _digest(selection: Iterable[Interaction]) -> str:
    return hashlib.sha256(b"".join(i.digest for i in selection)).hexdigest()


def _counts(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "no sentence at all"
