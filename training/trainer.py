"""TRL's GRPO trainer with our sampling, our reward, and an update that reads each prompt once.

What is replaced of it: how prompts become tokens (as on the device), where profiles come from (`training.rollouts`),
the log-probabilities of the update (`training.policy`, in one process), and that groups are not shuffled apart between
the parts of an update, so that a group's prompt stays in one of them. Loss, advantages, optimiser and checkpoints are
TRL's.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from training.models import CausalModel
from training.policy import of_batch
from training.rewarding import Watch, check_names
from training.rollouts import Twin, sample

PHASES = ("rollout", "reward", "update")


class Clock:
    """Seconds by phase; all time is some phase's, from its beginning to the next one's."""

    def __init__(self) -> None:
        self._phase = "update"
        self._since = time.perf_counter()
        self.seconds = dict.fromkeys(PHASES, 0.0)

    def enter(self, phase: str) -> None:
        """From now on it is `phase`'s time, one of `PHASES`."""
        now = time.perf_counter()
        self.seconds[self._phase] += now - self._since
        self._phase, self._since = phase, now

    def take(self) -> dict[str, float]:
        """Seconds of each phase since the last time that it was asked."""
        self.enter(self._phase)
        taken, self.seconds = self.seconds, dict.fromkeys(PHASES, 0.0)
        return taken


def seed_of(*parts: Any) -> int:
    """A seed that depends on `parts` alone: neither on what was drawn before nor on which process draws."""
    return random.Random(" ".join(map(str, parts))).getrandbits(62)


