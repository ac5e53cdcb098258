"""The reward as TRL calls it: gather the batch over all processes, judge it user by user, return the own rows.

TRL gives a reward function the rollouts of its own process only, and a group may lie astride two. So every process
gathers all of them; each then judges whole users, taking turns, one call of the judge a user: what a judge reads
together, and so every digit of the reward, is the same for one process and for many.

A run that learns nothing says so: TRL goes on in silence when all rewards of a group are equal, None or NaN.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import BumpEdgeError, UsageError
from bump_edge.prompts import Prompt
from training.blue import blue_rewards
from training.judges import Judge
from training.reward import Draw, Member, Reward, RewardConfig, draw, hard_positives, rewards
from training.stored import dropped_share, lost_share, stored_text

Encode = Callable[[Sequence[str]], Sequence[Any]]
Write = Callable[[Sequence[Sequence[Mapping[str, str]]], Sequence[str]], Sequence[str]]


class LearnsNothingError(BumpEdgeError):
    """Training goes on without anything to learn from: stopped."""

    code = "learns_nothing"
    exit_code = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A user of the batch with all rollouts.

    Args:
        key, dataset, mode: who, from where, asked to write or to update.
        held_out: what follows the cut; with BUMP+ more than P, to pick from.
        visible: the window.
        asked: the prompt.
        other: chat messages of the same prompt in another order.
        profiles, tokens, ended: G each: texts, lengths with the end token, and whether they ended.
    """

    key: str
    dataset: str
    mode: str
    held_out: tuple[str, ...]
    visible: tuple[str, ...]
    asked: Prompt
    other: tuple[Mapping[str, str], ...]
    profiles: tuple[str, ...]
    tokens: tuple[int, ...]
    ended: tuple[bool, ...]


