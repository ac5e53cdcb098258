"""What a model is asked about one user: from the store, what a person said, and the options, to a prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bump_edge.backends.base import Backend
from bump_edge.errors import EmptyHistoryError, UsageError
from bump_edge.profiler.options import ProfilerOptions
from bump_edge.profiler.plan import Readable, Update, plan_update
from bump_edge.profiler.selection import choose, select
from bump_edge.profiler.word import Embedder, Word
from bump_edge.prompts import LANGUAGES, Prompt
from bump_edge.store import Store
from bump_edge.text import guess_language
from bump_edge.types import Evidence

_CHAT_OVERHEAD = 96  # tokens that a chat format and the line of facts may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One user's prompt, and the state that it was made from."""

    user_id: str
    prompt: Prompt
    revision: int
    position: int
    word: Word
    pins: tuple[Evidence, ...]
    after: int  # the latest version, 0 without one
    update: Update | None = None
    drifted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """Makes tasks for the users of a store; see `Profiler` for the fields."""

    store: Store
    backend: Backend
    options: ProfilerOptions
    recipe: str
    embedder: Embedder | None = None

    def make(self, user_id: str, *, anew: bool) -> Task:
        """What the model will be asked about the user.

        Args:
            anew: write from the history, even where an update would do.

        Raises:
            NotFoundError: there is no such user.
            EmptyHistoryError: nothing is there, or nothing that may be read.
            UsageError: the model's context is too small.
        """
        # The position first: what is ingested while this runs is then new the next time.
        position, revision = self.store.position(user_id), self.store.revision(user_id)
        stats = self.store.stats(user_id)
        if stats.count == 0:
            raise EmptyHistoryError(
                f"user {user_id!r} has no interactions: ingest some before asking for a profile",
                details={"user_id": user_id},
            )
        options = self.options
        word = Word.of(self.store.corrections(user_id), embedder=self.embedder, similarity=options.similarity)
        standing = self.store.standing(user_id)
        task = Task(
            user_id=user_id,
            prompt=Prompt(interactions=(), stats=stats, max_words=options.max_words),
            revision=revision,
            position=position,
            word=word,
            pins=self._pins(user_id, word),
            after=0 if standing is None else standing.version,
        )
        update = None if anew else plan_update(self.store, user_id, self.recipe, options, word, stats)
        if update is None:
            # The language says how the system text reads, and the system text takes tokens: guess before selecting.
            bare = replace(task.prompt, language=options.language or self._language(user_id))
        else:
            text = " ".join(e.sentence for e in update.kept)
            bare = replace(task.prompt, language=update.previous.language, profile=text)
        room = (
            self.backend.context_tokens
            - options.generation.max_tokens
            - self.backend.count_tokens(bare.system)
            - self.backend.count_tokens(bare.profile or "")
            - _CHAT_OVERHEAD
        )
        if room < 64:
            raise UsageError(
                f"the model {self.backend.model!r} has a context of {self.backend.context_tokens} tokens, of which "
                f"{room} are left for the history: expected at least 64; lower max_tokens or take another model",
                details={"context_tokens": self.backend.context_tokens, "room": room},
            )
        most = min(options.max_interactions, self.backend.max_interactions or options.max_interactions)
        if update is None:
            selection = select(
                Readable(self.store, word),
                user_id,
                budget=min(room, options.prompt_tokens),
                count_tokens=self.backend.count_tokens,
                max_interactions=most,
            )
            if not selection:
                raise EmptyHistoryError(
                    f"all that user {user_id!r} has in the history is blocked: take a block back to have a profile",
                    details={"user_id": user_id},
                )
        else:
            selection = choose(
                # where all that is new is blocked, the model sees what the profile rests on
                update.new or [i for e in update.kept for i in e.interactions][-3:],
                budget=min(room, options.update_tokens),
                count_tokens=self.backend.count_tokens,
                max_interactions=most,
                render=bare.render,
            )
        return replace(task, prompt=replace(bare, interactions=selection), update=update)

    def _pins(self, user_id: str, word: Word) -> tuple[Evidence, ...]:
        """The confirmed sentences, with the evidence that the latest profile has for them."""
        if not word.pins:
            return ()
        known: dict[str, Evidence] = {}
        if self.store.standing(user_id) is not None:
            known = {e.sentence: e for e in self.store.profile(user_id).evidence}
        return tuple(
            Evidence(
                sentence=pin,
                interactions=tuple(word.readable(known[pin].interactions)) if pin in known else (),
                confirmed=True,
            )
            for pin in word.pins
        )

    def _language(self, user_id: str) -> str:
        own_words = [i.text for i in self.store.history(user_id, limit=60, newest=True) if i.text]
        language = guess_language(own_words)
        return language if language in LANGUAGES else "en"
