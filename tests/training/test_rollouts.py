"""Sampling and the update's log-probabilities against the plain way: the same answers, read fewer times."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from tests.training import tiny
from tests.training.policies import histories
from training.histories import prompt_of
from training.models import CausalModel, load
from training.policy import of_batch, shared_logps
from training.rollouts import Twin, common, sample, write

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("policy") / "model"
    return load(tiny.write_model(folder, kind=request.param), trainable=True)


@pytest.fixture(scope="module")
def prompts(policy: CausalModel) -> list[list[int]]:
    return [policy.encode_prompt(prompt_of(h[: n + 2]))[0] for n, h in enumerate(histories(range(3)))]


def whole(policy: CausalModel, ids: list[int]) -> Any:
    """Log-probabilities of what follows each token, by the plain forward pass."""
    return torch.log_softmax(policy.model(input_ids=torch.tensor([ids])).logits[0].detach().float(), -1)


def test_greedy_rollouts_are_those_of_a_plain_loop(policy: CausalModel, prompts: list[list[int]]) -> None:
    found = sample(policy, prompts, 2, max_tokens=6, temperature=0)
    assert [len(group) for group in found] == [2, 2, 2]
    for prompt, group in zip(prompts, found, strict=True):
        ids = list(prompt)
        for _ in group[0].ids:
            ids.append(int(whole(policy, ids)[-1].argmax()))
        assert list(group[0].ids) == ids[len(prompt) :] == list(group[1].ids)


def test_log_probabilities_of_rollouts_are_the_models(policy: CausalModel, prompts: list[list[int]]) -> None:
    for prompt, (rollout,) in zip(prompts, sample(policy, prompts, [1, 1, 1], max_tokens=5), strict=True):
        logs = whole(policy, [*prompt, *rollout.ids])
        wanted = [float(logs[len(prompt) - 1 + at, token]) for at, token in enumerate(rollout.ids)]
        assert rollout.logprobs == pytest.approx(wanted, abs=1e-4)


def test_a_seed_gives_the_same_rollout_in_any_batch(policy: CausalModel, prompts: list[list[int]]) -> None:
    together = sample(policy, prompts, 4, max_tokens=8, seeds=range(12))
    apart = [
        sample(policy, [prompt], 4, max_tokens=8, seeds=range(4 * at, 4 * at + 4))[0]
        for at, prompt in enumerate(prompts)
    ]
    small = sample(policy, prompts, 4, max_tokens=8, seeds=range(12), rows=4)
    ids = [[r.ids for r in group] for group in together]
    assert ids == [[r.ids for r in group] for group in apart] == [[r.ids for r in group] for group in small]
    assert len({r.ids for r in together[0]}) == 4


def test_draws_follow_the_models_odds_and_top_p_cuts_the_rest(policy: CausalModel, prompts: list[list[int]]) -> None:
    odds = whole(policy, prompts[0])[-1].exp()
    drawn = Counter(r.ids[0] for r in sample(policy, prompts[:1], 4000, max_tokens=1, rows=4000)[0])
    best = int(odds.argmax())
    share = float(odds[best])
    assert abs(drawn[best] / 4000 - share) < 4 * math.sqrt(share * (1 - share) / 4000)
    few = sample(policy, prompts[:1], 200, max_tokens=1, top_p=share / 2, rows=200)[0]
    assert {r.ids[0] for r in few} == {best}


def test_what_has_ended_is_no_longer_written(policy: CausalModel, prompts: list[list[int]]) -> None:
    first = sample(policy, prompts, 8, max_tokens=12)
    # the commonest second token as the end: some rollouts stop early, the others must not notice
    end = Counter(r.ids[1] for g in first for r in g if len(r.ids) > 1).most_common(1)[0][0]
    ending = CausalModel(policy.model, policy.tokenizer, policy.format)
    token = policy.tokenizer.convert_ids_to_tokens(end)
    before, ending.tokenizer.eos_token = ending.tokenizer.eos_token, token
    try:
        second = sample(ending, prompts, 8, max_tokens=12)
    finally:
        ending.tokenizer.eos_token = before
    assert any(r.ended for g in second for r in g)
    for old, new in zip((r for g in first for r in g), (r for g in second for r in g), strict=True):
        assert old.ids[: len(new.ids)] == new.ids
        assert new.ended == (new.ids[-1] in (end, *policy.end_ids))
        assert end not in new.ids[:-1]


def test_prompts_without_a_common_beginning_and_of_one_token(policy: CausalModel) -> None:
    odd = [[5, 6, 7], [8, 9], [11]]
    assert common(odd) == 0
    found = sample(policy, odd, 2, max_tokens=3, temperature=0)
    for prompt, group in zip(odd, found, strict=True):
        assert group[0].ids[0] == int(whole(policy, prompt)[-1].argmax())
    logps, _, _ = shared_logps(policy.model, odd, [[3, 4]] * 3)
    for prompt, row in zip(odd, logps, strict=True):
        logs = whole(policy, [*prompt, 3, 4])
        assert row.tolist() == pytest.approx([float(logs[len(prompt) - 1, 3]), float(logs[len(prompt), 4])], abs=1e-4)


def test_a_prompt_is_computed_once_for_its_group_with_the_same_gradient(
    policy: CausalModel, prompts: list[list[int]]
) -> None:
    model, temperature = policy.model, 0.7
    rows = [(prompt, [20 + at + n for n in range(3 + at)]) for prompt in prompts for at in range(3)]
    left, right = max(len(p) for p, _ in rows), max(len(a) for _, a in rows)
    ids, mask = torch.zeros(len(rows), left + right, dtype=torch.long), torch.zeros(len(rows), left + right)
    for at, (prompt, answer) in enumerate(rows):
        ids[at, left - len(prompt) : left + len(answer)] = torch.tensor([*prompt, *answer])
        mask[at, left - len(prompt) : left + len(answer)] = 1
    weights = torch.randn(len(rows), right, generator=torch.Generator().manual_seed(0))

    def gradient(logps: Any) -> list[Any]:
        model.zero_grad()
        (logps * weights).sum().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    ours, entropy, read = of_batch(model, ids, mask, right, temperature)
    mine = gradient(ours)
    plain, spread = torch.zeros_like(weights), torch.zeros_like(weights)
    for at, (prompt, answer) in enumerate(rows):
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1] / temperature
        logs = torch.log_softmax(logits, -1)
        plain[at, : len(answer)] = logs.gather(-1, torch.tensor(answer)[:, None])[:, 0]
        spread[at, : len(answer)] = -(logs.exp() * logs).sum(-1).detach()
    theirs = gradient(plain)
    assert torch.allclose(ours, plain, atol=1e-4)
    assert torch.allclose(entropy, spread, atol=1e-4)
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-3)
    once = sum(map(len, prompts)) + sum(len(a) - 1 for _, a in rows)  # the last token of an answer predicts nothing
    assert read == once < sum(len(p) + len(a) for p, a in rows) / 2


def test_the_twin_follows_the_policy_and_texts_keep_their_order(policy: CausalModel) -> None:
    asked = [prompt_of(h[:n]) for h, n in zip(histories(range(3)), (6, 2, 4), strict=True)]
    texts = write(policy, asked, max_tokens=5)
    assert texts == [write(policy, [one], max_tokens=5)[0] for one in asked]
    twin = Twin(policy)
    first = policy.model.get_input_embeddings().weight
    kept = first.detach().clone()
    with torch.no_grad():
        first.mul_(2)
    assert torch.equal(twin.refresh().model.get_input_embeddings().weight, first.to(torch.bfloat16))
    with torch.no_grad():
        first.copy_(kept)
