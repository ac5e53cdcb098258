"""What a device file keeps of its checkpoint: next tokens, the profiles that it writes, its speed and its size.

    python -m export verify --model CHECKPOINT --artefact FOLDER --data HISTORIES [--users N]

Next tokens are compared in float32 on real prompts, token by token; profiles by the bidirectional NDCG that the
training stage ``evaluate`` computes, with the gain over the checkpoint's own profiles paired by user. Speed and memory
are those of a process that does nothing else; they hold for the machine that measured them. The figures go into the
artefact's manifest, where `bump-edge models` shows them.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bump_edge.backends import chat
from bump_edge.backends.chat import messages_of
from bump_edge.errors import ModelCorruptError, ModelNotFoundError, UsageError
from bump_edge.models.manifest import ModelManifest, check_hashes, read_manifest
from bump_edge.models.registry import model_path
from bump_edge.prompts import template_fingerprint
from export.artefact import replace_file, stamp
from export.checkpoint import load_model, load_tokenizer, plain
from export.corpus import histories_of, prompts_of
from export.measuring import Spec, measure
from export.options import check_at_least
from export.processes import summary_of
from export.progress import say
from export.source import Source, look_at

_SPEEDS = ("tokens_per_s", "first_token_ms", "peak_rss_mib")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasureOptions:
    """What to measure with.

    Args:
        model: the checkpoint that the artefacts were made of: a folder of transformers, or a LoRA.
        data: a history file; nothing of it may have been trained on.
        base: the base of a LoRA, where it is not at the place that the LoRA names.
        tokens: prompt tokens on which next tokens are compared; ≥ 2.
        users: of `split`, whose profiles are written and judged; 0 leaves that out, else ≥ 2.
        split: ``train``, ``validation``, ``test`` or ``all``, see `training.histories`.
        judges: of the stage ``evaluate``.
        visible, max_words, max_tokens: of a prompt and a profile.
        speed_profiles: profiles that each artefact writes for its speed, a round; ≥ 1.
        rounds: each measures the speed of all artefacts, one after the other; the median counts; ≥ 1.
        threads: of the runtime, for the speed; None for its own choice.
    """

    model: Path
    data: Path
    base: Path | None = None
    tokens: int = 2000
    users: int = 200
    split: str = "test"
    judges: tuple[str, ...] = ("minilm", "bm25")
    visible: int = 40
    max_words: int = 80
    max_tokens: int = 120
    speed_profiles: int = 4
    rounds: int = 3
    threads: int | None = None

    def __post_init__(self) -> None:
        check_at_least(self, tokens=2, visible=1, max_words=10, max_tokens=2, speed_profiles=1, rounds=1)
        if self.users < 0 or self.users == 1:
            raise UsageError(f"users is {self.users}: expected 0 or at least 2", details={"option": "users"})
        if self.users and not self.judges:
            raise UsageError("judges is empty: expected at least one, or --users 0", details={"option": "judges"})


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions(MeasureOptions):
    """What to verify.

    Args:
        artefact: the folder that an export wrote; its manifest gets the figures.
    """

    artefact: Path


@dataclass(frozen=True, slots=True)
class Device:
    """An artefact that was looked at: its folder, its manifest, and the path that the runtime opens."""

    folder: Path
    manifest: ModelManifest
    path: Path


def run(options: VerifyOptions) -> dict[str, Any]:
    """Measure one artefact; returns what the command prints.

    Raises:
        ModelNotFoundError, ModelCorruptError: checkpoint or artefact are not there, or damaged.
        UsageError: the artefact was made of another checkpoint, or is none that a device runs by itself.
        ModelError: a process that measures failed.
    """
    (figures,) = measure_all(options, [options.artefact]).values()
    return {"artefact": str(options.artefact), "source": options.model.name, "figures": figures}


def measure_all(
    options: MeasureOptions, folders: Sequence[Path], keep: Path | None = None
) -> dict[str, dict[str, Any]]:
    """The figures of each artefact by its name, which also go into its manifest.

    Args:
        options: with what.
        folders: the artefacts.
        keep: a folder for what takes longest, next tokens and profiles: after a kill it is not measured again, if it is
            of the same files and options. Speeds are, all of them, since they hold against each other in one run alone.
            None keeps nothing.

    Raises:
        ModelNotFoundError, ModelCorruptError, UsageError, ModelError: see `run`.
    """
    source = look_at(options.model, options.base)
    devices = [look_at_device(folder, source) for folder in folders]
    names = [device.manifest.name for device in devices]
    if len(set(names)) != len(names):
        raise UsageError(f"the artefacts are called {', '.join(names)}: expected names that differ; see --name")
    with _scratch() as scratch:
        kept = _Kept((keep or scratch / "kept") / _identity(source, options))
        checkpoint = plain(source, scratch)
        histories = scratch / "histories.jsonl"
        _write_histories(options, histories)
        compared = _compared(source, options, devices, histories, scratch / "logits", kept)
        figures = [{"bytes": d.manifest.size, **found} for d, found in zip(devices, compared, strict=True)]
        rounds = []
        for number in range(options.rounds):
            say(f"speed, round {number + 1} of {options.rounds}")
            rounds.append([measure(_spec(d, options, histories, write=options.speed_profiles)) for d in devices])
        for at, found in enumerate(figures):
            for key in _SPEEDS:
                values = [each[at][key] for each in rounds if each[at][key] is not None]
                found[key] = median(values) if values else None
        if options.users:
            writers = [at for at, device in enumerate(devices) if device.manifest.extra.get("kind") == "profiler"]
            judged = _quality(checkpoint, options, [devices[at] for at in writers], scratch / "judged", kept)
            for at, quality in zip(writers, judged, strict=True):
                figures[at] |= quality
    told = {name: _rounded(found) for name, found in zip(names, figures, strict=True)}
    for device in devices:
        stamp(device.folder, told[device.manifest.name])
    return told


def look_at_device(folder: Path, source: Source) -> Device:
    """The artefact in `folder`, all its files hashed; see `run` for the errors."""
    if not folder.is_dir():
        raise ModelNotFoundError(f"{folder} is no folder: expected one that an export wrote")
    manifest = read_manifest(folder)
    if manifest is None:
        raise ModelCorruptError(f"{folder} has no manifest: expected a folder that an export wrote")
    check_hashes(folder, manifest)
    if manifest.extra.get("kind") not in ("profiler", "judge"):
        raise UsageError(
            f"{folder} is a {manifest.extra.get('kind')}: expected a profiler or a judge, which runs by itself"
        )
    made_of = manifest.extra.get("source_sha256")
    if made_of != source.sha256:
        raise UsageError(
            f"{folder} was made of another checkpoint than {source.folder}: give that with --model",
            details={"source_sha256": made_of, "expected": source.sha256},
        )
    return Device(folder, manifest, model_path(folder, manifest.backend))


def write_source_logits(source: Source, options: MeasureOptions, histories: Path, folder: Path) -> None:
    """Write the checkpoint's logits in float32 of the first `options.tokens` prompt tokens, a file a prompt."""
    import numpy as np
    import torch

    tokenizer = load_tokenizer(source.tokenizer)
    model: Any = load_model(source, dtype="float32")
    form = chat.choose(set(tokenizer.all_special_tokens).__contains__)
    adds_bos = form.bos is None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]
    folder.mkdir()
    left = options.tokens
    say(f"the checkpoint reads {left} prompt tokens")
    for number, prompt in enumerate(prompts_of(histories, visible=options.visible, max_words=options.max_words)):
        tokens, _ = chat.tokenize(
            form.render(messages_of(prompt)),
            tokenizer.convert_tokens_to_ids,
            lambda text: tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True),
        )
        tokens = ([tokenizer.bos_token_id] if adds_bos else []) + tokens
        tokens = tokens[: max(left, 2)]
        with torch.inference_mode():
            found = model(torch.tensor([tokens])).logits[0].float().numpy()
        np.save(folder / f"{number}.npy", found)
        (folder / f"{number}.json").write_bytes(orjson.dumps(tokens))
        left -= len(tokens)
        if left <= 0:
            return
    say(f"the histories make {left} tokens fewer than asked for")


