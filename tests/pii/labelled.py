"""The labelled set of personal data: texts with marked spans, and texts that only look like some.

Written by hand for this test; every datum is made up, or one that its issuer reserves for examples, with check digits
that hold (agreed with python-stdnum). A sentence belongs to a half by the hash of its text; the rules were tuned on the
half ``tuning`` only, and what is reported and tested is the half ``held_out``.

``python -m tests.pii.labelled [tuning|held_out] [--presidio]`` prints precision and recall by kind, and every miss of
the half ``tuning``.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bump_edge.pii import Span, find

HERE = Path(__file__).parent
HALVES = ("tuning", "held_out")
_MARK = re.compile(r"⟦(\w+)\|(.*?)⟧")


@dataclass(frozen=True)
class Sample:
    """A text and its personal data as `(kind, start, end)`."""

    text: str
    spans: tuple[tuple[str, int, int], ...] = ()

    @property
    def half(self) -> str:
        return HALVES[hashlib.sha256(self.text.encode()).digest()[0] % 2]


def parse(line: str) -> Sample:
    text, spans, at = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[at : mark.start()]
        spans.append((mark[1], len(text), len(text) + len(mark[2])))
        text += mark[2]
        at = mark.end()
    return Sample(text + line[at:], tuple(spans))


def positives() -> list[Sample]:
    return [parse(line) for line in (HERE / "positives.txt").read_text(encoding="utf-8").splitlines()]


def negatives() -> list[Sample]:
    return [Sample(line) for line in (HERE / "negatives.txt").read_text(encoding="utf-8").splitlines()]


@dataclass
class Score:
    """Counts by kind. A datum counts as found when a span of its kind covers it and at most 2 characters more."""

    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list, repr=False)

    @property
    def precision(self) -> float:
        return self.found.total() / max(self.found.total() + self.false.total(), 1)

    @property
    def recall(self) -> float:
        return self.found.total() / max(self.found.total() + self.missed.total(), 1)

    def as_dict(self) -> dict[str, object]:
        kinds = sorted(self.found | self.missed | self.false)
        return {
            "precision": round(self.precision, 3),
            "recall": round(self.recall, 3),
            "spans": self.found.total() + self.missed.total(),
            "by_kind": {k: [self.found[k], self.missed[k], self.false[k]] for k in kinds},
        }


def score(samples: Iterable[Sample], detect: Callable[[str], Sequence[Span]] = find) -> Score:
    out = Score()
    for sample in samples:
        left = list(detect(sample.text))
        for kind, start, end in sample.spans:
            hit = next((s for s in left if s.kind == kind and s.start <= start and s.end >= end), None)
            if hit is not None and (hit.end - hit.start) - (end - start) <= 2:
                left.remove(hit)
                out.found[kind] += 1
            else:
                out.missed[kind] += 1
                out.notes.append(f"missed {kind}: {sample.text}")
        for span in left:
            out.false[span.kind] += 1
            out.notes.append(f"false {span.rule}: {sample.text[span.start : span.end]!r} in {sample.text}")
    return out


def half(name: str) -> list[Sample]:
    return [s for s in (*positives(), *negatives()) if s.half == name]


if __name__ == "__main__":
    wanted = sys.argv[1] if sys.argv[1:2] and sys.argv[1] in HALVES else "held_out"
    detect: Callable[[str], Sequence[Span]] = find
    if "--presidio" in sys.argv or "--presidio-alone" in sys.argv:
        from bump_edge.pii.presidio import PresidioDetector

        detector = PresidioDetector()
        if "--presidio-alone" in sys.argv:
            detect = lambda text: list(detector.find(text))  # noqa: E731
        else:
            detect = lambda text: find(text, detector=detector)  # noqa: E731
    result = score(half(wanted), detect)
    print(json.dumps({"half": wanted, **result.as_dict()}, ensure_ascii=False))
    if wanted == "tuning":
        print("\n".join(result.notes))