def trainer_class() -> Any:
    """The trainer's class; imports TRL.

    Its arguments are those of `trl.GRPOTrainer`, with `policy`, a `CausalModel`, for model and processing class;
    `reward_funcs`, which gives the reward functions for a trainer, as they read and write with it; a `watch` that is
    told of every step's rewards; and `rows_at_once`, rollouts written in one batch.
    """
    import torch
    import trl
    from transformers import PrinterCallback
    from trl.trainer.utils import split_tensor_dict

    base: Any = getattr(trl, "GRPOTrainer")  # noqa: B009  (TRL exports it lazily, unseen by mypy)

    class BumpTrainer(base):  # type: ignore[misc]
        def __init__(
            self, *, policy: CausalModel, reward_funcs: Callable[[Any], list[Any]], watch: Watch, rows_at_once: int,
            args: Any, **rest: Any,
        ) -> None:  # fmt: skip
            functions = reward_funcs(self)
            check_names(functions)
            self.clock, self._watch, self._rows = Clock(), watch, rows_at_once
            self._tokens: Counter[str] = Counter()
            self._twin: Twin | None = None
            self._buffered_inputs: Any = None
            self.policy = policy
            super().__init__(
                model=policy.model, processing_class=policy.tokenizer, args=args, reward_funcs=functions,
                rollout_func=None if args.use_vllm else self._roll_out, **rest,
            )  # fmt: skip
            self.remove_callback(PrinterCallback)  # stdout is for the summary
            self.policy = CausalModel(self.model, policy.tokenizer, policy.format)  # with its LoRA

        def read(self, ids: Sequence[int]) -> tuple[str, bool]:
            """The text of a rollout, and whether it ended."""
            return self.policy.decode(ids).strip(), bool(ids) and ids[-1] in self.policy.end_ids

        def write(self, messages: Sequence[Sequence[Mapping[str, str]]], names: Sequence[str]) -> list[str]:
            """A profile for each of some chat messages; the chance of each comes from the step and its name."""
            self.clock.enter("rollout")
            seeds = [seed_of(self.args.seed, self.state.global_step, name) for name in names]
            prompts = [self.policy.encode(one)[0] for one in messages]
            found = self._sample(prompts, [1] * len(prompts), seeds)
            self.clock.enter("reward")
            return [self.read(rollouts[0].ids)[0] for rollouts in found]

        def _sample(self, prompts: Sequence[Sequence[int]], copies: Sequence[int], seeds: Sequence[int]) -> Any:
            model = self.policy
            if self.args.bf16:
                self._twin = self._twin or Twin(model)
                model = self._twin.refresh()
            found = sample(
                model, prompts, copies, max_tokens=self.max_completion_length, temperature=self.temperature,
                top_p=self.top_p, seeds=seeds, rows=self._rows,
            )  # fmt: skip
            self._tokens["rollout"] += sum(map(len, prompts)) + sum(len(r.ids) for row in found for r in row)
            return found

        def _roll_out(self, prompts: Sequence[Any], _: Any) -> dict[str, Any]:
            first = self.accelerator.process_index * len(prompts)
            groups = [(prompt, len(list(same))) for prompt, same in groupby(prompts)]
            ids = [self.policy.encode(prompt)[0] for prompt, _count in groups]
            seeds = [seed_of(self.args.seed, self.state.global_step, first + at) for at in range(len(prompts))]
            found = self._sample(ids, [count for _, count in groups], seeds)
            flat = [rollout for rollouts in found for rollout in rollouts]
            return {
                "prompt_ids": [own for own, (_, count) in zip(ids, groups, strict=True) for _ in range(count)],
                "completion_ids": [list(rollout.ids) for rollout in flat],
                "logprobs": [list(rollout.logprobs) for rollout in flat],
            }

        def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
            # vLLM's way: as on the device, and not by the tokenizer's own template
            return [self.policy.encode(prompt)[0] for prompt in prompts], None, {}

        def _prepare_inputs(self, generation_batch: Any) -> Any:
            every = self.args.steps_per_generation * self.num_iterations
            if self._step % every == 0 or self._buffered_inputs is None:
                self.clock.enter("rollout")
                whole = self._generate_and_score_completions(generation_batch)
                self._buffered_inputs = split_tensor_dict(whole, self.args.steps_per_generation)
                self.clock.enter("update")
            return self._buffered_inputs[self._step % self.args.steps_per_generation]

        def _calculate_rewards(self, *args: Any, **rest: Any) -> Any:
            self.clock.enter("reward")
            found = super()._calculate_rewards(*args, **rest)  # (all rollouts, reward functions)
            nothing = torch.isnan(found).all(1)
            total = (found * self.reward_weights.to(found.device)).nansum(1).masked_fill(nothing, torch.nan)
            self._watch.rewarded(total.view(-1, self.num_generations).tolist(), self.state.global_step)
            return found

        def _get_per_token_logps_and_entropies(
            self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, batch_size: Any = None,
            compute_entropy: bool = False, compute_aux_loss: bool = False, **images: Any,
        ) -> tuple[Any, Any, Any]:  # fmt: skip
            # hooks of several processes want the wrapped forward; a scaled head is TRL's to know
            ours = self.accelerator.num_processes == 1 and not compute_aux_loss and not scaled_head(self.model.config)
            if not ours or any(value is not None for value in images.values()):
                self._tokens["update"] += int(attention_mask.sum())
                whole: tuple[Any, Any, Any] = super()._get_per_token_logps_and_entropies(
                    model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, compute_aux_loss,
                    **images,
                )  # fmt: skip
                return whole
            with self.accelerator.autocast():
                logps, entropies, read = of_batch(model, input_ids, attention_mask, logits_to_keep, self.temperature)
            self._tokens["update"] += read
            return logps, entropies if compute_entropy else None, None

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            logs |= {f"seconds/{phase}": seconds for phase, seconds in self.clock.take().items()}
            logs |= {f"tokens/{phase}": float(count) for phase, count in self._tokens.items()}
            self._tokens.clear()
            super().log(logs, start_time)

    return BumpTrainer


def scaled_head(config: Any) -> bool:
    """Whether a model changes its logits after the output layer: caps or scales them."""
    text = config.get_text_config()
    names = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")
    return any(getattr(text, name, None) not in (None, 1.0) for name in names)
