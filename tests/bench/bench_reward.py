"""What the reward's judge reads: a group's lists on one shared reading, against one forward pass a list. Same rankings.

For users of each data set, G variants of the extractive profile each (what a group of rollouts is: alike, not equal)
get the reward by letter logits twice in one run, user by user in turn: packed groups (`training.packing`), and every
(query, candidate list) whole. The rankings of every list are compared: in float32 sums differ in their last digits; in
bfloat16 (``--dtype``) by so much that near candidates change places, which is counted, with the gap between them.

    python -m tests.bench reward --model FOLDER --users 1

`users` are judged in seconds; tokens are counted for 9, 18 and 36 users, which needs no model. Tokens by part: the
trunk (the task's words), what a group shares, and each list's own.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.models import open_model
from bump_edge.settings import load as settings
from bump_edge.text import sentences
from tests.bench.bench_quality import DATA
from training.histories import User, cut, folds_of, prompt_of, read_histories
from training.judges import CandidateList, Judgement, render
from training.language_judges import LanguageModel, ListwiseLogits, parts_of
from training.measures import members_of
from training.models import CausalModel, load
from training.packing import Tree
from training.reward import Member, RewardConfig, rewards

DATASETS = ("games", "office", "instruments", "artists")
CURVE = (9, 18, 36)
PARTS = ("trunk", "shared", "own")
WAYS = ("shared", "whole")


def variants(user: User, backend: Any, count: int) -> list[str]:
    """`count` different extractive profiles of a user: of windows of the history, of some of their sentences."""
    chance = random.Random(f"variants {user.user_id}")
    found: dict[str, None] = {}
    for attempt in range(20 * count):
        end = chance.randint(max(1, len(user.visible) // 2), len(user.visible)) if attempt else len(user.visible)
        [written] = generate(backend, [prompt_of(user.visible[:end])], GenerationOptions())
        said = sentences(written.text)
        if attempt >= count and len(said) > 1:  # windows alone do not differ enough
            said = chance.sample(said, chance.randint(max(1, len(said) - 2), len(said)))
        if said:
            found[" ".join(said)] = None
        if len(found) == count:
            return list(found)
    raise RuntimeError(f"{user.user_id}: {len(found)} different profiles, expected {count}")


def users_of(path: Path, wanted: int, group: int) -> tuple[list[Member], list[list[str]]]:
    """Validation users with the profiles of a group each; who has too few different ones is left out."""
    backend = open_model("extractive", settings())
    users: list[User] = []
    texts: list[list[str]] = []
    for history in read_histories(path, folds=folds_of("validation"), limit=3 * wanted, min_length=5):
        user = cut(history)
        try:
            texts.append(variants(user, backend, group))
        except RuntimeError:
            continue
        users.append(user)
        if len(users) == wanted:
            break
    return members_of(users), texts


class Kept:
    """A judge that only writes down what it is asked; ranks nothing."""

    name = "listwise-logits"
    reads_order = True

    def __init__(self) -> None:
        self.asked: list[list[CandidateList]] = []

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        self.asked.append(list(lists))
        return [Judgement(scores=tuple(-float(at) for at in range(len(one.candidates)))) for one in lists]


def tokens_of(model: CausalModel, asked: Sequence[Sequence[CandidateList]]) -> dict[str, dict[str, dict[str, int]]]:
    """Tokens to be read, by way, direction and part; a call a user."""
    out = {way: {d: Counter(dict.fromkeys(PARTS, 0)) for d in ("forward", "backward")} for way in WAYS}
    for lists in asked:
        alike: dict[Any, list[tuple[CandidateList, Any]]] = {}
        for one in lists:
            parts = parts_of(model, render(one))
            alike.setdefault(parts[:2], []).append((one, parts))
            for name, tokens in zip(PARTS, parts, strict=True):
                out["whole"][one.direction][name] += len(tokens)
        for group in alike.values():
            tree = Tree.of([sum(parts, ()) for _, parts in group])
            for number, ((one, parts), new) in enumerate(zip(group, tree.new, strict=True)):
                before = {name: len(part) if not number else 0 for name, part in zip(PARTS[:2], parts[:2], strict=True)}
                for name, count in {**before, PARTS[2]: new - sum(before.values())}.items():
                    out["shared"][one.direction][name] += count
    return {way: {d: dict(counts) for d, counts in both.items()} for way, both in out.items()}


def least(model: CausalModel, asked: Sequence[Sequence[CandidateList]]) -> int:
    """Tokens if, of a user's lists, every common beginning were read once, however short: what sharing could reach."""
    count = 0
    for lists in asked:
        before: tuple[int, ...] = ()
        for one in sorted(sum(parts_of(model, render(one)), ()) for one in lists):
            alike = next((at for at, (a, b) in enumerate(zip(before, one, strict=False)) if a != b), len(before))
            count += len(one) - alike
            before = one
    return count


