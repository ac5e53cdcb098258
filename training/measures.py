"""What an evaluation computes from profiles: NDCG in both directions with intervals, and what stands beside it."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bump_edge.profiler.checks import check
from bump_edge.profiler.lists import read_list
from bump_edge.prompts import Prompt
from bump_edge.text import fold, sentences, stems, stopwords, words
from training.histories import User, judged_text
from training.judges import Judge
from training.reward import Draw, Member, Reward, RewardConfig, draw, rewards
from training.stored import stored_text

GENERIC_PROFILE = (
    "Enjoys quality products and good entertainment, likes to try new things, values price and reliability, and shares "
    "opinions with others."
)
"""A profile that fits everybody."""

VERBATIM_RUN = 5
"""Words in a row that must stand in a record for them to count as copied."""


def members_of(users: Sequence[User]) -> list[Member]:
    """The users as the reward reads them."""
    return [
        Member(
            key=user.user_id,
            held_out=tuple(judged_text(i) for i in user.held_out),
            visible=tuple(judged_text(i) for i in user.visible),
        )
        for user in users
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """One kind of profile under one judge: a reward a user."""

    rewards: tuple[Reward, ...]

    @property
    def totals(self) -> list[float]:
        """Forward + backward NDCG of each user, 0 to 2."""
        return [r.total for r in self.rewards]


def ranked_json(groups: Sequence[Ranked], rounds: int) -> dict[str, Any]:
    """The mean over groups of users with its 95 % interval, and the two directions."""
    totals = [group.totals for group in groups]
    return {
        "ndcg": round(mean_of_means(*totals), 3),
        "ci95": rounded(interval(*totals, rounds=rounds)),
        "forward": round(mean_of_means(*([r.forward for r in g.rewards] for g in groups)), 3),
        "backward": round(mean_of_means(*([r.backward for r in g.rewards] for g in groups)), 3),
        "unparsed": sum(r.unparsed for g in groups for r in g.rewards),
    }


def rank_all(
    users: Sequence[User],
    kinds: Mapping[str, Sequence[str]],
    judges: Sequence[Judge],
    config: RewardConfig,
) -> dict[str, dict[str, Ranked]]:
    """Kind → judge → `Ranked`; the negatives and shuffles of a user are the same for all kinds and judges."""
    members = members_of(users)
    draws: list[Draw] = draw(members, config)
    out: dict[str, dict[str, Ranked]] = {}
    for kind, profiles in kinds.items():
        groups = [[text] for text in profiles]
        out[kind] = {
            judge.name: Ranked(rewards=tuple(row[0] for row in rewards(members, groups, judge, config, draws=draws)))
            for judge in judges
        }
    return out


def interval(*groups: Sequence[float], rounds: int = 1000) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean over users (percentiles of `rounds` resamples, seeded).

    Of several groups, data sets say, each is resampled by itself, and the mean is that of their means.
    """
    chance = random.Random(0)
    means = sorted(mean_of_means(*(chance.choices(g, k=len(g)) for g in groups)) for _ in range(rounds))
    return means[int(0.025 * rounds)], means[max(int(0.975 * rounds) - 1, 0)]


def mean_of_means(*groups: Sequence[float]) -> float:
    """The mean of the groups' means: each counts alike, however large."""
    return statistics.fmean(map(statistics.fmean, groups))


def gain(*groups: tuple[Sequence[float], Sequence[float]], rounds: int = 1000) -> dict[str, Any]:
    """How much higher the first of each pair are than the second, paired by user, with the 95 % interval.

    Args:
        groups: (values, values of the same users to compare with) of each group; the mean is that of their means.
        rounds: of the bootstrap.
    """
    differences = [[a - b for a, b in zip(values, over, strict=True)] for values, over in groups]
    return {
        "gain": round(mean_of_means(*differences), 3),
        "ci95": rounded(interval(*differences, rounds=rounds)),
    }


def rounded(pair: tuple[float, float]) -> list[float]:
    """An interval as JSON, to three digits."""
    return [round(pair[0], 3), round(pair[1], 3)]


