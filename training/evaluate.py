"""Stage ``evaluate``: how well profiles tell their users apart, under several judges, beside what is not a profile.

    python -m training evaluate --data FILE (--model REF | --profiles FILE.jsonl) [--users N] [--compare name=REF,…]
        [--judges bm25,minilm,listwise-logits --judge-model RUN]

For each user the last interaction (or more, `held_out`) is held out; the profile ranks it against K other users'
held-out interactions, and it ranks the profile against these users' profiles. Chance is 0.945 summed at P = 1 and
K = 8, perfect 2. Beside the given profiles: the raw visible history, the extractive profile, one generic profile for
all, and the profile of another user (a little *below* chance backward: now and then a negative carries the right one).

A run that was killed leaves no file half-written; the same command starts again and ends in the same bytes.

With `--profiles` a line is ``{"user_id", "text"}`` (more is ignored), written from the visible part only: this stage
cannot see whether a file cheats. Users whom the file lacks are left out of the evaluation, and counted.

Departs from the paper, which reports downstream tasks (LaMP): this is the intrinsic measure, and it is why at least one
judge here must be one that gave no reward.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import EmptyHistoryError, UsageError
from bump_edge.metrics import chance_ndcg
from bump_edge.prompts import Prompt
from training.config import check_ranges
from training.histories import User, by_hash, cut, folds_of, prompt_of, raw_text, read_histories
from training.judges import Judge
from training.measures import GENERIC_PROFILE, gain, rank_all, text_measures
from training.opening import open_judge
from training.plots import bars
from training.prepare import read_shards
from training.profiles import read_profiles, write_profiles
from training.progress import say
from training.reward import RewardConfig
from training.runs import replace_file

GIVEN = "given"
BASELINES = ("raw", "extractive", "generic", "other")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Settings of the stage.

    Args:
        data: a history file, or the output folder of `prepare`.
        model: a model of bump-edge by name or path, a folder of transformers or a LoRA, or a training run's folder; or
        profiles: a JSON Lines file of profiles.
        dataset: which of a prepared folder's; needed where it has several.
        users: users at most, the first by hash; ≥ 2.
        split: ``train``, ``validation``, ``test`` or ``all``. Nothing may be tuned on what ``test`` says.
        judges: of `training.opening.JUDGES`; at least one.
        judge_model: a folder of transformers or the run of the stage `judge`, for the judges that are language models.
        judge_bfloat16: whether that model computes in bfloat16.
        judge_url, judge_name: of a judge that is served, its server's address and its name there.
        bfloat16: whether a `model` that is a folder of training computes in bfloat16.
        baselines: of raw, extractive, generic and other.
        compare: more to put beside it, ``name=REF`` each: a model, as `model`, or a file of profiles, as `profiles`, of
            which the name ends in .jsonl. The gain over each is told with its interval, paired by user.
        visible: interactions that a prompt shows, the last ones; ≥ 1.
        held_out: P; only for a history file, a prepared folder has its own; ≥ 1.
        negatives, shuffles, seed: K, M and the draws' seed, see `RewardConfig`.
        max_words, max_tokens: limits of a written profile.
        rounds: of the bootstrap; ≥ 40.
        out: a folder for evaluation.json, profiles.jsonl and the plot; none without it.
    """

    data: Path
    model: str | None = None
    profiles: Path | None = None
    dataset: str | None = None
    users: int = 100
    split: str = "validation"
    judges: tuple[str, ...] = ("bm25", "minilm")
    judge_model: Path | None = None
    judge_bfloat16: bool = False
    judge_url: str = ""
    judge_name: str = ""
    bfloat16: bool = False
    baselines: tuple[str, ...] = BASELINES
    compare: tuple[str, ...] = ()
    visible: int = 40
    held_out: int = 1
    negatives: int = 8
    shuffles: int = 2
    seed: int = 0
    max_words: int = 80
    max_tokens: int = 200
    rounds: int = 1000
    out: Path | None = None

    def __post_init__(self) -> None:
        check_ranges(
            self, users=(2, 10**9), visible=(1, 10**6), held_out=(1, 1000), max_words=(10, 400), max_tokens=(1, 10**5),
            rounds=(40, 10**6),
        )  # fmt: skip
        if (self.model is None) == (self.profiles is None):
            raise UsageError("expected either model or profiles: give one of --model REF and --profiles FILE.jsonl")
        if not self.judges or len(set(self.judges)) != len(self.judges):
            raise UsageError(f"judges is {list(self.judges)}: expected at least one, each once")
        if unknown := sorted(set(self.baselines) - set(BASELINES)):
            raise UsageError(f"baselines names {unknown[0]!r}: expected some of {', '.join(BASELINES)}")
        names = [name for name, _ in self.compared]
        taken = {GIVEN, *BASELINES, "chance"}
        if len(set(names)) != len(names) or not all(names) or taken & set(names):
            raise UsageError(
                f"compare names {', '.join(names)}: expected name=REF each, names that differ from each other and from "
                f"{', '.join(sorted(taken))}"
            )
        folds_of(self.split)

    @property
    def compared(self) -> list[tuple[str, str]]:
        """`compare` as (name, reference)."""
        parts = [entry.partition("=") for entry in self.compare]
        return [(name.strip() if reference else "", reference.strip()) for name, _, reference in parts]