def total(tokens: dict[str, dict[str, int]]) -> int:
    """Of one way, over directions and parts."""
    return sum(count for parts in tokens.values() for count in parts.values())


class Meter:
    """Seconds, processor seconds and bytes of each way."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        self.cpu: dict[str, list[float]] = {way: [] for way in WAYS}
        self.hidden = dict.fromkeys(WAYS, 0)
        self.mask = dict.fromkeys(WAYS, 0)
        self.padded = dict.fromkeys(WAYS, 0)

    @contextmanager
    def on(self, way: str) -> Iterator[None]:
        """Measure what is done inside; batches are looked at as they are read."""
        from training import packing

        read = packing.read

        def looked_at(model: Any, trees: Sequence[packing.Tree]) -> Any:
            found = read(model, trees)
            rows, longest, _ = found.shape
            self.hidden[way] = max(self.hidden[way], found.numel() * found.element_size())
            self.mask[way] = max(self.mask[way], rows * longest * longest)  # of booleans
            self.padded[way] += rows * longest
            return found

        packing.read = looked_at
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds[way].append(time.perf_counter() - wall)
            self.cpu[way].append(time.process_time() - cpu)
            packing.read = read


def compare(
    model: CausalModel, members: Sequence[Member], texts: Sequence[Sequence[str]], users: int, config: RewardConfig
) -> dict[str, Any]:
    """The rewards of the first `users` members both ways: seconds, bytes, and whether rankings agree."""
    meter = Meter()
    scores: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
    totals: dict[str, list[float]] = {way: [] for way in WAYS}
    read: dict[str, int] = {}
    judges = {way: LanguageModel(model, share=way == "shared") for way in WAYS}

    class Noted(ListwiseLogits):
        def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
            found = super().rank(lists)
            scores[self.way].extend(one.scores for one in found)
            return found

        def __init__(self, way: str) -> None:
            super().__init__(judges[way])
            self.way = way

    both = {way: Noted(way) for way in WAYS}
    for user in range(users):
        for way in WAYS[:: 1 if user % 2 else -1]:  # in turn, so that neither is always the warm one
            with meter.on(way):
                [row] = rewards(members, texts, both[way], config, only=[user])
            totals[way] += [one.total for one in row]
    for way in WAYS:
        read[way] = judges[way].read
    gaps = [[abs(a - b) for a, b in zip(x, y, strict=True)] for x, y in zip(*scores.values(), strict=True)]
    noise = max(max(gap) for gap in gaps)
    differ = [pair for pair in zip(*scores.values(), strict=True) if order(pair[0]) != order(pair[1])]
    flips = [flip for pair in differ for flip in flipped(*pair)]
    seconds = {way: sum(meter.seconds[way]) for way in WAYS}
    return {
        "users_judged": users,
        "lists": len(scores["whole"]),
        "tokens_read": read,
        "seconds": {way: round(value, 2) for way, value in seconds.items()},
        "cpu_seconds": {way: round(sum(meter.cpu[way]), 2) for way in WAYS},
        "seconds_by_user": {way: [round(value, 2) for value in meter.seconds[way]] for way in WAYS},
        "faster": round(seconds["whole"] / seconds["shared"], 2),
        "faster_cpu": round(sum(meter.cpu["whole"]) / sum(meter.cpu["shared"]), 2),
        "padding_share": {way: round(1 - read[way] / meter.padded[way], 3) for way in WAYS},
        "largest_batch_mib": {
            way: {"hidden": round(meter.hidden[way] / 2**20, 2), "mask": round(meter.mask[way] / 2**20, 2)}
            for way in WAYS
        },
        "orders_that_differ": len(differ),
        "pairs_swapped": len(flips),
        "largest_gap_swapped": round(max(flips, default=0.0), 4),
        "largest_score_difference": round(noise, 4),
        "median_score_difference": round(statistics.median(value for gap in gaps for value in gap), 5),
        "largest_reward_difference": round(
            max(abs(a - b) for a, b in zip(totals["shared"], totals["whole"], strict=True)), 5
        ),
    }


def order(scores: Sequence[float]) -> list[int]:
    """The ranking, best first; ties in the order of presentation."""
    return sorted(range(len(scores)), key=lambda at: -scores[at])


def flipped(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How far apart, in `theirs`, the candidates are that the two rankings put the other way round."""
    pairs = ((a, b) for a in range(len(ours)) for b in range(a))
    return [abs(theirs[a] - theirs[b]) for a, b in pairs if (ours[a] - ours[b]) * (theirs[a] - theirs[b]) <= 0]


