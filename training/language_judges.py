"""Judges that are causal language models: listwise generated, listwise by letter logits, pointwise. Needs torch.

What the lists of a group share is computed once (`training.prefixes`), and of the output layer only the rows of the
letters are. A judge's answers to some lists never depend on what else is asked in the same run, only on the lists of
the same call: the reward asks user by user, so that the number of processes changes no bit of it.

Departs from the paper: its judge is served by vLLM and held to a regex. Here the same is done in process: at each step
only the letters that are not yet written may follow, so an answer always is a permutation. With
`parse_permutation` an answer from any server is read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from training import prefixes
from training.judges import (
    LETTERS,
    Asked,
    CandidateList,
    Judge,
    Judgement,
    Limits,
    render,
    render_pair,
    scores_of_order,
)
from training.models import CausalModel, load

Parts = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def parts_of(model: CausalModel, asked: Asked) -> Parts:
    """The tokens of a question in its three parts: what all lists share, what a group shares, what is a list's own.

    The seams lie at line ends, where no tokenizer joins; whole and shared readings use the same tokens.
    """
    user = f"{asked.shared}{asked.own}"
    rendered = model.format.render(
        [
            {"role": "system", "content": asked.system},
            {"role": "user", "content": user},
            {"role": "assistant", "content": asked.answer},
        ]
    )
    first, *rest = rendered.rest
    after = first.text[len(asked.shared) :]

    def tokens(segments: Sequence[tuple[str, bool]]) -> tuple[int, ...]:
        special = model.tokenizer.convert_tokens_to_ids
        return tuple(t for text, named in segments if text for t in ([special(text)] if named else model.plain(text)))

    return (
        tokens([(s.text, s.special) for s in rendered.prefix]),
        tokens([(asked.shared, False)]),
        tokens([(after, False), *((s.text, s.special) for s in rest)]),
    )


class LanguageModel:
    """A frozen causal language model that tells the logits of single tokens after a question.

    Args:
        model: with its tokenizer.
        limits: where texts are cut.
        batch_tokens: of the leaves of a batch at most, with padding, ≥ 1.
        share: compute what questions share once; False reads each whole, for comparison.
        bfloat16: compute in it over weights in float32; scores change a little.
    """

    def __init__(
        self,
        model: CausalModel,
        *,
        limits: Limits | None = None,
        batch_tokens: int = 8192,
        share: bool = True,
        bfloat16: bool = False,
    ) -> None:
        self.model = model
        self.limits = limits or Limits()
        self._batch_tokens = batch_tokens
        self._share = share
        self._bfloat16 = bfloat16
        self._trunks: dict[tuple[int, ...], prefixes.Kept] = {}
        self.read = 0
        """Tokens that were computed so far."""

    def token_of(self, text: str) -> int:
        """The one token that `text` is; `UsageError` where it is none or several."""
        return self.model.token_of(text)

    def logits(self, asked: Sequence[Asked], wanted: Sequence[int]) -> list[tuple[list[float], int]]:
        """For each question the logits of the tokens `wanted` after it, and the tokens that were read for it.

        What several questions share is counted for the first of them.
        """
        return [(row, cost) for batch in self.batches(asked) for row, cost in self._rows(batch, wanted)]

    def _rows(self, batch: Batch, wanted: Sequence[int]) -> Iterator[tuple[list[float], int]]:
        found = self.scores(batch.forest.last, wanted)
        return zip(found.tolist(), batch.costs, strict=True)

    def scores(self, hidden: Any, wanted: Sequence[int]) -> Any:
        """(rows, wanted): the logits of the tokens `wanted`, in float32."""
        import torch

        weight = prefixes.head(self.model.model).weight[list(wanted)]
        with torch.inference_mode():
            return hidden.float() @ weight.float().T

    def batches(self, asked: Sequence[Asked]) -> Iterator[Batch]:
        """The questions in their order, read in batches; what a batch keeps is its own."""
        import torch

        parts = [parts_of(self.model, one) for one in asked]
        at = 0
        while at < len(parts):
            end, longest = at + 1, self._size(parts[at])
            while end < len(parts):
                longest = max(longest, self._size(parts[end]))
                if longest * (end + 1 - at) > self._batch_tokens or parts[end][0] != parts[at][0]:
                    break
                end += 1
            faster = torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=self._bfloat16)
            with torch.inference_mode(), faster:
                batch = self._read(parts[at:end])
            yield batch
            at = end

    def _size(self, parts: Parts) -> int:
        return len(parts[2]) if self._share else sum(map(len, parts))

    def _read(self, parts: Sequence[Parts]) -> Batch:
        model = self.model.model
        if not self._share:
            whole = [[*a, *b, *c] for a, b, c in parts]
            forest = prefixes.leaves(model, None, [], whole)
            costs = [len(tokens) for tokens in whole]
        else:
            trunk, costs = self._trunk(parts[0][0]), [len(c) for _, _, c in parts]
            rows: dict[tuple[int, ...], int] = {}
            for number, (_, shared, _) in enumerate(parts):
                if shared not in rows:
                    rows[shared] = len(rows)
                    costs[number] += len(shared)
            state = prefixes.branch(model, trunk, list(rows))
            forest = prefixes.leaves(model, state, [rows[shared] for _, shared, _ in parts], [c for _, _, c in parts])
        self.read += sum(costs)
        return Batch(forest, costs)

    def _trunk(self, tokens: tuple[int, ...]) -> prefixes.Kept:
        if tokens not in self._trunks:
            self._trunks[tokens] = prefixes.trunk(self.model.model, tokens)
            self.read += len(tokens)
        return self._trunks[tokens]


class Batch:
    """Questions that were read together."""

    def __init__(self, forest: prefixes.Forest, costs: list[int]) -> None:
        self.forest = forest
        self.costs = costs


class ListwiseLogits:
    """One forward pass a list; candidates ranked by the logits of their letters."""

    name = "listwise-logits"
    reads_order = True

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._letters = [model.token_of(f" {letter}") for letter in LETTERS]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by letter logits: differences are log-odds, so they suit the smooth reward."""
        most = max((len(one.candidates) for one in lists), default=0)
        found = self.model.logits([render(one, self.model.limits) for one in lists], self._letters[:most])
        return [
            Judgement(scores=tuple(row[: len(one.candidates)]), tokens=cost)
            for one, (row, cost) in zip(lists, found, strict=True)
        ]


