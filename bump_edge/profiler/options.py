"""How profiles are written: the settings that a manifest records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bump_edge.backends.base import GenerationOptions
from bump_edge.errors import UsageError
from bump_edge.prompts import LANGUAGES

SIMILARITY = 0.3
"""Cosine from which on a text is about a blocked topic, for the MiniLM sentence encoder: see ``tests/bench``."""

CHECKS_VERSION = "6"
"""Of `bump_edge.profiler.checks`; counts up whenever the same text could come out of them otherwise: older profiles are
then no longer up to date."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfilerOptions:
    """Settings of a `Profiler`.

    Args:
        max_words: length limit of a profile, in words; 10 to 400.
        language: ISO 639-1 code to write in; None writes in the language of the history's own texts.
        prompt_tokens: budget of the selected interactions, in the backend's tokens; ≥ 64. Less is used where the
            model's context is smaller.
        max_interactions: interactions in a prompt at most; ≥ 1. Less is used where the model learned to read less, see
            `Backend.max_interactions`.
        min_coverage: share of a sentence's content words that must occur in the records; 0 to 1.
        max_evidence: interactions kept as evidence for one sentence; ≥ 1.
        fallback: let the extractive backend write where nothing that the model wrote passes the checks, and where
            no model was named and the one that the package carries does not open; the manifest says so.
        update: bring a profile up to date from its text and what is new, where that will do; False writes every
            version anew from the history.
        update_tokens: budget of the new interactions in an update, in the backend's tokens; ≥ 64.
        rewrite_after: after so many updates a profile is written anew; ≥ 0.
        rewrite_share: it is also when more than this share of the history is new; 0 to 1.
        drift: or when an update would keep less than 1 − `drift` of its sentences; 0 to 1.
        fade_interactions, fade_days: an update drops a sentence that none of the last so many interactions supports,
            nor, where times are known, any of the last so many days (of which the newest 240 interactions are looked
            at); ≥ 1 and ≥ 0.
        similarity: cosine from which on a text is about a blocked topic, where the profiler has an embedder; 0 to 1.
        generation: how the model generates.

    Raises:
        UsageError: a value outside its range, or an unknown language.
    """

    max_words: int = 80
    language: str | None = None
    prompt_tokens: int = 1500
    max_interactions: int = 60
    min_coverage: float = 0.6
    max_evidence: int = 5
    fallback: bool = True
    update: bool = True
    update_tokens: int = 300
    rewrite_after: int = 12
    rewrite_share: float = 0.5
    drift: float = 0.6
    fade_interactions: int = 60
    fade_days: int = 60
    similarity: float = SIMILARITY
    generation: GenerationOptions = field(default_factory=GenerationOptions)

    def __post_init__(self) -> None:
        ranges = (
            ("max_words", 10, 400),
            ("prompt_tokens", 64, 1_000_000),
            ("max_interactions", 1, 10_000),
            ("min_coverage", 0, 1),
            ("max_evidence", 1, 100),
            ("update_tokens", 64, 1_000_000),
            ("rewrite_after", 0, 1_000_000),
            ("rewrite_share", 0, 1),
            ("drift", 0, 1),
            ("fade_interactions", 1, 1_000_000_000),
            ("fade_days", 0, 100_000),
            ("similarity", 0, 1),
        )
        for name, low, high in ranges:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}: expected {low} to {high}", details={"option": name})
        if self.language is not None and self.language not in LANGUAGES:
            raise UsageError(
                f"language is {self.language!r}: expected one of {', '.join(sorted(LANGUAGES))}",
                details={"option": "language"},
            )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON, for the manifest."""
        generation = self.generation
        out = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "generation"}
        out["generation"] = {
            name: getattr(generation, name) for name in generation.__dataclass_fields__ if name != "cancel"
        }
        out["generation"]["stop"] = list(generation.stop)
        return out