def run(
    model: str = "", users: int = 1, dtype: str = "float32", datasets: str = ",".join(DATASETS), group: int = 8,
    negatives: int = 8, shuffles: int = 2,
) -> dict[str, Any]:  # fmt: skip
    """Measure; `model` is a folder of transformers, SmolLM2 without; `users` of each data set are judged."""
    if not model:
        from tests.real_models import smollm2_folder

        model = str(smollm2_folder())
    opened = load(Path(model), dtype=dtype)
    config = RewardConfig(negatives=negatives, shuffles=shuffles)
    folder = Path(os.environ.get("BUMP_EDGE_BENCH_DATA", DATA))
    result: dict[str, Any] = {
        "model": model, "dtype": dtype, "group": group, "negatives": negatives, "shuffles": shuffles, "datasets": {},
        "aim": {"fewer_tokens": 4, "faster": 3, "orders_that_differ": 0},
    }  # fmt: skip
    warm = LanguageModel(opened)
    for name in datasets.split(","):
        if not (path := folder / f"{name}.jsonl.gz").exists():
            continue
        members, texts = users_of(path, max(users, *CURVE), group)
        curve: dict[int, dict[str, int]] = {}
        for count in CURVE:
            kept = Kept()
            rewards(members[:count], texts[:count], kept, config, only=range(min(count, len(members))))
            tokens = tokens_of(opened, kept.asked)
            curve[count] = {way: total(tokens[way]) for way in WAYS}
            if count == CURVE[0]:
                parts, fewest = tokens, least(opened, kept.asked)
                ListwiseLogits(warm).rank(kept.asked[0][:2])
        first = curve[CURVE[0]]
        result["datasets"][name] = {
            "fewer_tokens": round(first["whole"] / first["shared"], 2),
            "fewer_tokens_by_direction": {
                d: round(total({d: parts["whole"][d]}) / total({d: parts["shared"][d]}), 2) for d in parts["whole"]
            },
            "fewer_tokens_at_most": round(first["whole"] / fewest, 2),
            "tokens_by_part": parts,
            "words_of_a_profile": round(statistics.fmean(len(t.split()) for row in texts for t in row), 1),
            "tokens_by_users": curve,
            **(compare(opened, members[: max(users, CURVE[0])], texts[: max(users, CURVE[0])], users, config)
               if users else {}),
        }  # fmt: skip
    if not result["datasets"]:
        raise RuntimeError(f"{folder} has none of {datasets}: set BUMP_EDGE_BENCH_DATA to the folder of the histories")
    return result


if __name__ == "__main__":
    print(run())
