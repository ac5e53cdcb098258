"""Stage ``grpo``: the profiler is trained by what its profiles tell: BUMP's reward under TRL's GRPO.

A step: `users` users of one data set; G profiles of each, sampled from the policy; each rewarded by how well it ranks
its owner's held-out interactions among others', and is ranked for them among others' profiles, by a frozen judge
(R = R_fwd + R_bwd − R_len, section [reward]); advantages are rewards scaled inside the group; one update.

Departs from the paper in:

* the start: any model, where the paper starts from Qwen3-4B-Instruct-2507; a small one needs the stage warmup first;
* the judge: any of `training.opening`; the paper's is Qwen3-4B served by vLLM (``served``);
* advantages: `scale` = none leaves them as the rewards are. Divided by the spread of its group, a user whose profiles
  all say the same teaches the noise of wording as loudly as another one teaches what tells users apart: measured on
  SmolLM2, profiles fell to one sentence that way, on office although longer ones earned more (README.md);
* the stream: windows cut at random points of a history, a share of them in update mode (`training.batches`);
* speed, not result: in one process a prompt is read once for its G profiles, in sampling (`training.rollouts`) and in
  the update (`training.policy`). With several processes TRL reads it G times, because gradients are then gathered by
  hooks of a forward pass that it must go through itself;
* BLUE, BUMP+, one direction alone, a stability term and one for sentences without evidence are switches of [reward].
  What the paper leaves open is decided in `training.reward`.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bump_edge.errors import BackendUnavailableError, UsageError
from training.batches import Cuts, Stream, dataset_of, read_users
from training.config import as_json, check_ranges
from training.judges import Judge
from training.models import load, missing
from training.opening import open_judge
from training.reward import RewardConfig
from training.rewarding import BumpReward, Samples, Watch
from training.rounding import check_block, rounds
from training.runs import Run, arguments, keeper, open_run

SCALES = ("group", "batch", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class GrpoConfig:
    """Settings of the stage.

    Args:
        data: the output folder of `prepare`. datasets: only these of it. max_users: of each at most; 0 takes all.
        model: the policy to start from, a folder of transformers, or a LoRA of peft to go on with.
        out: the run's folder; a run that was killed goes on from its last checkpoint.
        judge, judge_model, judge_bfloat16: see `training.opening.open_judge`. judge_url, judge_name: of a judge that
            is served, its server's address and its name there.
        steps: of the optimiser, ≥ 1.
        users: in a step, ≥ 2. rollouts: G, ≥ 2.
        update_users: users whose update is computed at once; less takes less memory; a divisor of `users`.
        held_out, hard_pool, visible, min_visible, update_share, update_new, max_words: see `training.batches.Cuts`.
        max_tokens: of a profile; one that is cut earns nothing.
        temperature, top_p: of sampling.
        learning_rate: at its top; 0 is 1e-6, or 1e-5 with LoRA. warmup: share of the steps in which it rises.
        epsilon: GRPO's clipping, in (0, 1]. beta: weight of the KL term, 0 for none.
        scale: what a group's rewards, less their mean, are divided by: ``group``, the group's own spread, as in the
            paper; ``batch``, that of the whole step; ``none``, nothing.
        lora_rank: 0 trains all weights. lora_alpha: its scale.
        int4_block: sample from and train weights rounded as an export to int4 rounds them, see `training.rounding`.
        blend: share of the trained weights in the finished model, in (0, 1]; the rest is the start's. Below 1 it
            keeps more of what the start can do on logs that are not trained on, see `CausalModel.blend`.
        bfloat16: products of the update in it, and sampling from a copy of the weights in it.
        use_vllm: sample with vLLM, on a GPU. vllm_mode: ``colocate`` or ``server``. vllm_url: of the server.
        save_every: steps between checkpoints, ≥ 1.
        patience: steps without anything to learn after which a run stops. max_unparsed: see `rewarding.Watch`.
        seed: of everything but the reward's draws, which have their own.
    """

    data: Path
    model: Path
    out: Path
    datasets: tuple[str, ...] = ()
    max_users: int = 0
    judge: str = "listwise-logits"
    judge_model: Path | None = None
    judge_bfloat16: bool = False
    judge_url: str = ""
    judge_name: str = ""
    steps: int = 200
    users: int = 8
    rollouts: int = 8
    update_users: int = 2
    held_out: int = 1
    hard_pool: int = 4
    visible: int = 20
    min_visible: int = 4
    update_share: float = 0.2
    update_new: int = 5
    max_words: int = 80
    max_tokens: int = 160
    temperature: float = 1.0
    top_p: float = 1.0
    learning_rate: float = 0.0
    warmup: float = 0.05
    epsilon: float = 0.2
    beta: float = 0.0
    scale: str = "group"
    lora_rank: int = 0
    lora_alpha: int = 32
    int4_block: int = 0
    blend: float = 1.0
    bfloat16: bool = True
    use_vllm: bool = False
    vllm_mode: str = "colocate"
    vllm_url: str = ""
    save_every: int = 25
    patience: int = 5
    max_unparsed: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            self, max_users=(0, 10**9), steps=(1, 10**7), users=(2, 10**6), rollouts=(2, 1000),
            update_users=(1, 10**6), max_tokens=(1, 10**5), temperature=(1e-3, 10), top_p=(1e-6, 1),
            learning_rate=(0, 1), warmup=(0, 1), epsilon=(1e-6, 1), beta=(0, 100), lora_rank=(0, 4096),
            lora_alpha=(1, 10**5), save_every=(1, 10**7), patience=(1, 10**7), max_unparsed=(0, 1),
            blend=(1e-6, 1),
        )  # fmt: skip
        if self.users % self.update_users:
            raise UsageError(f"update_users is {self.update_users}: expected a divisor of users, {self.users}")
        check_block(self.int4_block)
        if self.blend < 1 and self.lora_rank:
            raise UsageError("blend is for training all weights: expected lora_rank 0")
        if self.scale not in SCALES:
            raise UsageError(f"scale is {self.scale!r}: expected one of {', '.join(SCALES)}")
        if self.vllm_mode not in ("colocate", "server"):
            raise UsageError(f"vllm_mode is {self.vllm_mode!r}: expected colocate or server")
        _ = self.cuts(hard=False)  # looks at the ranges of the others

    def cuts(self, *, hard: bool) -> Cuts:
        """How histories are cut; `hard` holds out more, to pick from."""
        return Cuts(
            users=self.users, held_out=self.held_out, hard_pool=self.hard_pool if hard else 1, visible=self.visible,
            min_visible=self.min_visible, update_share=self.update_share, update_new=self.update_new,
            max_words=self.max_words, seed=self.seed,
        )  # fmt: skip


def run(config: GrpoConfig, reward: RewardConfig) -> dict[str, Any]:
    """Train; returns the summary.

    Raises:
        UsageError: a setting makes no sense, or `out` holds another run.
        InputError, EmptyHistoryError: the data cannot be read, or have no user to train on.
        ModelError: a model, or a package that it needs, is missing.
        LearnsNothingError: see `rewarding.Watch`.
    """
    trl = _packages(config)
    state = trl.PartialState()
    settings = {**as_json(config), "reward": as_json(reward)}
    del settings["out"]
    if not config.int4_block:
        del settings["int4_block"]  # runs from before there was such a thing go on
    if config.blend == 1:
        del settings["blend"]
    with state.main_process_first():
        opened = open_run(config.out, "grpo", settings)
        if opened.summary is not None:
            return opened.summary
        last = opened.start() if state.is_main_process else _checkpoint(opened)
    cuts = config.cuts(hard=reward.hard)
    stream = Stream(read_users(config.data, cuts, datasets=config.datasets, limit=config.max_users), cuts)
    # where a LoRA's base is gets written down: a path that holds from any folder
    policy = load(config.model.resolve(), trainable=True)
    judge = open_judge(
        config.judge, model=config.judge_model, bfloat16=config.judge_bfloat16, url=config.judge_url,
        served=config.judge_name,
    )  # fmt: skip
    watch = Watch(config.patience, config.max_unparsed)
    samples = Samples(opened.out / "samples.jsonl", config.save_every, start=step_of(last))

    def bump(trainer: Any) -> list[Any]:
        return [
            BumpReward(
                judge, reward, rollouts=config.rollouts, held_out=config.held_out, read=trainer.read,
                write=trainer.write, encode=_encoder(judge, reward), watch=watch, samples=samples,
            )
        ]  # fmt: skip

    trainer = trl.trainer_class()(
        policy=policy,
        reward_funcs=bump,
        watch=watch,
        rows_at_once=config.users * config.rollouts,
        args=trl.GRPOConfig(**_arguments(opened, config, state.num_processes, policy.end_ids)),
        train_dataset=dataset_of(stream, config.steps * config.users),
        peft_config=_lora(config),
        callbacks=[*([rounds(policy.model, config.int4_block)] if config.int4_block else []), keeper(opened)],
    )
    trainer.train(resume_from_checkpoint=last)
    summary: dict[str, Any] = {}
    if state.is_main_process:
        rows = [row for row in opened.rows() if "reward/total" in row]
        if config.blend < 1:
            trainer.policy.blend(load(config.model.resolve()), config.blend)
        opened.save_model(trainer.policy.save)
        summary = opened.finish({**summarise(rows), "peak_rss_bytes": _peak()})
    state.wait_for_everyone()
    return summary or dict(opened.summary or {})


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a run's log says of it: the first and the last fifth of its steps beside each other, and what it cost.

    Args:
        rows: of the log, one a step; at least one.
    """
    fifth = max(1, len(rows) // 5)
    ends = {"first": rows[:fifth], "last": rows[-fifth:]}
    names = ("total", "forward", "backward", "length", "stability", "dropped", "lost", "floored", "zero_spread")

    def mean(some: Sequence[Mapping[str, Any]], name: str) -> float:
        return round(statistics.fmean(float(row.get(name, 0.0)) for row in some), 4)

    def total(name: str) -> float:
        return sum(float(row.get(name, 0.0)) for row in rows)

    seconds = {phase: total(f"seconds/{phase}") for phase in ("rollout", "reward", "update")}
    whole = sum(seconds.values()) or 1.0
    return {
        "steps": int(rows[-1]["step"]),
        "reward": {end: {name: mean(some, f"reward/{name}") for name in names} for end, some in ends.items()},
        "profile_tokens": {end: mean(some, "profile/tokens") for end, some in ends.items()},
        "zero_spread": mean(rows, "reward/zero_spread"),
        "judge_unparsed": mean(rows, "judge/unparsed"),
        "tokens": {name: int(total(key)) for name, key in (
            ("rollout", "tokens/rollout"), ("judge", "judge/tokens"), ("update", "tokens/update"))},
        "seconds": {phase: round(spent, 2) for phase, spent in seconds.items()},
        "shares": {phase: round(spent / whole, 3) for phase, spent in seconds.items()},
        "grad_norm": mean(rows, "grad_norm"),
    }  # fmt: skip


def step_of(checkpoint: str | None) -> int:
    """The step of a checkpoint's folder; 0 for none."""
    return int(checkpoint.rpartition("-")[2]) if checkpoint is not None else 0


def _packages(config: GrpoConfig) -> Any:
    """What is needed of torch, accelerate and TRL, imported when neither can ask the network for anything."""
    os.environ |= {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    try:
        import torch
        import trl
        from accelerate import PartialState

        from training.trainer import trainer_class
    except ImportError as error:
        raise missing(error) from None
    if config.use_vllm and importlib.util.find_spec("vllm") is None:
        raise BackendUnavailableError(
            "use_vllm is true, and vllm is not installed: pip install 'trl[vllm]' on a machine with a GPU, or set "
            "use_vllm = false"
        )
    on_cpu = not torch.cuda.is_available()
    return SimpleNamespace(
        PartialState=lambda: PartialState(cpu=on_cpu),
        GRPOConfig=getattr(trl, "GRPOConfig"),  # noqa: B009
        trainer_class=trainer_class,
    )


def _arguments(opened: Run, config: GrpoConfig, processes: int, ends: Sequence[int]) -> dict[str, Any]:
    """What TRL is told; sizes are rollouts."""
    every, many = config.users * config.rollouts, config.update_users * config.rollouts
    if every % processes:
        raise UsageError(
            f"users x rollouts is {every}, which {processes} processes cannot share: expected a multiple of {processes}"
        )
    own = every // processes
    at_once = max(size for size in range(1, min(own, many) + 1) if own % size == 0)
    rate = config.learning_rate or (1e-5 if config.lora_rank else 1e-6)
    return {
        **arguments(
            opened, steps=config.steps, learning_rate=rate, warmup=config.warmup, save_every=config.save_every,
            log_every=1, seed=config.seed, bfloat16=config.bfloat16,
        ),
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": own // at_once,
        "steps_per_generation": own // at_once,
        "num_generations": config.rollouts,
        "max_completion_length": config.max_tokens,
        "temperature": config.temperature,
        "top_p": config.top_p,
        "epsilon": config.epsilon,
        "beta": config.beta,
        "scale_rewards": config.scale,
        "shuffle_dataset": False,  # the stream has an order
        "activation_checkpointing": False,  # TRL's default, under which nothing is kept for the next level to run on
        "use_vllm": config.use_vllm,
        "vllm_mode": config.vllm_mode,
        **({"vllm_server_base_url": config.vllm_url} if config.vllm_url else {}),
        # the markers that end an answer on the device
        **({"generation_kwargs": {"stop_token_ids": list(ends)}} if config.use_vllm else {}),
    }  # fmt: skip


def _lora(config: GrpoConfig) -> Any:
    if not config.lora_rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, lora_dropout=0.0, target_modules="all-linear",
        task_type="CAUSAL_LM",
    )  # fmt: skip


def _encoder(judge: Judge, reward: RewardConfig) -> Any:
    if not (reward.hard or reward.stability_weight or reward.objective == "blue"):
        return None
    from training.encoders import MiniLmJudge

    return (judge if isinstance(judge, MiniLmJudge) else MiniLmJudge()).encode


def _checkpoint(opened: Run) -> str | None:
    found = opened.checkpoint()
    return str(found) if found is not None else None


def _peak() -> int:
    """The most memory that the process has held, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