def run(config: EvaluateConfig) -> dict[str, Any]:
    """Measure; returns the summary, and writes it to `out` where there is one.

    Raises:
        InputError: data or profiles cannot be read.
        EmptyHistoryError: fewer than two users can be evaluated.
        ModelError: the model cannot be opened.
        UsageError: a setting makes no sense.
    """
    judges: list[Judge] = [
        open_judge(
            name, model=config.judge_model, bfloat16=config.judge_bfloat16, url=config.judge_url,
            served=config.judge_name,
        )
        for name in config.judges
    ]  # fmt: skip
    left_out: Counter[str] = Counter()
    users = _users(config, left_out)
    asked = [(GIVEN, str(config.profiles or config.model)), *config.compared]
    files = {name: read_profiles(Path(reference)) for name, reference in asked if reference.endswith(".jsonl")}
    if config.profiles is not None:
        files[GIVEN] = read_profiles(config.profiles)
    for known in files.values():
        left_out["users_without_profile"] += sum(u.user_id not in known for u in users)
        users = [u for u in users if u.user_id in known]
    left_out = +left_out
    if len(users) < 2:
        raise EmptyHistoryError(
            f"{len(users)} users of the split {config.split} can be evaluated (left out: {dict(left_out) or 'none'}): "
            "expected at least 2; give more data, or another split"
        )
    prompts = [prompt_of(u.visible, visible=config.visible, max_words=config.max_words) for u in users]
    say(f"{len(users)} users; left out: {dict(left_out) or 'none'}")
    kinds: dict[str, Sequence[str]] = {
        name: [files[name][u.user_id] for u in users] if name in files else _write(reference, prompts, config)
        for name, reference in asked
    }
    own = kinds[GIVEN]
    kinds |= {kind: _baseline(kind, own, users, prompts, config) for kind in config.baselines}
    reward = RewardConfig(negatives=config.negatives, shuffles=config.shuffles, seed=config.seed)
    ranked = rank_all(users, kinds, judges, reward)
    table: dict[str, Any] = {}
    for kind, texts in kinds.items():
        # the raw history is the evidence itself, and no text that the checks were made for
        table[kind] = text_measures(texts, prompts, checked=kind != "raw")
        table[kind] |= {judge.name: ranked[kind][judge.name].as_json(config.rounds) for judge in judges}
    summary: dict[str, Any] = {
        "stage": "evaluate",
        "data": config.data.name,
        "split": config.split,
        "given": config.model if config.model is not None else str(config.profiles),
        "users": len(users),
        "left_out": dict(left_out),
        "chance": round(_chance(users, config.negatives), 3),
        "kinds": table,
        "gain_over": {
            kind: {
                judge.name: gain(
                    ranked[GIVEN][judge.name].totals, ranked[kind][judge.name].totals, rounds=config.rounds
                )
                for judge in judges
            }
            for kind in kinds
            if kind != GIVEN
        },
    }
    for line in table_lines(summary, [judge.name for judge in judges]):
        say(line)
    if config.out is not None:
        summary["out"] = _write_out(config.out, summary, users, own, [judge.name for judge in judges])
    return summary


