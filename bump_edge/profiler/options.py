"""How profiles are written: the settings that a manifest records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bump_edge.backends.base import GenerationOptions
from bump_edge.errors import UsageError
from bump_edge.prompts import LANGUAGES


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfilerOptions:
    """Settings of a `Profiler`.

    Args:
        max_words: length limit of a profile, in words; 10 to 400.
        language: ISO 639-1 code to write in; None writes in the language of the history's own texts.
        prompt_tokens: budget of the selected interactions, in the backend's tokens; ≥ 64. Less is used where the
            model's context is smaller.
        max_interactions: interactions in a prompt at most; ≥ 1.
        min_coverage: share of a sentence's content words that must occur in the records; 0 to 1.
        max_evidence: interactions kept as evidence for one sentence; ≥ 1.
        fallback: let the extractive backend write where nothing that the model wrote passes the checks; the
            manifest says so.
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
    generation: GenerationOptions = field(default_factory=GenerationOptions)

    def __post_init__(self) -> None:
        ranges = (
            ("max_words", 10, 400),
            ("prompt_tokens", 64, 1_000_000),
            ("max_interactions", 1, 10_000),
            ("min_coverage", 0, 1),
            ("max_evidence", 1, 100),
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
