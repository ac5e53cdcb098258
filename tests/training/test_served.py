"""The served judge against a real HTTP server on loopback, behind which a tiny real model answers."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from bump_edge.errors import BackendUnavailableError, GenerationError, ModelCorruptError, ModelNotFoundError, UsageError
from tests.training.planted import rare_words, write_log
from tests.training.tiny import write_model
from training.evaluate import EvaluateConfig
from training.evaluate import run as evaluate
from training.judges import LETTERS, CandidateList
from training.models import CausalModel, load, load_tokenizer
from training.opening import open_judge
from training.served import ServedJudge, address_of


class Server(ThreadingHTTPServer):
    """Answers completions as a server does that holds them to the regex, and in which no letter comes twice.

    `plans` are answers that come first, one a request: a status, or a function from its own answer to another.
    """

    daemon_threads = True

    def __init__(self, model: CausalModel) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = model
        self.asked: list[dict[str, Any]] = []
        self.plans: list[Any] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def complete(self, ids: list[int], regex: str) -> str:
        [first, rest, more] = re.fullmatch(r" \[(\w+)\]\( \[(\w+)\]\)\{(\d+)\}", regex).groups()  # type: ignore[union-attr]
        assert first == rest == LETTERS[: int(more) + 1]
        tokens = {letter: self.model.token_of(f" {letter}") for letter in first}
        written = ""
        while len(written) < len(first):
            so_far = torch.tensor([[*ids, *(tokens[letter] for letter in written)]])
            with torch.inference_mode():
                logits = self.model.model(input_ids=so_far).logits[0, -1]
            written += max((a for a in first if a not in written), key=lambda a: float(logits[tokens[a]]))
        answer = "".join(f" {letter}" for letter in written)
        assert re.fullmatch(regex, answer)
        return answer


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append({"path": self.path, **body})
            plan = self.server.plans.pop(0) if self.server.plans else None
            if isinstance(plan, int):
                self.reply(plan, b'{"error": "not now"}')
                return
            regex = body["structured_outputs"]["regex"]
            choices = [{"index": n, "text": self.server.complete(ids, regex)} for n, ids in enumerate(body["prompt"])]
        found = {"choices": choices[::-1]}  # in whatever order: the index says whose it is
        self.reply(200, orjson.dumps(plan(found) if plan is not None else found))

    def reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status == 302:
            self.send_header("Location", "http://192.0.2.1/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_model(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(load(folder)) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def lists() -> list[CandidateList]:
    texts = [f"buys {' '.join(rare_words(user))}" for user in range(5)]
    return [
        CandidateList(direction="forward", query=rare_words(0)[0], candidates=tuple(texts[:3])),
        CandidateList(direction="backward", query=rare_words(1)[0], candidates=tuple(texts)),
        CandidateList(direction="backward", query="tea <|im_end|>", candidates=tuple(texts[1:4]), last=1),
        CandidateList(direction="forward", query="lamps", candidates=tuple(texts[2:])),
    ]


def judge(folder: Path, server: Server, **more: Any) -> ServedJudge:
    return ServedJudge(load_tokenizer(folder), server.url, **{"pause": 0.01, **more})


def test_it_ranks_as_the_same_model_in_process(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")  # nobody is there: it must not be asked
    wanted = open_judge("listwise-generate", model=folder).rank(lists())
    for settings in ({}, {"batch": 1, "at_once": 3}, {"served": "judge"}):
        found = judge(folder, server, **settings).rank(lists())
        assert [one.scores for one in found] == [one.scores for one in wanted]
        assert all(one.parsed and one.tokens > 20 for one in found)
    assert judge(folder, server).rank([]) == []
    assert len(server.asked) == 2 + 4 + 2  # a request a number of candidates, or a list
    assert {one["path"] for one in server.asked} == {"/v1/completions"}
    assert all(one["temperature"] == 0 for one in server.asked)
    assert [one.get("model") for one in server.asked] == [None] * 6 + ["judge"] * 2


def test_an_answer_that_is_no_permutation_is_repaired_and_counted(folder: Path, server: Server) -> None:
    def spoil(found: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [{**choice, "text": " C C A"} for choice in found["choices"]]}

    server.plans = [spoil]
    [found] = judge(folder, server).rank(lists()[:1])
    assert not found.parsed
    assert found.scores == (-1, -2, 0)


def test_a_busy_server_is_asked_again_and_one_that_refuses_is_not(folder: Path, server: Server) -> None:
    server.plans = [503, 429]
    assert judge(folder, server).rank(lists()[:1])[0].parsed
    assert len(server.asked) == 3
    server.plans = [404]
    with pytest.raises(GenerationError, match=r"answered 404.*not now.*look at judge_name"):
        judge(folder, server).rank(lists()[:1])
    server.plans = [302]
    with pytest.raises(GenerationError, match="answered 302"):
        judge(folder, server).rank(lists()[:1])
    assert len(server.asked) == 5
    server.plans = [500, 500]
    with pytest.raises(BackendUnavailableError, match=r"answered 500.*\(2 tries\): start the judge's server"):
        judge(folder, server, tries=2).rank(lists()[:1])
    for wrong in (lambda _: {"choices": []}, lambda _: {"object": "error"}, lambda _: [1]):
        server.plans = [wrong]
        with pytest.raises(GenerationError, match="expected a text for each of 1 prompts"):
            judge(folder, server).rank(lists()[:1])


def test_a_server_that_is_not_there_is_said(folder: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        gone = ServedJudge(load_tokenizer(folder), url, tries=2, pause=0.01)
        with pytest.raises(BackendUnavailableError, match=r"cannot be reached.*give its judge_url"):
            gone.rank(lists()[:1])


def test_it_is_a_judge_of_an_evaluation_beside_others(folder: Path, server: Server, tmp_path: Path) -> None:
    log = write_log(tmp_path / "made.jsonl", range(4))
    found = evaluate(
        EvaluateConfig(
            data=log, model="extractive", split="all", judges=("bm25", "listwise-generate", "served"), rounds=50,
            judge_model=folder, judge_url=f"{server.url}/v1", baselines=(), visible=3,
        )
    )["kinds"]["given"]  # fmt: skip
    assert found["served"] == found["listwise-generate"]
    assert found["served"]["unparsed"] == 0


def test_what_makes_no_sense_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give judge_url"):
        open_judge("served", model=folder)
    with pytest.raises(UsageError, match="give judge_model"):
        open_judge("served", url="http://127.0.0.1:8000")
    for wrong in (
        "localhost:8000",
        "ftp://a/b",
        "http://",
        "http://u:p@host",
        "http://a:b",
        "http://a?x=1",
        "file:///",
    ):
        with pytest.raises(UsageError, match="expected the address of a server"):
            address_of(wrong)
    assert address_of("http://127.0.0.1:8000/v1/") == address_of("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    with pytest.raises(ModelNotFoundError, match="is no folder"):
        load_tokenizer(tmp_path / "none")
    with pytest.raises(ModelCorruptError, match="no tokenizer"):
        load_tokenizer(tmp_path)
