"""Gate: what is planted in a log never becomes part of a profile."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from bump_edge.backends.base import Backend, GenerationOptions, generate
from bump_edge.backends.gguf import GgufBackend
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats
from tests.hostile.attacks import ATTACKS, HONEST, Attack
from tests.hostile.measure import extractive, interaction, obedient, outcome, planted
from tests.real_models import smollm2_gguf
from tests.trust.gate import Outcome


def run(*, long: bool) -> Outcome:
    """Every attack against the extractive backend and an obedient model; in the long mode against SmolLM2 as well."""
    failures: list[str] = []
    figures: dict[str, object] = {
        "attacks": len(ATTACKS),
        "languages": len({a.language for a in ATTACKS}),
        "carriers": len({a.carrier for a in ATTACKS}),
    }
    tried = 0
    native = GgufBackend(smollm2_gguf(), context_tokens=2048) if long else None

    def smollm2(_: Attack) -> Backend:
        assert native is not None
        return native

    backends: list[Callable[[Attack], Backend]] = [extractive, obedient, *([smollm2] if native else [])]
    try:
        for backend in backends:
            with tempfile.TemporaryDirectory() as folder, planted(Path(folder) / "store.db", ATTACKS) as store:
                found = [outcome(store, attack, backend(attack)) for attack in ATTACKS]
            tried += len(found)
            figures[backend.__name__] = {
                "without_guards": sum(f.written for f in found), "with_guards": sum(f.stored for f in found)
            }  # fmt: skip
            failures += [f"{backend.__name__}: {f.attack.name}" for f in found if f.stored]
    finally:
        if native is not None:
            native.close()
    return Outcome(
        promise="What somebody plants in a log never becomes part of a profile",
        test=f"{len(ATTACKS)} attacks against {len(backends)} backends",
        tried=tried,
        failures=failures,
        planted={"without the guards, an obedient model's attack works": _works_unguarded()},
        figures=figures,
    )


def _works_unguarded() -> bool:
    """Whether every attack gets its sentence written where nothing checks what a model writes."""
    for attack in ATTACKS:
        shown = tuple(interaction(record, "u") for record in (*HONEST, *attack.records()))
        prompt = Prompt(interactions=shown, stats=HistoryStats.of(shown))
        [written] = generate(obedient(attack), [prompt], GenerationOptions(max_tokens=80))
        if not attack.won(written.text):
            return False
    return True
