"""Judges that are causal language models: listwise generated, listwise by letter logits, pointwise. Needs torch.

The module is the one that imports torch and transformers for judging; models are read from a folder, never a hub.
Prompts are left-padded batches, sorted by length; only the logits of the last position are computed.

Departs from the paper: its judge is served by vLLM and held to a regex. Here the same is done in process: at each step
only the letters that are not yet written may follow, so an answer always is a permutation. With
`parse_permutation` an answer from any server is read as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bump_edge.errors import BackendUnavailableError, ModelCorruptError, ModelNotFoundError, UsageError
from training.judges import LETTERS, CandidateList, Judge, Judgement, render, render_pair, scores_of_order


class LanguageModel:
    """A causal language model that tells the logits of single tokens after a prompt.

    Args:
        model: of transformers, in evaluation mode.
        tokenizer: its tokenizer.
        batch_tokens: tokens of a padded batch at most, ≥ 1.
        as_prompt: puts the judge's words into the model's chat format; as they are without.
        bfloat16: compute the products in it, for processors that have them (AMX); scores change a little.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch_tokens: int = 8192,
        as_prompt: Callable[[str], str] | None = None,
        bfloat16: bool = False,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._batch_tokens = batch_tokens
        self._as_prompt = as_prompt or (lambda text: text)
        self._bfloat16 = bfloat16

    @classmethod
    def load(cls, folder: Path, *, bfloat16: bool = False) -> LanguageModel:
        """Open a folder that `save_pretrained` wrote.

        Raises:
            BackendUnavailableError: torch or transformers is not installed.
            ModelNotFoundError, ModelCorruptError: there is no such folder, or nothing in it can be loaded.
        """
        if not folder.is_dir():
            raise ModelNotFoundError(f"{folder} is no folder: expected a causal language model of transformers")
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise BackendUnavailableError(
                f"this judge needs {error.name}, which is not installed: pip install 'bump-edge[train]'"
            ) from None
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ModelCorruptError(f"{folder} cannot be loaded: {error}") from None
        return cls(model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, bfloat16=bfloat16)

    def token_of(self, text: str) -> int:
        """The one token that `text` is.

        Raises:
            UsageError: it is none or several.
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        if len(ids) != 1:
            raise UsageError(
                f"{text!r} is {len(ids)} tokens for this model: expected one; a judge needs a tokenizer in which "
                "letters and yes and no with a space before are single tokens"
            )
        return ids[0]

    def encode(self, prompt: str) -> list[int]:
        """The tokens of a prompt; text that looks like a special token was opened up by `judges.render`."""
        ids: list[int] = self._tokenizer.encode(self._as_prompt(prompt))
        return ids

    def logits(self, prompts: Sequence[Sequence[int]], wanted: Sequence[int]) -> list[list[float]]:
        """The logits of the tokens `wanted` after each prompt: one row of ``len(wanted)`` a prompt."""
        import torch

        out: list[list[float]] = [[] for _ in prompts]
        order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
        device = next(self._model.parameters()).device
        while order:
            batch = [order.pop()]  # the longest first: a batch that fits, fits from here on
            longest = len(prompts[batch[0]])
            while order and (len(batch) + 1) * longest <= self._batch_tokens:
                batch.append(order.pop())
            ids = torch.zeros(len(batch), longest, dtype=torch.long)  # (batch, longest)
            mask = torch.zeros_like(ids)
            for row, at in enumerate(batch):
                ids[row, longest - len(prompts[at]) :] = torch.tensor(prompts[at])
                mask[row, longest - len(prompts[at]) :] = 1
            places = (mask.cumsum(1) - 1).clamp(min=0)
            faster = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bfloat16)
            with torch.inference_mode(), faster:
                last = self._model(
                    input_ids=ids.to(device), attention_mask=mask.to(device), position_ids=places.to(device),
                    logits_to_keep=1, use_cache=False,
                ).logits[:, -1, list(wanted)]  # fmt: skip
            for row, at in enumerate(batch):  # (batch, wanted)
                out[at] = [float(value) for value in last[row]]
        return out


class ListwiseLogits:
    """One forward pass a list; candidates ranked by the logits of their letters."""

    name = "listwise-logits"
    reads_order = True

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._letters = [model.token_of(f" {letter}") for letter in LETTERS]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by letter logits: differences are log-odds, so they suit the smooth reward."""
        prompts = [self._model.encode(render(one)) for one in lists]
        most = max((len(one.candidates) for one in lists), default=0)
        found = self._model.logits(prompts, self._letters[:most])
        return [
            Judgement(scores=tuple(row[: len(one.candidates)]), tokens=len(prompt))
            for one, row, prompt in zip(lists, found, prompts, strict=True)
        ]


class ListwiseGenerate:
    """The whole permutation is written, greedily; at each step only letters that are not yet written may follow."""

    name = "listwise-generate"
    reads_order = True

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._letters = [model.token_of(f" {letter}") for letter in LETTERS]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by rank in the written permutation.

        Every step reads the prompt anew, which costs K + P − 1 passes a list; `tokens` counts all that was read.
        """
        prompts = [self._model.encode(render(one)) for one in lists]
        orders: list[list[int]] = [[] for _ in lists]
        tokens = [0] * len(lists)
        while unfinished := [at for at, one in enumerate(lists) if len(orders[at]) < len(one.candidates) - 1]:
            texts = [[*prompts[at], *(self._letters[place] for place in orders[at])] for at in unfinished]
            for at, text, row in zip(unfinished, texts, self._model.logits(texts, self._letters), strict=True):
                free = [place for place in range(len(lists[at].candidates)) if place not in orders[at]]
                orders[at].append(max(free, key=row.__getitem__))
                tokens[at] += len(text)
        for one, order in zip(lists, orders, strict=True):  # the last letter is no choice
            order.extend(place for place in range(len(one.candidates)) if place not in order)
        return [Judgement(scores=scores_of_order(o), tokens=t) for o, t in zip(orders, tokens, strict=True)]


class Pointwise:
    """log-odds of yes over no for each (query, candidate); the order of presentation plays no part."""

    name = "pointwise"
    reads_order = False

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._answers = [model.token_of(" yes"), model.token_of(" no")]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score each pair once, however many lists it is in; its tokens are counted where it came first."""
        pairs = list(dict.fromkeys(
            (one.direction, one.query, candidate) for one in lists for candidate in one.candidates
        ))  # fmt: skip
        prompts = [self._model.encode(render_pair(*pair)) for pair in pairs]
        odds = {
            pair: yes - no for pair, (yes, no) in zip(pairs, self._model.logits(prompts, self._answers), strict=True)
        }
        cost = {pair: len(prompt) for pair, prompt in zip(pairs, prompts, strict=True)}
        return [
            Judgement(
                scores=tuple(odds[one.direction, one.query, c] for c in one.candidates),
                tokens=sum(cost.pop((one.direction, one.query, c), 0) for c in one.candidates),
            )
            for one in lists
        ]


def open_language_judge(name: str, folder: Path, *, bfloat16: bool = False) -> Judge:
    """The judge `name` (listwise-generate, listwise-logits or pointwise) over the model in `folder`."""
    model = LanguageModel.load(folder, bfloat16=bfloat16)
    kinds: dict[str, Callable[[LanguageModel], Judge]] = {
        "listwise-generate": ListwiseGenerate, "listwise-logits": ListwiseLogits, "pointwise": Pointwise,
    }  # fmt: skip
    return kinds[name](model)
