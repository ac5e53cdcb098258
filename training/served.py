"""The paper's judge: a permutation written by a model behind a server of OpenAI's completions, such as ``vllm serve``.

    vllm serve models/Qwen3-4B-Instruct-2507 --host 127.0.0.1 --port 8000

The prompt is the one of the judges in process, sent as token ids of the served model's tokenizer: so no template of the
server is in between, and the answer begins where theirs does. The server is asked to hold the answer to a regex
(`structured_outputs`, vLLM ≥ 0.12): letters with a space before each, as many as there are candidates. A regex cannot
forbid that a letter comes twice; such an answer is repaired by `training.judges.parse_permutation`, and counted.

Only the address that is named is contacted: no proxy of the environment is used, no redirect followed. A server batches
as it likes, which can change the last bits of its logits: unlike the judges in process it does not promise the same
rankings, bit by bit, for any number of processes.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from bump_edge.errors import BackendUnavailableError, GenerationError, UsageError
from training.judges import LETTERS, CandidateList, Judgement, Limits, parse_permutation, render, scores_of_order
from training.language_judges import parts_of
from training.models import CausalModel, load_tokenizer

PASSING = (408, 429, 500, 502, 503, 504)
"""Answers after which it is worth asking again."""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None  # the answer is then an error, as any other that is no 200


class ServedJudge:
    """Ranks by what a server's model writes; `tokens` are those of the prompt and the answer, whatever it reuses.

    Args:
        model: tokenizer and chat format of the served model; no weights are needed.
        url: of the server, such as ``http://127.0.0.1:8000``.
        served: the model's name there; empty leaves it to the server.
        limits: where texts are cut.
        batch: prompts in one request, ≥ 1. at_once: requests under way at once, ≥ 1.
        timeout: of a request, seconds.
        tries: of a request, ≥ 1; before each but the first it waits, `pause` seconds and then twice as long each time.

    Raises:
        UsageError: `url` is no address of a server.
    """

    name = "served"
    reads_order = True

    def __init__(
        self, model: CausalModel, url: str, *, served: str = "", limits: Limits | None = None, batch: int = 32,
        at_once: int = 4, timeout: float = 300.0, tries: int = 5, pause: float = 1.0,
    ) -> None:  # fmt: skip
        self._model, self._served, self._limits = model, served, limits or Limits()
        self._batch, self._at_once, self._timeout, self._tries, self._pause = batch, at_once, timeout, tries, pause
        self._url = f"{address_of(url)}/v1/completions"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by rank in the written permutation.

        Raises:
            BackendUnavailableError: the server cannot be reached, or is at its limits for too long.
            GenerationError: it refuses the request, or answers something else.
        """
        prompts = [[t for part in parts_of(self._model, render(one, self._limits)) for t in part] for one in lists]
        alike: dict[int, list[int]] = {}
        for number, one in enumerate(lists):
            alike.setdefault(len(one.candidates), []).append(number)
        parts = [
            (count, numbers[at : at + self._batch])
            for count, numbers in sorted(alike.items())
            for at in range(0, len(numbers), self._batch)
        ]
        with ThreadPoolExecutor(self._at_once) as pool:
            answers = list(pool.map(lambda part: self._ask(part[0], [prompts[n] for n in part[1]]), parts))
        out: dict[int, Judgement] = {}
        for (count, numbers), texts in zip(parts, answers, strict=True):
            for number, text in zip(numbers, texts, strict=True):
                order, whole = parse_permutation(text, count)
                read = len(prompts[number]) + count
                out[number] = Judgement(scores=scores_of_order(order), parsed=whole, tokens=read)
        return [out[number] for number in range(len(lists))]

    def _ask(self, count: int, prompts: Sequence[Sequence[int]]) -> list[str]:
        letter = f" [{LETTERS[:count]}]"
        body = {
            **({"model": self._served} if self._served else {}),
            "prompt": prompts,
            "temperature": 0,
            "max_tokens": 2 * count,  # of some tokenizers a space is a token of its own
            "structured_outputs": {"regex": f"{letter}({letter}){{{count - 1}}}"},
        }
        found = self._post(orjson.dumps(body))
        try:
            texts = {int(choice["index"]): str(choice["text"]) for choice in orjson.loads(found)["choices"]}
            return [texts[number] for number in range(len(prompts))]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise GenerationError(
                f"{self._url} answered {found[:200]!r}: expected a text for each of {len(prompts)} prompts; is it a "
                "server of OpenAI's completions, which takes lists of token ids?"
            ) from None

    def _post(self, body: bytes) -> bytes:
        reason = ""
        for attempt in range(self._tries):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310
            try:
                with self._opener.open(request, timeout=self._timeout) as answer:
                    found: bytes = answer.read()
                    return found
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read(500).decode("utf-8", "replace")
                reason = f"answered {error.code}: {said}"
                if error.code not in PASSING:
                    raise GenerationError(
                        f"{self._url} {reason}; expected a completion: look at judge_name, which must be the name that "
                        "the server gives its model, and at judge_model, whose tokenizer must be that model's"
                    ) from None
            except (OSError, http.client.HTTPException) as error:
                reason = f"cannot be reached: {error}"
        raise BackendUnavailableError(
            f"{self._url} {reason} ({self._tries} tries): start the judge's server (vllm serve MODEL --port PORT), "
            "give its judge_url, or take a judge in process (judge = listwise-generate); started again, a training run "
            "goes on from its last checkpoint"
        )


def address_of(url: str) -> str:
    """The address of a server without what comes after it.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(url.strip().rstrip("/").removesuffix("/v1"))
        right = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        right = False
    if not right or "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"judge_url is {url!r}: expected the address of a server, such as http://127.0.0.1:8000")
    return parts.geturl().rstrip("/")


def open_served(folder: Path, url: str, served: str) -> ServedJudge:
    """The judge behind `url`, whose model's tokenizer is in `folder`."""
    return ServedJudge(load_tokenizer(folder), url, served=served)
