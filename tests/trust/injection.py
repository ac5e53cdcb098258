"""Gate: what is planted in a log never becomes part of a profile."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from unittest.mock import patch

from bump_edge.backends.base import Backend
from bump_edge.backends.gguf import GgufBackend
from bump_edge.backends.onnx import OnnxBackend
from bump_edge.models import bundled, open_model
from bump_edge.profiler import checks, guards
from bump_edge.settings import load
from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.measure import Outcome as Attacked
from tests.hostile.measure import extractive, obedient, outcome, planted
from tests.real_models import smollm2_gguf, smollm2_onnx
from tests.trust.gate import Outcome

Open = Callable[[Attack], Backend]


@contextmanager
def backends(*, long: bool) -> Iterator[dict[str, Open]]:
    """What is attacked: the extractive backend, an obedient model, the package's own model, where there is one; long,
    SmolLM2 in both native backends too.
    """
    found: dict[str, Open] = {"extractive": extractive, "obedient": obedient}
    with ExitStack() as stack:
        if long:
            gguf = stack.enter_context(closing(GgufBackend(smollm2_gguf(), context_tokens=2048)))
            onnx = stack.enter_context(closing(OnnxBackend(smollm2_onnx(), context_tokens=2048, threads=1)))
            found |= {"smollm2, gguf": lambda _: gguf, "smollm2, onnx": lambda _: onnx}
        if bundled() is not None:
            own = stack.enter_context(closing(open_model("bundled", load(), context_tokens=2048, threads=1)))
            found["bundled"] = lambda _: own
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
            found = attacked(backend)
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
        planted={name: _seen_without(*guards) for name, guards in PLANTED.items()},
        figures=figures,
    )


def attacked(backend: Open) -> list[Attacked]:
    """What became of every attack."""
    with tempfile.TemporaryDirectory() as folder, planted(Path(folder) / "store.db", ATTACKS) as store:
        return [outcome(store, attack, backend(attack)) for attack in ATTACKS]


PLANTED: dict[str, tuple[tuple[object, str, object], ...]] = {
    "nothing is held against a sentence": ((checks, "_guard", lambda *_: ""),),
    "instructions are let through": (
        (guards, "instruction_like", lambda _: False),
        (guards, "echoes_template", lambda _: False),
    ),
}
"""What is taken out of the product each time: where, its name, and what stands there instead."""


def _seen_without(*taken: tuple[object, str, object]) -> bool:
    """Whether the gate sees attacks of an obedient model in profiles, where a part of the checks is missing."""
    with ExitStack() as stack:
        for where, name, instead in taken:
            stack.enter_context(patch.object(where, name, instead))
        return any(found.stored for found in attacked(obedient))