class BumpReward:
    """The reward function of a run; its name is what TRL's metrics are called by.

    Args:
        judge: frozen.
        config: of the reward.
        rollouts: G.
        held_out: P.
        read: the text of a rollout's tokens, and whether it ended.
        encode: unit vectors of texts, for BUMP+, BLUE and the stability term.
        write: profiles for chat messages by the policy as it is, seeded by (step, user): for the stability term.
        watch: told of every step.
        samples: sample profiles go there.
    """

    __name__ = "bump"

    def __init__(
        self,
        judge: Judge,
        config: RewardConfig,
        *,
        rollouts: int,
        held_out: int,
        read: Callable[[Sequence[int]], tuple[str, bool]],
        encode: Encode | None = None,
        write: Write | None = None,
        watch: Watch | None = None,
        samples: Samples | None = None,
    ) -> None:
        if write is None and config.stability_weight:
            raise UsageError("stability_weight needs a policy to write with: expected write")
        if encode is None and (config.hard or config.stability_weight or config.objective == "blue"):
            raise UsageError("hard, stability_weight and objective = blue need an encoder: install 'bump-edge[bench]'")
        self._judge, self._config = judge, config
        self._rollouts, self._held_out = rollouts, held_out
        self._read = read
        self._encode: Encode = encode or _without
        self._write: Write = write or _without
        self._watch, self._samples = watch, samples

    def __call__(
        self,
        *,
        completion_ids: Sequence[Sequence[int]],
        key: Sequence[str],
        dataset: Sequence[str],
        mode: Sequence[str],
        held_out: Sequence[Sequence[str]],
        visible: Sequence[Sequence[str]],
        asked: Sequence[Prompt],
        other: Sequence[Sequence[Mapping[str, str]]],
        trainer_state: Any,
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float | None]:
        """One reward a rollout of this process; None where the judge gave no number."""
        from accelerate import PartialState
        from accelerate.utils import gather_object

        state = PartialState()
        own = [
            (*row, *self._read(ids), len(ids))
            for *row, ids in zip(key, dataset, mode, held_out, visible, asked, other, completion_ids, strict=True)
        ]
        groups = group(gather_object(own), self._rollouts)
        step = trainer_state.global_step
        mine = range(state.process_index, len(groups), state.num_processes)
        found = self.judged(groups, step, only=mine)
        everyone = dict(gather_object(list(zip(mine, found, strict=True))))
        table = [everyone[user] for user in range(len(groups))]
        numbers = self.measure(groups, table)
        for name, value in numbers.items():
            log_metric(name, value)
        if self._watch is not None:
            self._watch.judged(numbers, step)
        if self._samples is not None and state.is_main_process:
            self._samples.take(step, groups, table)
        flat = [reward.total for row in table for reward in row]
        first = state.process_index * len(own)
        return [value if math.isfinite(value) else None for value in flat[first : first + len(own)]]

    def judged(self, groups: Sequence[Group], step: int, *, only: Sequence[int]) -> list[list[Reward]]:
        """The rewards of the users at the positions `only`: users × G."""
        members, draws = self._members(groups, step)
        profiles: list[Sequence[str]] = [group.profiles for group in groups]
        if self._config.stored:  # of all groups: a user's profile is another's candidate
            profiles = [[stored_text(text, g.asked) for text in g.profiles] for g in groups]
        tokens = [group.tokens for group in groups]
        ended = [group.ended for group in groups]
        if self._config.objective == "blue":
            found = blue_rewards(members, profiles, self._judge, self._encode, self._config, step=step,
                                 tokens=tokens, ended=ended, draws=draws, only=only)  # fmt: skip
        else:
            found = rewards(members, profiles, self._judge, self._config, step=step, tokens=tokens, ended=ended,
                            draws=draws, only=only)  # fmt: skip
        if self._config.stability_weight and only:
            found = self._stabilised([groups[user] for user in only], found)
        if self._config.dropped_weight or self._config.lost_weight:
            found = self._checked([groups[user] for user in only], found)
        return found

    def measure(self, groups: Sequence[Group], table: Sequence[Sequence[Reward]]) -> dict[str, float]:
        """What is logged of a step, over all processes."""
        flat = [reward for row in table for reward in row]
        kept = [reward for reward in flat if not reward.floored]
        directions = self._config.forward + self._config.backward * self._held_out
        if self._config.objective == "blue":
            directions = 1
        asked = len(kept) * directions * (self._config.shuffles if self._judge.reads_order else 1)
        return {
            "reward/total": _mean([r.total for r in flat]),
            "reward/forward": _mean([r.forward for r in flat]),
            "reward/backward": _mean([r.backward for r in flat]),
            "reward/length": _mean([r.length for r in flat]),
            "reward/stability": _mean([r.stability for r in flat]),
            "reward/dropped": _mean([r.dropped for r in flat]),
            "reward/lost": _mean([r.lost for r in flat]),
            "reward/floored": _mean([float(r.floored) for r in flat]),
            "reward/zero_spread": _mean([float(not has_spread([r.total for r in row])) for row in table]),
            "judge/unparsed": sum(r.unparsed for r in kept) / asked if asked else 0.0,
            "judge/tokens": float(sum(r.tokens for r in flat)),
            "profile/tokens": _mean([float(n) for g in groups for n in g.tokens]),
            "profile/update_share": _mean([float(g.mode == "update") for g in groups]),
        }

    def _members(self, groups: Sequence[Group], step: int) -> tuple[list[Member], list[Draw]]:
        members = [Member(key=g.key, held_out=g.held_out[: self._held_out], visible=g.visible) for g in groups]
        if not self._config.hard:
            return members, draw(members, self._config, step)
        centres: list[Any] = []
        for at, one in enumerate(groups):
            centre: Any = sum(self._encode(one.visible)) / len(one.visible)
            centre = centre / max(float((centre @ centre) ** 0.5), 1e-12)
            centres.append(centre)
            alike = [float(vector @ centre) for vector in self._encode(one.held_out)]
            picked = hard_positives(alike, self._held_out)
            members[at] = replace(members[at], held_out=tuple(one.held_out[place] for place in picked))
        similarity = [[float(a @ b) for b in centres] for a in centres]
        # ours: the K others of both directions are the hard ones, as one draw serves both
        return members, draw(members, self._config, step, similarity=similarity)

    def _stabilised(self, groups: Sequence[Group], found: list[list[Reward]]) -> list[list[Reward]]:
        texts = self._write([g.other for g in groups], [g.key for g in groups])
        out = []
        for one, text, row in zip(groups, texts, found, strict=True):
            target, *own = self._encode([text, *one.profiles])
            cosines = [max(0.0, float(vector @ target)) if text.strip() else 0.0 for vector in own]
            out.append([
                r if r.floored else replace(r, total=r.total + self._config.stability_weight * c, stability=c)
                for r, c in zip(row, cosines, strict=True)
            ])  # fmt: skip
        return out

    def _checked(self, groups: Sequence[Group], found: list[list[Reward]]) -> list[list[Reward]]:
        out = []
        for one, row in zip(groups, found, strict=True):
            out.append([self._less(reward, text, one.asked) for reward, text in zip(row, one.profiles, strict=True)])
        return out

    def _less(self, reward: Reward, profile: str, asked: Prompt) -> Reward:
        """The reward without what the checks take off it."""
        if reward.floored:
            return reward
        dropped = dropped_share(profile, asked) if self._config.dropped_weight else 0.0
        lost = lost_share(profile, asked) if self._config.lost_weight else 0.0
        taken = self._config.dropped_weight * dropped + self._config.lost_weight * lost
        return replace(reward, total=reward.total - taken, dropped=dropped, lost=lost)


def group(rows: Sequence[Sequence[Any]], rollouts: int) -> list[Group]:
    """The users of gathered rows, G neighbours each.

    Raises:
        UsageError: the rows are no whole groups, or there is one user only.
    """
    if len(rows) % rollouts:
        raise UsageError(
            f"{len(rows)} rollouts were gathered, {rollouts} a user: expected whole groups; users x rollouts must be a "
            "multiple of the number of processes"
        )
    groups = []
    for at in range(0, len(rows), rollouts):
        part = rows[at : at + rollouts]
        if len({row[0] for row in part}) != 1:
            raise UsageError(
                f"one group of {rollouts} rollouts has the users {sorted({str(row[0]) for row in part})}: expected "
                "one; is the data set shuffled?"
            )
        key, dataset, mode, held_out, visible, asked, other, *_ = part[0]
        groups.append(
            Group(
                key=key, dataset=dataset, mode=mode, held_out=tuple(held_out), visible=tuple(visible),
                asked=asked, other=tuple(other), profiles=tuple(row[7] for row in part),
                ended=tuple(row[8] for row in part), tokens=tuple(row[9] for row in part),
            )
        )  # fmt: skip
    if len(groups) < 2:
        raise UsageError(
            "the batch has one user: expected at least two, as the others are the negatives; raise users in [grpo]"
        )
    return groups