class ListwiseGenerate:
    """The whole permutation is written, greedily; at each step only letters that are not yet written may follow."""

    name = "listwise-generate"
    reads_order = True

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._letters = [model.token_of(f" {letter}") for letter in LETTERS]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by rank in the written permutation; after the prompt each step reads one token a list."""
        out: list[Judgement] = []
        for batch in self.model.batches([render(one, self.model.limits) for one in lists]):
            out += self._write(lists[len(out) : len(out) + len(batch.costs)], batch)
        return out

    def _write(self, lists: Sequence[CandidateList], batch: Batch) -> list[Judgement]:
        import torch

        orders: list[list[int]] = [[] for _ in lists]
        forest, rows = batch.forest, list(range(len(lists)))
        while rows:
            scores = self.model.scores(forest.last, self._letters)
            for at, row in zip(rows, scores.tolist(), strict=True):
                free = [place for place in range(len(lists[at].candidates)) if place not in orders[at]]
                orders[at].append(max(free, key=row.__getitem__))
            unfinished = [n for n, at in enumerate(rows) if len(orders[at]) < len(lists[at].candidates) - 1]
            rows = [rows[n] for n in unfinished]
            if rows:
                with torch.inference_mode():
                    letters = [[self._letters[orders[at][-1]]] for at in rows]
                    forest = prefixes.leaves(self.model.model.model, forest.state, unfinished, letters)
                self.model.read += len(rows)
        out = []
        for one, order, cost in zip(lists, orders, batch.costs, strict=True):
            order.extend(place for place in range(len(one.candidates)) if place not in order)  # the last is no choice
            out.append(Judgement(scores=scores_of_order(order), tokens=cost + len(order) - 2))
        return out


class Pointwise:
    """log-odds of yes over no for each (query, candidate); the order of presentation plays no part."""

    name = "pointwise"
    reads_order = False

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._answers = [model.token_of(" yes"), model.token_of(" no")]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score each pair once, however many lists it is in; its tokens are counted where it came first."""

        def pairs(one: CandidateList) -> list[tuple[str, str]]:
            forward = one.direction == "forward"
            return [(text, one.query) if forward else (one.query, text) for text in one.candidates]

        asked = sorted({pair for one in lists for pair in pairs(one)})  # by record, whose reading they share
        found = self.model.logits([render_pair(*pair, self.model.limits) for pair in asked], self._answers)
        odds = {pair: yes - no for pair, ((yes, no), _) in zip(asked, found, strict=True)}
        costs = {pair: cost for pair, (_, cost) in zip(asked, found, strict=True)}
        return [
            Judgement(
                scores=tuple(odds[pair] for pair in pairs(one)), tokens=sum(costs.pop(pair, 0) for pair in pairs(one))
            )
            for one in lists
        ]


KINDS: dict[str, Callable[[LanguageModel], Judge]] = {
    "listwise-generate": ListwiseGenerate,
    "listwise-logits": ListwiseLogits,
    "pointwise": Pointwise,
}
"""The judges that are language models, by name."""


def open_language_judge(name: str, folder: Path, *, bfloat16: bool = False) -> Judge:
    """The judge `name`, one of `KINDS`, over the model in `folder`; with `bfloat16` its weights are in it."""
    model = load(folder, dtype="bfloat16" if bfloat16 else "float32")
    return KINDS[name](LanguageModel(model))