def verbatim_share(profile: str, records: Sequence[str], *, run: int = VERBATIM_RUN) -> float:
    """The share of a profile's words that lie in a run of at least `run` words of one record, 0 to 1."""
    said = [fold(w) for w in words(profile)]
    known: set[tuple[str, ...]] = set()
    for record in records:
        tokens = [fold(w) for w in words(record)]
        known.update(tuple(tokens[at : at + run]) for at in range(len(tokens) - run + 1))
    copied = [False] * len(said)
    for at in range(len(said) - run + 1):
        if tuple(said[at : at + run]) in known:
            copied[at : at + run] = [True] * run
    return sum(copied) / len(said) if said else 0.0


def text_measures(profiles: Sequence[str], prompts: Sequence[Prompt], *, checked: bool = True) -> dict[str, Any]:
    """Mean length in words, verbatim overlap, empty profiles, and, where `checked`, the checks' verdict.

    `unsupported` is the share of sentences that the product's checks drop for want of evidence in what the prompt
    shows; `dropped` the share that they drop for any reason; `fallen` what falls although a list may lose names, as on
    the device. All are None where no sentence was written. `wrong_names` is the share of the names that the device
    would store which no record has, see `wrong_names`; None where there is none.
    """
    out: dict[str, Any] = {
        "words": round(statistics.fmean(len(p.split()) for p in profiles), 1),
        "verbatim": round(
            statistics.fmean(
                verbatim_share(text, [judged_text(i) for i in prompt.interactions])
                for text, prompt in zip(profiles, prompts, strict=True)
            ),
            3,
        ),
        "empty": sum(not text.strip() for text in profiles),
    }
    if checked:
        found = [check(text, prompt) for text, prompt in zip(profiles, prompts, strict=True)]
        stored = [check(text, prompt, trims=True) for text, prompt in zip(profiles, prompts, strict=True)]
        written = sum(f.written for f in found)
        for name, fell in (
            ("unsupported", sum(f.dropped.get("unsupported", 0) for f in found)),
            ("dropped", sum(sum(f.dropped.values()) for f in found)),
            ("fallen", sum(sum(f.dropped.values()) for f in stored)),
        ):
            out[name] = round(fell / written, 3) if written else None
        counts = [wrong_names(f.text, prompt) for f, prompt in zip(stored, prompts, strict=True)]
        wrong, names = (sum(column) for column in zip(*counts, strict=True))
        out["wrong_names"] = round(wrong / names, 4) if names else None
    return out


def wrong_names(profile: str, prompt: Prompt) -> tuple[int, int]:
    """How many names of a profile's lists stand in no one record with all their words, and how many there are.

    By itself, and stricter than the product's checks: no numbers that are known, and no two names run together. Of the
    first entry of a list the verb before it is left out where its name begins with a capital.
    """
    language = prompt.language
    records = [frozenset(stems(i.as_record(max_chars=4000), language)) for i in prompt.interactions]
    plain = stopwords(language)
    wrong = names = 0
    for sentence in sentences(profile):
        found = read_list(sentence, language)
        for entry in found.entries if found is not None else ():
            said = words(entry)
            content = frozenset(stems(" ".join(w for w in said if fold(w) not in plain), language))
            if content and any(word[:1].isupper() for word in said):
                names += 1
                wrong += not any(content <= record for record in records)
    return wrong, names


def as_stored(profiles: Sequence[str], prompts: Sequence[Prompt]) -> list[str]:
    """What the device would store of each profile; empty where nothing stands."""
    return [stored_text(text, prompt) for text, prompt in zip(profiles, prompts, strict=True)]


def mean_measures(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `text_measures` found of several sets of profiles as one: their mean, and the sum of the empty ones."""
    out: dict[str, Any] = {"empty": sum(part["empty"] for part in parts)}
    for name, digits in (
        ("words", 1),
        ("verbatim", 3),
        ("unsupported", 3),
        ("dropped", 3),
        ("fallen", 3),
        ("wrong_names", 4),
    ):
        known = [part[name] for part in parts if part.get(name) is not None]
        if name in parts[0]:
            out[name] = round(statistics.fmean(known), digits) if known else None
    return out
