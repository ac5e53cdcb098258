"""Handing a profile to any language model: a ready system and user message, in four modes.

The modes are the baselines and the method of the literature: nothing, the raw history, the profile, the profile with a
few retrieved interactions (Richardson et al. 2023). `none` and `profile` send no raw record anywhere.
"""

from __future__ import annotations

from typing import Literal, get_args

from bump_edge.audit import check_text, release
from bump_edge.errors import UsageError
from bump_edge.profile_block import CLOSE_TAG, FOUND_TITLE, HISTORY_TITLE, OPEN_TAG, PREAMBLE, PROFILE_TITLE
from bump_edge.profiler.options import SIMILARITY
from bump_edge.profiler.plan import Readable
from bump_edge.profiler.selection import select
from bump_edge.profiler.word import Embedder, Word
from bump_edge.prompts import neutralise, render_interaction
from bump_edge.settings import ReleasePolicy
from bump_edge.store import Store
from bump_edge.text import words
from bump_edge.types import LOCAL_USER, Interaction

Mode = Literal["none", "history", "profile", "profile+retrieved"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""What a prompt may carry about its user."""

_BASE = "You are a helpful assistant."


def build_messages(
    store: Store,
    query: str,
    *,
    user_id: str = LOCAL_USER,
    mode: Mode = "profile",
    system: str | None = None,
    retrieved: int = 5,
    history_tokens: int = 2000,
    policy: ReleasePolicy | None = None,
    embedder: Embedder | None = None,
    similarity: float = SIMILARITY,
) -> list[dict[str, str]]:
    """Chat messages that put a user's question to a model together with what the store knows about the user.

    Args:
        store: where the profile and the history are.
        query: the user's message.
        user_id: whose.
        mode: one of `MODES`.
        system: the app's own system text, which the block follows; None takes a neutral one.
        retrieved: interactions retrieved by BM25 for `query` in mode ``profile+retrieved``; ≥ 1.
        history_tokens: budget of the interactions in mode ``history``, in words; ≥ 16.
        policy: what the messages must not hold of the user; None for anything.
        embedder, similarity: see `ProfilerOptions`; with an embedder, a blocked topic is recognised in other words too.

    Returns:
        `[{"role": "system", "content"}, {"role": "user", "content"}]`.

    Raises:
        UsageError: an unknown mode, or an empty query.
        NotFoundError: no such user, or no profile yet.
        PolicyError: `policy` refuses.
    """
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}: expected one of {', '.join(MODES)}", details={"option": "mode"})
    if not query.strip():
        raise UsageError("the query is empty: expected the user's message")
    if retrieved < 1 or history_tokens < 16:
        raise UsageError(f"retrieved is {retrieved}, history_tokens {history_tokens}: expected at least 1 and 16")
    # What a person blocked is handed to nobody, from the moment on that they say so.
    word = Word() if mode == "none" else Word.of(store.corrections(user_id), embedder=embedder, similarity=similarity)
    blocks: list[str] = []
    policy = policy or ReleasePolicy()
    if mode in ("history", "profile+retrieved"):
        check_text("", policy, raw=True, what=f"mode {mode}")
    if mode == "history":
        readable = Readable(store, word)
        chosen = select(readable, user_id, budget=history_tokens, count_tokens=lambda t: len(words(t)))
        blocks.append(_lines(HISTORY_TITLE, chosen))
    if mode in ("profile", "profile+retrieved"):
        profile = store.profile(user_id)
        release(store, profile, policy)
        said = [e.sentence for e in profile.evidence if e.confirmed or not word.refuses(e.sentence)]
        blocks.append(PROFILE_TITLE + neutralise(" ".join(said)))
    if mode == "profile+retrieved" and (
        found := word.readable(store.search(user_id, query, limit=retrieved * (4 if word.blocks else 1)))[:retrieved]
    ):
        blocks.append(_lines(FOUND_TITLE, found))
    check_text("\n".join(blocks), policy, raw=False, what=f"mode {mode}")
    return _messages(query, blocks, system)


def messages_of_profile(profile: str | None, query: str, *, system: str | None = None) -> list[dict[str, str]]:
    """The messages of `build_messages` for a profile that is kept outside a store, such as in a cache.

    Args:
        profile: its text, which nothing is left out of; None for mode ``none``.
        query: the user's message.
        system: the app's own system text; None takes a neutral one.
    """
    return _messages(query, [] if profile is None else [PROFILE_TITLE + neutralise(profile)], system)


def _messages(query: str, blocks: list[str], system: str | None) -> list[dict[str, str]]:
    content = system = _BASE if system is None else system
    if blocks:
        content = "\n".join([system, "", PREAMBLE, OPEN_TAG, *blocks, CLOSE_TAG])
    return [{"role": "system", "content": content}, {"role": "user", "content": query}]


def _lines(title: str, interactions: tuple[Interaction, ...] | list[Interaction]) -> str:
    return "\n".join([title, *(f"- {render_interaction(i)}" for i in interactions)])