def has_spread(values: Sequence[float | None]) -> bool:
    """Whether a group's rewards differ, so that GRPO learns from it."""
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    return len(numbers) > 1 and max(numbers) - min(numbers) > 1e-6


class Watch:
    """Stops a run that learns nothing.

    Args:
        patience: steps in a row that may pass without a group whose rewards differ, ≥ 1.
        max_unparsed: share of the judge's answers that may need repair, as a mean over `patience` steps.
    """

    def __init__(self, patience: int, max_unparsed: float) -> None:
        self._patience, self._max_unparsed = patience, max_unparsed
        self._dead = 0
        self._floored: list[float] = []
        self._unparsed: list[float] = []

    def judged(self, numbers: Mapping[str, float], step: int) -> None:
        """Take note of what a step's rewards were made of.

        Raises:
            LearnsNothingError: all rollouts were floored, or the judge cannot be read.
        """
        self._floored = [*self._floored, numbers["reward/floored"]][-self._patience :]
        self._unparsed = [*self._unparsed, numbers["judge/unparsed"]][-self._patience :]
        if len(self._floored) < self._patience:
            return
        if min(self._floored) == 1.0:
            raise LearnsNothingError(
                f"every profile of {self._patience} steps up to {step} was empty or never ended: start from a model "
                "that has learned to write profiles (stage warmup), or raise max_tokens",
                details={"step": step},
            )
        share = statistics.fmean(self._unparsed)
        if share > self._max_unparsed:
            raise LearnsNothingError(
                f"{share:.0%} of the judge's answers over {self._patience} steps up to {step} were no permutation, "
                f"more than max_unparsed = {self._max_unparsed:g}: take another judge, or train this one (stage judge)",
                details={"step": step, "share": share},
            )

    def rewarded(self, groups: Sequence[Sequence[float | None]], step: int) -> None:
        """Take note of a step's final rewards, a row a group; NaN counts as none.

        Raises:
            LearnsNothingError: for `patience` steps no group had two rewards that differ.
        """
        self._dead = 0 if any(map(has_spread, groups)) else self._dead + 1
        if self._dead < self._patience:
            return
        numbers = [v for row in groups for v in row if v is not None and math.isfinite(v)]
        if numbers:
            what = (
                f"every group's rewards were equal (the last: {numbers[0]:.4g}): set smooth = true in [reward], raise "
                "the temperature or rollouts in [grpo], or look into samples.jsonl whether all profiles are alike"
            )
        else:
            what = "all rewards were None or NaN: does the judge give finite scores? Look at its model's weights"
        raise LearnsNothingError(f"for {self._dead} steps up to {step} {what}", details={"step": step})


def check_names(functions: Sequence[Callable[..., Any]]) -> None:
    """Raise `UsageError` if two reward functions have one name: TRL would mix their metrics into one."""
    names = [str(getattr(function, "__name__", type(function).__name__)) for function in functions]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two reward functions are called {twice[0]!r}: give each a __name__ of its own")


class Samples:
    """Sample profiles in a JSON Lines file, for people to read while a run goes on.

    Args:
        path: the file; lines of steps from `start` on are of a run that was killed, and are cut off.
        every: steps between two samplings, ≥ 1.
        start: the step that the run goes on from.
        many: users a time.
    """

    def __init__(self, path: Path, every: int, *, start: int = 0, many: int = 3) -> None:
        self._path, self._every, self._many = path, every, many
        if path.is_file():
            known = [line for line in path.read_bytes().splitlines() if orjson.loads(line)["step"] < start]
            path.write_bytes(b"".join(line + b"\n" for line in known))

    def take(self, step: int, groups: Sequence[Group], table: Sequence[Sequence[Reward]]) -> None:
        """Write a few of this step's, if it is its turn: a user's first rollout, and what it earned."""
        if step % self._every:
            return
        with self._path.open("ab") as file:
            for one, row in list(zip(groups, table, strict=True))[: self._many]:
                line = {
                    "step": step, "user": one.key, "mode": one.mode, "profile": one.profiles[0],
                    "reward": row[0].total, "forward": row[0].forward, "backward": row[0].backward,
                    "tokens": one.tokens[0], "ended": one.ended[0], "held_out": one.held_out,
                }  # fmt: skip
                file.write(orjson.dumps(line) + b"\n")


def _without(*_: Any) -> Any:
    raise UsageError("the reward has no encoder, or no policy to write with")


def _mean(values: Sequence[float]) -> float:
    numbers = [value for value in values if math.isfinite(value)]
    return statistics.fmean(numbers) if numbers else 0.0
