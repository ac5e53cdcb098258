"""Stage ``synthesise``: made-up users with planted interests, as logs of many kinds of app in several languages.

    python -m training synthesise --out runs/synthetic.jsonl --users 5000 --seed 1

One file in the product's input format, a user's lines together and in time order; `prepare` reads it as a data set.
User n is a pure function of the seed and n, so that the same command gives the same bytes, and more users begin with
the same ones. What a user is, is in `training.synthesis`: lasting interests with favourites of their own in them, one
that fades, one that begins, things that come up once; their last interaction is mostly, not always, of a lasting one.

A run that was killed leaves no output; the same command starts again.

Departs from the paper, which trains on real logs alone: those that may be used here are of four kinds of app.
"""

from __future__ import annotations

import gzip
import random
import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from bump_edge.errors import InputError, UsageError
from training.config import check_ranges
from training.histories import SPLITS, split_of
from training.prepare import sha256_of
from training.progress import say
from training.synthesis import names, personas, records
from training.synthesis.catalogue import topics
from training.synthesis.personas import Persona

FORMAT = "bump-edge-synthetic/2"
"""Version of the users: another one gives other users for the same seed."""

PREFIX = "synthetic"
"""What every `user_id` begins with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SynthesiseConfig:
    """Settings of the stage.

    Args:
        out: the file to write, gzip where it ends in ``.gz``; an earlier output is replaced, anything else is not.
        users: how many; ≥ 1.
        seed: of everything.
    """

    out: Path
    users: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, users=(1, 10**7), seed=(0, 2**63 - 1))


def run(config: SynthesiseConfig) -> dict[str, Any]:
    """Write the file; returns its counts and its hash.

    Raises:
        UsageError: `out` holds something else.
        InputError: it cannot be written.
    """
    out = config.out
    if out.exists() and not _is_ours(out):
        raise UsageError(f"{out} exists and is no output of this stage: give another out, or remove it")
    work = out.parent / f".{out.name}.bump-edge-synthesise"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            counts = _write(config, work)
            digest = sha256_of(work)
            work.replace(out)
        finally:
            work.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}; give another out") from None
    possible = {"topics": len(topics()), **names.combinations()}
    return {"out": str(out), "format": FORMAT, "sha256": digest, **counts, "possible": possible}


def user(seed: int, number: int) -> tuple[Persona, Iterator[dict[str, Any]]]:
    """User `number` of a seed: who it is, and the rows of the log."""
    chance = random.Random(f"{FORMAT} {seed} {number}")
    persona = personas.draw(chance)
    return persona, records.history(persona, f"{PREFIX}-{seed}-{number:06}", chance)


def _write(config: SynthesiseConfig, work: Path) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    lengths: list[int] = []
    with work.open("wb") as raw, closing(_opened(raw, config.out)) as file:
        for number in range(config.users):
            persona, rows = user(config.seed, number)
            lines = [orjson.dumps(row) for row in rows]
            file.write(b"\n".join(lines) + b"\n")
            kinds[persona.kind] += 1
            languages[persona.language] += 1
            splits[split_of(f"{PREFIX}-{config.seed}-{number:06}")] += 1
            lengths.append(len(lines))
            if (number + 1) % 1000 == 0:
                say(f"{number + 1} of {config.users} users")
    return {
        "users": config.users,
        "interactions": sum(lengths),
        "length": {"min": min(lengths), "median": statistics.median(lengths), "max": max(lengths)},
        "kinds": dict(sorted(kinds.items())),
        "languages": dict(sorted(languages.items())),
        "splits": {split: splits[split] for split in SPLITS},
    }


def _opened(raw: IO[bytes], out: Path) -> IO[bytes]:
    # no name and no time inside: the same users give the same bytes
    return gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if out.suffix == ".gz" else raw  # type: ignore[return-value]


def _is_ours(path: Path) -> bool:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(64).startswith(f'{{"user_id":"{PREFIX}-'.encode())
    except OSError:
        return False