def _users(config: EvaluateConfig, left_out: Counter[str]) -> list[User]:
    if config.data.is_dir():
        splits = ("train", "validation", "test") if config.split == "all" else (config.split,)
        found: dict[str, User] = {}
        others: set[str] = set()
        for dataset, user in (pair for split in splits for pair in read_shards(config.data, split)):
            if config.dataset in (None, dataset):
                found[user.user_id] = user
            others.add(dataset)
        # items of another data set are told apart without any profile
        if (config.dataset is None and len(others) > 1) or (config.dataset is not None and not found):
            raise UsageError(
                f"dataset is {config.dataset}: expected one of {', '.join(sorted(others))}, which {config.data} holds"
            )
        return [found[name] for name in by_hash(found)[: config.users]]
    folds = folds_of(config.split)
    problems: Counter[str] = Counter()
    histories = read_histories(
        config.data, folds=folds, limit=config.users, min_length=config.held_out + 1, problems=problems
    )
    left_out.update(problems)
    return [cut(history, config.held_out) for history in histories]


def _write(reference: str, prompts: Sequence[Prompt], config: EvaluateConfig) -> list[str]:
    return write_profiles(reference, prompts, max_tokens=config.max_tokens, bfloat16=config.bfloat16)


def _baseline(
    kind: str, own: Sequence[str], users: Sequence[User], prompts: Sequence[Prompt], config: EvaluateConfig
) -> Sequence[str]:
    match kind:
        case "raw":
            return [raw_text(u.visible, visible=config.visible) for u in users]
        case "extractive":
            return own if config.model == "extractive" else _write("extractive", prompts, config)
        case "generic":
            return [GENERIC_PROFILE] * len(users)
        case _:
            return [*own[1:], own[0]]


def _chance(users: Sequence[User], negatives: int) -> float:
    """Forward + backward of a random ranking, with as many negatives as there can be."""
    others = min(negatives, len(users) - 1)
    return statistics.fmean(
        chance_ndcg(len(u.held_out), len(u.held_out) + others) + chance_ndcg(1, 1 + others) for u in users
    )


def table_lines(summary: Mapping[str, Any], judges: Sequence[str]) -> list[str]:
    """The summary as lines of a table for people."""
    lines = [f"{'profile':<16}{'words':>7}{'unsup.':>8}{'verb.':>7}" + "".join(f"{j:>28}" for j in judges)]
    for kind, row in summary["kinds"].items():
        unsupported = row.get("unsupported")
        cells = "".join(
            f"{row[j]['ndcg']:.3f} [{row[j]['ci95'][0]:.3f}, {row[j]['ci95'][1]:.3f}]".rjust(28) for j in judges
        )
        shown = "-" if unsupported is None else f"{unsupported:.3f}"
        lines.append(f"{kind:<16}{row['words']:>7.1f}{shown:>8}{row['verbatim']:>7.3f}{cells}")
    return [*lines, f"{'chance':<16}{summary['chance']:>34.3f}"]


def _write_out(
    out: Path, summary: Mapping[str, Any], users: Sequence[User], own: Sequence[str], judges: Sequence[str]
) -> dict[str, str | None]:
    out.mkdir(parents=True, exist_ok=True)
    rows = [orjson.dumps({"user_id": u.user_id, "text": text}) for u, text in zip(users, own, strict=True)]
    (out / "evaluation.json").unlink(missing_ok=True)  # written last: where it is, what lies beside it belongs to it
    replace_file(out / "profiles.jsonl", b"\n".join(rows) + b"\n")
    picture = out / ".evaluation.new.png"
    plotted = bars(summary, judges, picture)
    if plotted:
        picture.rename(out / "evaluation.png")
    else:
        say("no plot: matplotlib is not installed (pip install 'bump-edge[bench]')")
    replace_file(out / "evaluation.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    return {
        "evaluation.json": str(out / "evaluation.json"),
        "profiles.jsonl": str(out / "profiles.jsonl"),
        "evaluation.png": str(out / "evaluation.png") if plotted else None,
    }
