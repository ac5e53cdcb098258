"""Generation through bump-edge against the bare runtime: the same model, prompt and number of tokens, in the same run.

The bare side decodes tokens in the shortest loop that the runtime allows, reading the whole prompt every time; so does
bump-edge here, because every prompt is in another language than the one before and its prefix cannot be reused. Only
the batch shares a prefix: there, four prompts at once stand against four bare calls.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bump_edge import Backend, GenerationOptions, HistoryStats, Interaction, Prompt, generate
from tests.real_models import smollm2_gguf, smollm2_onnx

TOKENS = 64
PURCHASES = (
    "HP 901 Black & Tri-color Original Ink Cartridges", "IRIS Desktop File Box, Medium, Clear",
    "Avery Ready Index Table of Contents Dividers, 8-Tab Set", "Scotch Thermal Laminator with 20 Letter Size Pouches",
    "Brother P-touch Label Maker", "Pilot G2 Retractable Gel Ink Pens, Fine Point, 12-Pack",
)  # fmt: skip
Bare = Callable[[Sequence[int]], int]


def prompt(language: str) -> Prompt:
    interactions = tuple(Interaction(type="purchase", item=item, rating=5) for item in PURCHASES)
    return Prompt(interactions=interactions, stats=HistoryStats(count=len(interactions)), language=language)


def bare_onnx(path: Path) -> Bare:
    import numpy as np
    import onnxruntime_genai as og

    model = og.Model(str(path))

    def run(tokens: Sequence[int]) -> int:
        params = og.GeneratorParams(model)
        params.set_search_options(max_length=1024, do_sample=False)
        generator = og.Generator(model, params)
        generator.append_tokens(np.array(tokens, dtype=np.int32))
        for done in range(TOKENS):
            if generator.is_done():
                return done
            generator.generate_next_token()
        return TOKENS

    return run


def bare_gguf(path: Path) -> Bare:
    import llama_cpp.llama_cpp as api

    silent = api.llama_log_callback(lambda *_: None)
    api.llama_log_set(silent, None)
    settings = api.llama_model_default_params()
    settings.use_extra_bufts = False
    settings.n_gpu_layers = 0
    model = api.llama_model_load_from_file(os.fsencode(path), settings)
    wanted = api.llama_context_default_params()
    wanted.n_ctx = 1024
    wanted.n_threads = wanted.n_threads_batch = min(8, len(os.sched_getaffinity(0)))
    context = api.llama_init_from_model(model, wanted)
    sampler = api.llama_sampler_init_greedy()

    def run(tokens: Sequence[int], _keep: object = silent) -> int:
        api.llama_memory_clear(api.llama_get_memory(context), True)
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        api.llama_decode(context, api.llama_batch_get_one(ids, len(tokens)))
        one = (ctypes.c_int32 * 1)()
        for _ in range(TOKENS - 1):
            one[0] = api.llama_sampler_sample(sampler, context, -1)
            api.llama_decode(context, api.llama_batch_get_one(one, 1))
        api.llama_sampler_sample(sampler, context, -1)
        return TOKENS

    return run


def compare(backend: Backend, bare: Bare, tokens_of: Callable[[Prompt], Sequence[int]], repeats: int) -> dict[str, Any]:
    """The rates of both, as medians over interleaved repeats, and the median of the ratios of neighbours."""
    prompts = [[prompt(language)] * backend.batch_size for language in ("en", "de")]
    options = GenerationOptions(max_tokens=TOKENS)
    ours: list[float] = []
    theirs: list[float] = []

    def ours_once(asked: list[Prompt]) -> float:
        begun = time.perf_counter()
        written = sum(g.tokens for g in generate(backend, asked, options))
        return (time.perf_counter() - begun) / max(1, written)

    def bare_once(asked: list[Prompt]) -> float:
        tokens = tokens_of(asked[0])
        begun = time.perf_counter()
        count = sum(bare(tokens) for _ in asked)
        return (time.perf_counter() - begun) / max(1, count)

    for turn in range(2 * repeats + 2):
        # Who goes first changes by twos: neither side always follows the other, and each has both languages.
        first, second = (ours_once, bare_once) if turn // 2 % 2 else (bare_once, ours_once)
        spent = {measure: measure(prompts[turn % 2]) for measure in (first, second)}
        if turn >= 2:  # the first of each warms up
            ours.append(spent[ours_once])
            theirs.append(spent[bare_once])
    return {
        "ratio": round(statistics.median(t / o for o, t in zip(ours, theirs, strict=True)), 3),
        "tokens_per_s": round(1 / statistics.median(ours), 1),
        "bare_tokens_per_s": round(1 / statistics.median(theirs), 1),
    }


def run(repeats: int = 12) -> dict[str, Any]:
    """The ratio of bump-edge's rate to the bare rate, prompt included, for `onnx` and `gguf` (isolated)."""
    from bump_edge.backends.gguf import GgufBackend
    from bump_edge.backends.onnx import OnnxBackend

    onnx = OnnxBackend(smollm2_onnx())

    def tokens_of(asked: Prompt) -> Sequence[int]:
        return onnx.tokens_of(asked.messages)[0]  # the same vocabulary as the GGUF file's

    result: dict[str, Any] = {"prompt_tokens": len(tokens_of(prompt("en"))), "tokens": TOKENS}
    result["onnx"] = compare(onnx, bare_onnx(smollm2_onnx()), tokens_of, repeats)
    bare = bare_gguf(smollm2_gguf())
    for name, size in (("gguf", 1), ("gguf_batch_of_4", 4)):
        gguf = GgufBackend(smollm2_gguf(), batch_size=size)
        result[name] = compare(gguf, bare, tokens_of, max(2, repeats // size))
        gguf.close()
    onnx.close()
    return result | {"aim": {"ratio": 0.97}, "repeats": repeats}


if __name__ == "__main__":
    print(run())
