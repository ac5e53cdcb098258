"""A tiny policy that has learned to write a few words of the log and to end, and users to train it on."""

from __future__ import annotations

import random
from pathlib import Path

from bump_edge.types import Interaction
from tests.training import planted, tiny
from training.histories import prompt_of
from training.models import load
from training.policy import shared_logps
from training.prepare import PrepareConfig, run


def histories(users: range, *, length: int = 8) -> list[list[Interaction]]:
    """The planted histories, as interactions."""
    return [
        [Interaction(item=str(row["item"]), type="purchase") for row in planted.rows(user, length=length)]
        for user in users
    ]


def write_policy(folder: Path, *, steps: int = 60) -> Path:
    """Write the policy into `folder`; the same bytes every time."""
    import torch

    tiny.write_model(folder, texts=planted.COMMON)
    policy = load(folder, trainable=True)
    chance = random.Random(0)
    prompts = [policy.encode_prompt(prompt_of(history))[0] for history in histories(range(4), length=4)]
    optimiser = torch.optim.AdamW(policy.model.parameters(), lr=1e-2)
    for _ in range(steps):
        answers = [policy.answer("".join(f" {w}" for w in chance.sample(planted.COMMON, 3))) for _ in prompts]
        loss = -torch.cat(shared_logps(policy.model, prompts, answers)[0]).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    policy.save(folder)
    return folder


def write_users(folder: Path, *, users: int = 40, length: int = 8) -> Path:
    """Write a prepared folder of planted users into `folder`; returns where it is."""
    log = planted.write_log(folder / "planted.jsonl", range(users), length=length)
    run(PrepareConfig(data=(log,), out=folder / "users", min_visible=1))
    return folder / "users"
