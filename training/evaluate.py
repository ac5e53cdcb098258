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
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import EmptyHistoryError, UsageError
from bump_edge.metrics import chance_ndcg
from bump_edge.prompts import Prompt
from training.config import check_ranges
from training.histories import User, by_hash, cut, folds_of, prompt_of, raw_text, read_histories
from training.judges import Judge
from training.measures import (
    GENERIC_PROFILE,
    Ranked,
    as_stored,
    gain,
    mean_measures,
    rank_all,
    ranked_json,
    text_measures,
)
from training.opening import open_judge
from training.plots import bars
from training.prepare import read_shards
from training.profiles import read_profiles, write_profiles
from training.progress import say
from training.reward import RewardConfig
from training.runs import replace_file
from training.tables import markdown, put

GIVEN = "given"
NO_PLOT = "no plot: matplotlib is not installed (pip install 'bump-edge[bench]')"
BASELINES = ("raw", "extractive", "generic", "other")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Settings of the stage.

    Args:
        data: a history file, or the output folder of `prepare`.
        model: a model of bump-edge by name or path, a folder of transformers or a LoRA, or a training run's folder; or
        profiles: a JSON Lines file of profiles.
        datasets: which of a prepared folder's; all of them without. Several are measured each by itself, and as a mean
            in which each counts alike.
        users: of each data set at most, the first by hash; ≥ 2.
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
        stored: judge what the device would store of a profile that was written or given, not what was written; the
            shares of sentences are of what was written either way.
        rounds: of the bootstrap; ≥ 40.
        out: a folder for evaluation.json, profiles.jsonl and the plot; none without it.
        readme: a Markdown file that the table goes into too, between the marks of `training.tables`.
        plot: where the plot goes too, a name in .png or .svg.
    """

    data: Path
    model: str | None = None
    profiles: Path | None = None
    datasets: tuple[str, ...] = ()
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
    stored: bool = False
    rounds: int = 1000
    out: Path | None = None
    readme: Path | None = None
    plot: Path | None = None

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
    sets = _users(config, left_out)
    asked = [(GIVEN, str(config.profiles or config.model)), *config.compared]
    files = {name: read_profiles(Path(reference)) for name, reference in asked if reference.endswith(".jsonl")}
    if config.profiles is not None:
        files[GIVEN] = read_profiles(config.profiles)
    for known in files.values():
        left_out["users_without_profile"] += sum(u.user_id not in known for users in sets.values() for u in users)
        sets = {name: [u for u in users if u.user_id in known] for name, users in sets.items()}
    left_out = +left_out
    for name, users in sets.items():
        if len(users) < 2:
            raise EmptyHistoryError(
                f"{len(users)} users of the split {config.split} of {name} can be evaluated (left out: "
                f"{dict(left_out) or 'none'}): expected at least 2; give more data, or another split"
            )
    say(f"{', '.join(f'{len(users)} users of {name}' for name, users in sets.items())}; left out: "
        f"{dict(left_out) or 'none'}")  # fmt: skip
    found = _measured(config, sets, asked, files, judges)
    names = [judge.name for judge in judges]
    several = [_table([one], names, config) for one in found]
    summary: dict[str, Any] = {
        "stage": "evaluate",
        "data": config.data.name,
        "split": config.split,
        "given": config.model if config.model is not None else str(config.profiles),
        "left_out": dict(left_out),
        **(several[0] if len(found) == 1 else _table(found, names, config)),
    }
    if len(found) > 1:
        summary["datasets"] = dict(zip(sets, several, strict=True))
        for name, one in summary["datasets"].items():
            for line in (f"-- {name}, {one['users']} users", *table_lines(one, names)):
                say(line)
        say(f"-- mean of {', '.join(sets)}")
    for line in table_lines(summary, names):
        say(line)
    if config.out is not None:
        own = {u.user_id: text for one in found for u, text in zip(one.users, one.kinds[GIVEN], strict=True)}
        summary["out"] = _write_out(config.out, summary, own, names)
    if config.readme is not None:
        put(config.readme, markdown(summary, names))
    if config.plot is not None and not bars(summary, names, config.plot):
        say(NO_PLOT)
    return summary


@dataclass(frozen=True, slots=True)
class _Set:
    """A data set as it was measured."""

    users: Sequence[User]
    kinds: Mapping[str, Sequence[str]]
    texts: Mapping[str, Mapping[str, Any]]
    ranked: Mapping[str, Mapping[str, Ranked]]


def _measured(
    config: EvaluateConfig, sets: Mapping[str, Sequence[User]], asked: Sequence[tuple[str, str]],
    files: Mapping[str, Mapping[str, str]], judges: Sequence[Judge],
) -> list[_Set]:  # fmt: skip
    """Profiles of each kind and what the judges say of them, set by set; a model is opened once for all sets."""
    reward = RewardConfig(negatives=config.negatives, shuffles=config.shuffles, seed=config.seed)
    prompts = {
        name: [prompt_of(u.visible, visible=config.visible, max_words=config.max_words) for u in users]
        for name, users in sets.items()
    }
    texts: dict[str, dict[str, Sequence[str]]] = {name: {} for name in sets}
    written: dict[str, Sequence[str]]
    for kind, reference in [*asked, *((kind, "") for kind in config.baselines)]:
        if kind in files:
            written = {name: [files[kind][u.user_id] for u in users] for name, users in sets.items()}
        elif reference or kind == "extractive":
            written = _write(reference or kind, prompts, config)
        else:
            written = {name: _baseline(kind, texts[name][GIVEN], users, config) for name, users in sets.items()}
        for name in sets:
            texts[name][kind] = written[name]
    found = []
    for name, users in sets.items():
        say(f"judging the {len(texts[name])} kinds of profiles of {name}")
        judged = dict(texts[name])
        if config.stored:
            judged |= {kind: as_stored(judged[kind], prompts[name]) for kind, _ in asked}
        found.append(
            _Set(
                users=users,
                kinds=texts[name],
                # the raw history is the evidence itself, and no text that the checks were made for
                texts={
                    kind: text_measures(own, prompts[name], checked=kind != "raw") for kind, own in texts[name].items()
                },
                ranked=rank_all(users, judged, judges, reward),
            )
        )
    return found


def _table(sets: Sequence[_Set], judges: Sequence[str], config: EvaluateConfig) -> dict[str, Any]:
    """What is told of some data sets: of one as it is, of several the mean, in which each set counts alike."""
    kinds: dict[str, Any] = {}
    for kind in sets[0].kinds:
        kinds[kind] = mean_measures([one.texts[kind] for one in sets])
        for judge in judges:
            kinds[kind][judge] = ranked_json([one.ranked[kind][judge] for one in sets], config.rounds)
    return {
        "users": sum(len(one.users) for one in sets),
        "chance": round(statistics.fmean(_chance(one.users, config.negatives) for one in sets), 3),
        "kinds": kinds,
        "gain_over": {
            kind: {
                judge: gain(
                    *((one.ranked[GIVEN][judge].totals, one.ranked[kind][judge].totals) for one in sets),
                    rounds=config.rounds,
                )
                for judge in judges
            }
            for kind in kinds
            if kind != GIVEN
        },
    }


def _users(config: EvaluateConfig, left_out: Counter[str]) -> dict[str, list[User]]:
    """Data set → users. Sets are measured apart: items of another one are told apart without any profile."""
    if not config.data.is_dir():
        problems: Counter[str] = Counter()
        histories = read_histories(
            config.data, folds=folds_of(config.split), limit=config.users, min_length=config.held_out + 1,
            problems=problems,
        )  # fmt: skip
        left_out.update(problems)
        return {config.data.name: [cut(history, config.held_out) for history in histories]}
    splits = ("train", "validation", "test") if config.split == "all" else (config.split,)
    found: dict[str, dict[str, User]] = {}
    for dataset, user in (pair for split in splits for pair in read_shards(config.data, split)):
        found.setdefault(dataset, {})[user.user_id] = user
    if not found:
        raise EmptyHistoryError(
            f"{config.data} has no user of the split {config.split}: prepare more data, or take another split"
        )
    wanted = config.datasets or tuple(sorted(found))
    if unknown := sorted(set(wanted) - found.keys()):
        raise UsageError(
            f"datasets names {unknown[0]!r}: expected some of {', '.join(sorted(found))}, of which "
            f"{config.data} has users of the split {config.split}"
        )
    return {name: [found[name][user] for user in by_hash(found[name])[: config.users]] for name in wanted}


def _write(reference: str, prompts: Mapping[str, Sequence[Prompt]], config: EvaluateConfig) -> dict[str, Sequence[str]]:
    every = [prompt for own in prompts.values() for prompt in own]
    texts = iter(write_profiles(reference, every, max_tokens=config.max_tokens, bfloat16=config.bfloat16))
    return {name: list(islice(texts, len(own))) for name, own in prompts.items()}


def _baseline(kind: str, own: Sequence[str], users: Sequence[User], config: EvaluateConfig) -> Sequence[str]:
    match kind:
        case "raw":
            return [raw_text(u.visible, visible=config.visible) for u in users]
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
    lines = [f"{'profile':<16}{'words':>7}{'unsup.':>8}{'fallen':>8}{'verb.':>7}" + "".join(f"{j:>28}" for j in judges)]
    for kind, row in summary["kinds"].items():
        unsupported, fallen = ("-" if row.get(k) is None else f"{row[k]:.3f}" for k in ("unsupported", "fallen"))
        cells = "".join(
            f"{row[j]['ndcg']:.3f} [{row[j]['ci95'][0]:.3f}, {row[j]['ci95'][1]:.3f}]".rjust(28) for j in judges
        )
        lines.append(f"{kind:<16}{row['words']:>7.1f}{unsupported:>8}{fallen:>8}{row['verbatim']:>7.3f}{cells}")
    return [*lines, f"{'chance':<16}{summary['chance']:>42.3f}"]


def _write_out(
    out: Path, summary: Mapping[str, Any], own: Mapping[str, str], judges: Sequence[str]
) -> dict[str, str | None]:
    out.mkdir(parents=True, exist_ok=True)
    rows = [orjson.dumps({"user_id": user, "text": text}) for user, text in own.items()]
    (out / "evaluation.json").unlink(missing_ok=True)  # written last: where it is, what lies beside it belongs to it
    replace_file(out / "profiles.jsonl", b"\n".join(rows) + b"\n")
    picture = out / ".evaluation.new.png"
    plotted = bars(summary, judges, picture)
    if plotted:
        picture.rename(out / "evaluation.png")
    else:
        say(NO_PLOT)
    replace_file(out / "evaluation.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    return {
        "evaluation.json": str(out / "evaluation.json"),
        "profiles.jsonl": str(out / "profiles.jsonl"),
        "evaluation.png": str(out / "evaluation.png") if plotted else None,
    }
