"""Pruning a byte-level BPE vocabulary to the tokens that a domain needs, so that any text still goes in and comes out.

Kept are all special and added tokens, all bytes (those that the tokenizer has: SmolLM2's lacks some that no ordinary
text holds, and drops them with or without pruning), every token of the prompt template, and of a corpus as many of
the most frequent tokens as its coverage asks for; and for each of them the tokens that it is merged from. A merge is
kept if its two parts and its result are. Two properties follow. Any text round-trips, because it can always be spelt in
bytes. And a word whose tokens are all kept is cut as before: a token's merges do not depend on its neighbours, the kept
merges are in their old order, and at every step the best of the old merges is among them. What is not kept becomes
several shorter tokens.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bump_edge.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruning:
    """Which tokens stay.

    Args:
        kept: their old ids, in order: a token's new id is its place here.
        coverage: share of the corpus's tokens that are kept, 0 to 1.
        counted: how many tokens the corpus has.
        content: of the new ``tokenizer.json``.
    """

    kept: tuple[int, ...]
    coverage: float
    counted: int
    content: dict[str, Any]

    @property
    def new_ids(self) -> dict[int, int]:
        """Old id to new."""
        return {old: new for new, old in enumerate(self.kept)}


def prune(
    content: Mapping[str, Any], counts: Counter[int], *, coverage: float, always: Iterable[int] = (), rows: int
) -> Pruning:
    """Choose the tokens, and rewrite the tokenizer.

    Args:
        content: of ``tokenizer.json``.
        counts: how often each token occurs in the corpus.
        coverage: share of them to keep, 0 to 1: the most frequent tokens that reach it, ties by id.
        always: tokens to keep whatever the corpus says.
        rows: of the embedding; rows without a token go.

    Raises:
        UsageError: it is no byte-level BPE, or the corpus is empty.
    """
    model = content["model"]
    if not is_byte_level(content):
        raise UsageError(f"the tokenizer is a {model.get('type')}: only a byte-level BPE can be pruned")
    total = sum(counts.values())
    if not total:
        raise UsageError("the corpus has no tokens: give files with text in them")
    token_of = {number: token for token, number in model["vocab"].items()}
    pairs = (m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"])
    merges = [(str(left), str(right)) for left, right in pairs]
    ranks = {pair: n for n, pair in enumerate(merges)}
    added = {entry["id"] for entry in content.get("added_tokens") or []}
    chosen, covered = set(always), 0
    for number, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        if covered < coverage * total or number in chosen:
            chosen.add(number)
            covered += count
    named = {model["unk_token"]} if model.get("unk_token") else set()
    for token in [token_of[n] for n in chosen if n in token_of and n not in added]:
        named |= parts_of(token, ranks)
    numbers = {n for token, n in model["vocab"].items() if len(token) == 1 or token in named}
    kept = tuple(sorted(n for n in numbers | added if n < rows))
    new_ids = {old: new for new, old in enumerate(kept)}
    return Pruning(
        kept=kept,
        coverage=sum(count for n, count in counts.items() if n in new_ids) / total,
        counted=total,
        content=_rewritten(content, merges, new_ids),
    )


def is_byte_level(content: Mapping[str, Any]) -> bool:
    """Whether a ``tokenizer.json`` is of a BPE that works on bytes."""
    step = content.get("pre_tokenizer") or {}
    steps = step.get("pretokenizers", [step])
    model = content["model"]
    return (
        model.get("type") == "BPE"
        and not model.get("byte_fallback")
        and any(s.get("type") == "ByteLevel" for s in steps)
    )


def parts_of(token: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """`token`, and every token on the way from its bytes to it by the merges in `ranks` (pair → importance)."""
    pieces, found = list(token), {token, *token}
    while len(pieces) > 1:
        options = [(ranks[pair], n) for n, pair in enumerate(itertools.pairwise(pieces)) if pair in ranks]
        if not options:  # a token that no merges lead to: the model looks up whole words
            break
        at = min(options)[1]
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        found.add(pieces[at])
    return found


def _rewritten(content: Mapping[str, Any], merges: list[tuple[str, str]], new_ids: Mapping[int, int]) -> dict[str, Any]:
    made = copy.deepcopy(dict(content))
    model = made["model"]
    model["vocab"] = {t: new_ids[n] for t, n in sorted(model["vocab"].items(), key=lambda e: e[1]) if n in new_ids}
    left = model["vocab"]
    model["merges"] = [[a, b] for a, b in merges if a in left and b in left and a + b in left]
    for entry in made.get("added_tokens") or []:
        entry["id"] = new_ids[entry["id"]]
    _renumber(made.get("post_processor"), new_ids)
    return made


def _renumber(processor: Any, new_ids: Mapping[int, int]) -> None:
    """The ids of special tokens that a post-processor puts around a text."""
    if not isinstance(processor, dict):
        return
    for inner in processor.get("processors") or []:
        _renumber(inner, new_ids)
    special = processor.get("special_tokens")
    for entry in special.values() if isinstance(special, dict) else []:
        entry["ids"] = [new_ids[n] for n in entry["ids"]]
    for side in ("cls", "sep"):
        if isinstance(processor.get(side), list):
            processor[side][1] = new_ids[processor[side][1]]
