"""Several judges as one: a linear opinion pool (Stone 1961) of what each holds likely.

A policy that is trained against one judge learns that judge's whims too. Judges that err differently, a language model
that knows what goes with what and an encoder that knows what words mean, leave less to be learned that is not so.

Departs from the paper, which has one judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bump_edge.errors import UsageError
from training.judges import CandidateList, Judge, Judgement

COSINE_TEMPERATURE = 0.05
"""Of a cosine: BLUE's τ."""

_LEAST = 1e-9  # of a probability: its logarithm is finite


class Panel:
    """The judges' candidate probabilities, averaged; a score is the logarithm of that mean.

    Args:
        judges: with the temperature, in that judge's scores and > 0, at which these are log-odds; at least two, that
            differ in name.

    Raises:
        UsageError: fewer than two judges, one twice, or a temperature that is not above 0.
    """

    def __init__(self, judges: Sequence[tuple[Judge, float]]) -> None:
        names = [judge.name for judge, _ in judges]
        if len(set(names)) != len(names) or len(names) < 2 or any(t <= 0 for _, t in judges):
            raise UsageError(
                f"a panel of {', '.join(f'{judge.name} at {t:g}' for judge, t in judges) or 'nobody'}: expected at "
                "least two judges that differ, at temperatures above 0"
            )
        self._judges = list(judges)
        self.name = "+".join(names)
        self.reads_order = any(judge.reads_order for judge, _ in judges)

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by the mean probability; repaired where one judge's answer was, tokens summed."""
        asked = [(judge.rank(lists), temperature) for judge, temperature in self._judges]
        out = []
        for place in range(len(lists)):
            own = [(found[place], temperature) for found, temperature in asked]
            shares = [probabilities(one.scores, temperature) for one, temperature in own]
            pooled = [math.fsum(column) / len(shares) for column in zip(*shares, strict=True)]
            out.append(
                Judgement(
                    scores=tuple(math.log(max(p, _LEAST)) for p in pooled),
                    parsed=all(one.parsed for one, _ in own),
                    tokens=sum(one.tokens for one, _ in own),
                )
            )
        return out


def probabilities(scores: Sequence[float], temperature: float) -> list[float]:
    """Softmax of `scores` / `temperature`."""
    top = max(scores)
    powers = [math.exp((score - top) / temperature) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]
