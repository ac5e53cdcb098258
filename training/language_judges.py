"""Judges that are causal language models: listwise generated, listwise by letter logits, pointwise. Needs torch.

What the lists of a group share is computed once (`training.packing`), and of the output layer only the rows of the
letters are. A judge's answers to some lists never depend on what else is asked in the same run, only on the lists of
the same call: the reward asks user by user, so that the number of processes changes no bit of it.

Departs from the paper: its judge is served by vLLM and held to a regex. Here the same is done in process: at each step
only the letters that are not yet written may follow, so an answer always is a permutation. With
`parse_permutation` an answer from any server is read as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training import packing, prefixes
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
    special = model.tokenizer.convert_tokens_to_ids
    rendered = model.format.render([{"role": "system", "content": asked.system}, {"role": "user", "content": "?"}])
    first, *rest = rendered.rest
    turn = [(first.text[1:], False), *((s.text, s.special) for s in rest)]  # from the user's words to the answer

    def tokens(segments: Sequence[tuple[str, bool]]) -> tuple[int, ...]:
        return tuple(t for text, named in segments if text for t in ([special(text)] if named else model.plain(text)))

    opening = asked.answer if rest else f"\n{asked.answer}"
    return (
        tokens([(s.text, s.special) for s in rendered.prefix]),
        tokens([(asked.shared, False)]),
        tokens([(asked.own, False), *turn, (opening, False)]),
    )


class LanguageModel:
    """A frozen causal language model that tells the logits of single tokens after a question.

    Args:
        model: with its tokenizer.
        limits: where texts are cut.
        batch_tokens: of a batch at most, with padding, ≥ 1; a group that is larger is a batch of its own.
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
        self.read = 0
        """Tokens that were computed so far."""

    def token_of(self, text: str) -> int:
        """The one token that `text` is; `UsageError` where it is none or several."""
        return self.model.token_of(text)

    def scores(self, hidden: Any, wanted: Sequence[int]) -> list[list[float]]:
        """The logits of the tokens `wanted` at each of the hidden states (rows, width)."""
        import torch

        with torch.inference_mode():
            weight = prefixes.head(self.model.model).weight[list(wanted)]
            found: list[list[float]] = (hidden.float() @ weight.float().T).tolist()
        return found

    def logits(self, asked: Sequence[Asked], wanted: Sequence[int]) -> list[tuple[list[float], int]]:
        """For each question the logits of the tokens `wanted` after it, and the tokens that were read for it.

        What several questions share is counted for the first of them.
        """
        parts = [parts_of(self.model, one) for one in asked]
        out: list[tuple[list[float], int]] = [([], 0)] * len(parts)
        for numbers, trees in self._batches(parts):
            with self._computing():
                hidden = packing.read(self.model.model, trees)
                last = packing.pick(hidden, [(n, path[-1]) for n, tree in enumerate(trees) for path in tree.paths])
            costs = [new for tree in trees for new in tree.new]
            self.read += sum(costs)
            for number, row, cost in zip(numbers, self.scores(last, wanted), costs, strict=True):
                out[number] = (row, cost)
        return out

    def open(self, asked: Sequence[Asked]) -> tuple[prefixes.Forest, list[int]]:
        """The questions as states to go on from, and the tokens that were read for each."""
        parts = [parts_of(self.model, one) for one in asked]
        rows: dict[tuple[int, ...], int] = {}
        costs = []
        for trunk, shared, own in parts:
            start = (*trunk, *shared) if self._share else (*trunk, *shared, *own[:-1])
            costs.append(len(own) if self._share and start in rows else len(trunk) + len(shared) + len(own))
            rows.setdefault(start, len(rows))
        self.read += sum(costs)
        with self._computing():
            starts = list(rows)
            first = prefixes.trunk(self.model.model, starts[0][:1])
            state = prefixes.branch(self.model.model, first, [start[1:] for start in starts])
            owners = [rows[(*t, *s) if self._share else (*t, *s, *o[:-1])] for t, s, o in parts]
            leaves = [own if self._share else own[-1:] for _, _, own in parts]
            return prefixes.leaves(self.model.model, state, owners, leaves), costs

    def go_on(self, forest: prefixes.Forest, rows: Sequence[int], tokens: Sequence[int]) -> prefixes.Forest:
        """The states of `rows` after one more token each."""
        self.read += len(rows)
        with self._computing():
            return prefixes.leaves(self.model.model, forest.state, rows, [[token] for token in tokens])

    @contextmanager
    def _computing(self) -> Iterator[None]:
        import torch

        with (
            torch.inference_mode(),
            torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=self._bfloat16),
        ):
            yield

    def _batches(self, parts: Sequence[Parts]) -> Iterator[tuple[list[int], list[packing.Tree]]]:
        """Numbers of questions and their trees, the largest first, as many to a batch as its tokens allow."""
        alike: dict[tuple[int, ...] | int, list[int]] = {}
        for number, (trunk, shared, _) in enumerate(parts):
            alike.setdefault((*trunk, *shared) if self._share else number, []).append(number)
        trees = []
        for numbers in alike.values():
            trees.append((numbers, packing.Tree.of([[t for part in parts[n] for t in part] for n in numbers])))
        trees.sort(key=lambda one: -one[1].size)
        at = 0
        while at < len(trees):
            count = max(1, self._batch_tokens // trees[at][1].size)
            batch = trees[at : at + count]
            yield [n for numbers, _ in batch for n in numbers], [tree for _, tree in batch]
            at += count


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
        if not lists:  # a user whose rollouts are all lost
            return []
        orders: list[list[int]] = [[] for _ in lists]
        forest, costs = self.model.open([render(one, self.model.limits) for one in lists])
        rows = list(range(len(lists)))
        while rows:
            for at, row in zip(rows, self.model.scores(forest.last, self._letters), strict=True):
                free = [place for place in range(len(lists[at].candidates)) if place not in orders[at]]
                orders[at].append(max(free, key=row.__getitem__))
            going = [n for n, at in enumerate(rows) if len(orders[at]) < len(lists[at].candidates) - 1]
            rows = [rows[n] for n in going]
            if rows:
                forest = self.model.go_on(forest, going, [self._letters[orders[at][-1]] for at in rows])
        out = []
        for order, one, cost in zip(orders, lists, costs, strict=True):
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
