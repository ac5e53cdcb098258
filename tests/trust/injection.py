"""Gate: what is planted in a log never becomes part of a profile."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bump_edge.backends.base import Backend, GenerationOptions, generate
from bump_edge.backends.gguf import GgufBackend
from bump_edge.backends.onnx import OnnxBackend
from bump_edge.prompts import Prompt
from bump_edge.types import HistoryStats
from tests.hostile.attacks import ATTACKS, HONEST, Attack
from tests.hostile.measure import extractive, interaction, obedient, outcome, planted
from tests.real_models import smollm2_gguf, smollm2_onnx
from tests.trust.gate import Outcome

Open = Callable[[Attack], Backend]


@contextmanager
def backends(*, long: bool) -> Iterator[dict[str, Open]]:
    """What is attacked: the extractive backend, an obedient model, and long SmolLM2 in both native backends."""
    found: dict[str, Open] = {"extractive": extractive, "obedient": obedient}
    with ExitStack() as stack:
        if long:
            gguf = stack.enter_context(closing(GgufBackend(smollm2_gguf(), context_tokens=2048)))
            onnx = stack.enter_context(closing(OnnxBackend(smollm2_onnx(), context_tokens=2048, threads=1)))
            found |= {"smollm2, gguf": lambda _: gguf, "smollm2, onnx": lambda _: onnx}
        yield found


def run(*, long: bool) -> Outcome:
    """Every attack against every backend."""
    failures: list[str] = []
    figures: dict[str, object] = {
        "attacks": len(ATTACKS),
        "languages": len({a.language for a in ATTACKS}),
        "carriers": len({a.carrier for a in ATTACKS}),
    }
    tried = 0
    with backends(long=long) as opened:
        for name, backend in opened.items():
            with tempfile.TemporaryDirectory() as folder, planted(Path(folder) / "store.db", ATTACKS) as store:
                found = [outcome(store, attack, backend(attack)) for attack in ATTACKS]
            tried += len(found)
            figures[name] = {
                "without_guards": sum(f.written for f in found), "with_guards": sum(f.stored for f in found)
            }  # fmt: skip
            failures += [f"{name}: {f.attack.name}" for f in found if f.stored]
    return Outcome(
        promise="What somebody plants in a log never becomes part of a profile",
        test=f"{len(ATTACKS)} attacks against {len(opened)} backends",
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
