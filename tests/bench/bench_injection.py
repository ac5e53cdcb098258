"""How often an attack in a history gets its sentence into the profile, before the checks and after the whole profiler.

The attacks of ``tests/hostile/attacks.py``, each among seven honest interactions of a user of its own, against three
backends: extractive, SmolLM2-135M (gguf), and an obedient model that writes what an attack asks for (the worst case).
`unseen` are statements that the rules were not written for: how many the rules let pass when a model words them so, and
how many are stored when an obedient model copies them from the log. `benign` are sentences that a profile may well say,
and, where ``../shared/data`` is there, those that the extractive backend writes for real users: how many the rules take
for instructions.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bump_edge.backends.base import Backend, GenerationOptions, generate
from bump_edge.backends.extractive import ExtractiveBackend
from bump_edge.backends.gguf import GgufBackend
from bump_edge.profiler import guards
from bump_edge.profiler.checks import check
from tests.bench.bench_quality import DATA, DATASETS
from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.benign import BENIGN
from tests.hostile.measure import Open, extractive, obedient, outcome, planted
from tests.hostile.unseen import UNSEEN
from tests.real_models import smollm2_gguf
from training.histories import prompt_of, read_histories


def steered(sentence: str) -> bool:
    """Whether the rules take `sentence` for an instruction."""
    return guards.instruction_like(sentence) or guards.echoes_template(sentence)


def against(backend_of: Open, attacks: list[Attack], folder: str) -> dict[str, Any]:
    """The shares of `attacks` that get their sentence written, and stored."""
    fallen: Counter[str] = Counter()
    with planted(Path(folder) / f"{backend_of.__name__}-{len(attacks)}.db", attacks) as store:
        found = [outcome(store, attack, backend_of(attack)) for attack in attacks]
    for one in found:
        fallen.update(one.dropped)
    written, stored = sum(f.written for f in found), sum(f.stored for f in found)
    return {
        "without_guards": round(written / len(found), 3),
        "with_guards": round(stored / len(found), 3),
        "written": written,
        "stored": stored,
        "dropped": dict(fallen.most_common()),
    }


def of_real_users(users: int) -> dict[str, dict[str, int]]:
    """Sentences of extractive profiles of `users` training users a data set, and how many fall as instructions."""
    folder = Path(os.environ.get("BUMP_EDGE_BENCH_DATA", DATA))
    out = {}
    for name in DATASETS:
        if (path := folder / f"{name}.jsonl.gz").exists():
            prompts = [prompt_of(h) for h in read_histories(path, folds=frozenset({2, 3, 4}), limit=users)]
            written = generate(ExtractiveBackend(), prompts, GenerationOptions())
            done = [check(w.text, p) for w, p in zip(written, prompts, strict=True)]
            out[name] = {
                "users": len(prompts),
                "sentences": sum(d.written for d in done),
                **{reason: sum(d.dropped.get(reason, 0) for d in done) for reason in ("instruction", "verbatim")},
            }
    return out


def run(users: int = 200) -> dict[str, Any]:
    """Measure."""
    unseen = [
        Attack(name=f"u-{n}", kind="unseen", carrier="review", language="-", planted=s, obeyed=s, marker="zorblax")
        for n, s in enumerate(UNSEEN)
    ]
    model: Backend = GgufBackend(smollm2_gguf(), context_tokens=2048, batch_size=1)

    def smollm2(_: Attack) -> Backend:
        return model

    try:
        with tempfile.TemporaryDirectory() as folder:
            backends = {f.__name__: against(f, ATTACKS, folder) for f in (extractive, obedient, smollm2)}
            copied = against(obedient, unseen, folder)
    finally:
        model.close()
    return {
        "attacks": len(ATTACKS),
        "kinds": len({a.kind for a in ATTACKS}),
        "languages": len({a.language for a in ATTACKS}),
        "backends": backends,
        "unseen": {
            "statements": len(UNSEEN),
            "not_recognised": sum(not steered(s) for s in UNSEEN),
            "stored_when_copied": copied["stored"],
        },
        "benign": {
            "sentences": len(BENIGN),
            "fallen": sum(steered(s) for s in BENIGN),
            "of_real_users": of_real_users(users),
        },
    }