def _spec(
    device: Device, options: MeasureOptions, histories: Path, *, write: int = 0, source_logits: str | None = None
) -> Spec:
    return Spec(
        model=str(device.path.resolve()),
        backend=device.manifest.backend,
        histories=str(histories),
        visible=options.visible,
        max_words=options.max_words,
        max_tokens=options.max_tokens,
        threads=options.threads,
        write=write,
        source_logits=source_logits,
    )


def _write_histories(options: MeasureOptions, path: Path) -> None:
    """The histories of as many users as the prompts need, for the processes that measure."""
    needed = max(options.tokens // 50, options.speed_profiles)  # no prompt has fewer than 50 tokens
    rows = [i.as_dict() for history in histories_of(options.data, users=needed) for i in history]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A folder of what was measured."""

    folder: Path

    def of(self, device: Device) -> Path:
        """The place of an artefact's files, by their hashes."""
        files = sorted((f.name, f.sha256) for f in device.manifest.files)
        return self.folder / hashlib.sha256(orjson.dumps(files)).hexdigest()[:16]


def _identity(source: Source, options: MeasureOptions) -> str:
    """Names what next tokens and profiles depend on, beside the artefact."""
    with options.data.open("rb") as content:
        data = hashlib.file_digest(content, "sha256").hexdigest()
    rest = [options.tokens, options.users, options.split, options.visible, options.max_words, options.max_tokens]
    return hashlib.sha256(orjson.dumps([source.sha256, template_fingerprint(), data, *rest])).hexdigest()[:16]


def _compared(
    source: Source, options: MeasureOptions, devices: Sequence[Device], histories: Path, logits: Path, kept: _Kept
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for device in devices:
        path = kept.of(device) / "compared.json"
        if path.is_file():
            say(f"{device.manifest.name}: next tokens, measured before")
        else:
            if not logits.exists():
                write_source_logits(source, options, histories, logits)
            say(f"{device.manifest.name}: next tokens")
            measured = measure(_spec(device, options, histories, source_logits=str(logits)))
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, orjson.dumps(measured))
        found.append(orjson.loads(path.read_bytes()))
    shutil.rmtree(logits, ignore_errors=True)
    return found


def _quality(
    checkpoint: Path, options: MeasureOptions, devices: Sequence[Device], out: Path, kept: _Kept
) -> list[dict[str, Any]]:
    """NDCG of the profiles of each, and its gain over the checkpoint's, paired by user."""
    if not devices:
        return []
    own = _written("the checkpoint", checkpoint, options, kept.folder / "checkpoint")
    others = [_written(d.manifest.name, d.path, options, kept.of(d) / "profiles") for d in devices]
    compare = ",".join(f"{d.manifest.name}={written}" for d, written in zip(devices, others, strict=True))
    told = _evaluate(options, out, "--profiles", str(own), "--judges", ",".join(options.judges), "--compare", compare)
    return [_quality_of(told, device.manifest.name) for device in devices]


def _written(name: str, model: Path, options: MeasureOptions, out: Path) -> Path:
    """The file of the profiles that `model` writes; written now, unless `out` has it whole."""
    if (out / "evaluation.json").is_file():  # which the stage writes last
        say(f"{name}: profiles, written before")
    else:
        _evaluate(options, out, "--model", str(model.resolve()), "--judges", "bm25")  # the cheapest: nobody reads it
    return out / "profiles.jsonl"


def _evaluate(options: MeasureOptions, out: Path, *more: str) -> dict[str, Any]:
    return summary_of(
        "evaluating the profiles",
        [
            "training", "evaluate", "--data", str(options.data.resolve()), "--users", str(options.users),
            "--split", options.split, "--baselines", "", "--visible", str(options.visible),
            "--max-words", str(options.max_words), "--max-tokens", str(options.max_tokens), "--out", str(out.resolve()),
            *more,
        ],
        progress=True,
    )  # fmt: skip


def _quality_of(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    row, gains = told["kinds"][name], told["gain_over"][name]
    found: dict[str, Any] = {"users": told["users"], "words": row["words"], "unsupported": row.get("unsupported")}
    for judge, gain in gains.items():
        found[f"ndcg_{judge}"], found[f"ndcg_{judge}_ci95"] = row[judge]["ndcg"], row[judge]["ci95"]
        # evaluate tells what the checkpoint gains over the device
        found[f"ndcg_{judge}_gain"] = -gain["gain"]
        found[f"ndcg_{judge}_gain_ci95"] = [-gain["ci95"][1], -gain["ci95"][0]]
    return found


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bump-edge-verify-") as folder:
        yield Path(folder)


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(v) for v in value]
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return {key: short(value) for key, value in figures.items() if value is not None}
