"""What an export starts from: a checkpoint on disk, looked at without loading its weights.

A checkpoint is a folder that ``save_pretrained`` wrote, or a LoRA of peft with a note of its base. Whether a LoRA fits
its base is read from the headers of the weight files, so that a wrong pair costs a message and no minutes.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import ModelCorruptError, ModelNotFoundError, UsageError

_LAYER = re.compile(r"^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.[^.]+)?\.weight$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A checkpoint.

    Args:
        folder: it.
        base: the folder of its base, if it is a LoRA.
        config: the content of ``config.json``, the base's for a LoRA.
        sha256: over the names and contents of its weight files, the base's included.
        licence: of the base, as its README says it; None if it says nothing.
    """

    folder: Path
    base: Path | None
    config: dict[str, Any]
    sha256: str
    licence: str | None

    @property
    def name(self) -> str:
        """The folder's name, or that of the run that ``OUT/model`` belongs to."""
        folder = self.folder.resolve()
        return folder.parent.name if folder.name == "model" and folder.parent.name else folder.name

    @property
    def whole(self) -> Path:
        """The folder with configuration and all weights: of the base, for a LoRA."""
        return self.base or self.folder

    @property
    def tokenizer(self) -> Path:
        """The folder with the tokenizer: a LoRA may carry its own."""
        return self.folder if (self.folder / "tokenizer.json").is_file() else self.whole

    @property
    def architecture(self) -> str:
        """The class that transformers runs it with, such as ``LlamaForCausalLM``."""
        return str((self.config.get("architectures") or ["unknown"])[0])


def look_at(folder: Path, base: Path | None = None) -> Source:
    """The checkpoint in `folder`.

    Args:
        folder: a checkpoint.
        base: the base of a LoRA; by default where ``adapter_config.json`` says.

    Raises:
        ModelNotFoundError: there is no such folder, or no base where the LoRA names it.
        ModelCorruptError: a part is missing or cannot be read.
        UsageError: the LoRA belongs to another base, or a base was given for what is no LoRA.
    """
    if not folder.is_dir():
        raise ModelNotFoundError(
            f"{folder} is no folder: expected a checkpoint of transformers, or a LoRA of peft",
            details={"model": str(folder)},
        )
    adapter = folder / "adapter_config.json"
    if not adapter.is_file():
        if base is not None:
            raise UsageError(f"--base is {base}, and {folder} is no LoRA: leave it out", details={"option": "base"})
        found = None
    else:
        found = _base_of(adapter, base)
    whole = found or folder
    config = _json(whole / "config.json")
    digest = hashlib.sha256()
    for part in [whole, folder] if found else [folder]:
        for path in weight_files(part):
            digest.update(f"{path.name} {_sha256(path)}\n".encode())
    if found:
        _check_note(folder, found)
        _check_fits(folder, found)
    return Source(folder=folder, base=found, config=config, sha256=digest.hexdigest(), licence=_licence(whole))


def weight_files(folder: Path) -> list[Path]:
    """The files with weights in `folder`, in order of name.

    Raises:
        ModelCorruptError: there are none, or one that the index lists is missing.
    """
    adapter = folder / "adapter_config.json"
    names = ["adapter_model.safetensors"] if adapter.is_file() else ["model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if index.is_file() and not adapter.is_file():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
    for name in names:
        if not (folder / name).is_file():
            raise ModelCorruptError(
                f"{folder} has no {name}: expected the weights of a checkpoint as safetensors; save it again",
                details={"path": str(folder / name)},
            )
    return [folder / name for name in names]


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in `folder`, by name, from the headers of its safetensors files.

    Raises:
        ModelCorruptError: a file is missing, cut off or no safetensors.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                if size > path.stat().st_size:
                    raise ValueError("it ends in its header")
                header = json.loads(file.read(size))
            header.pop("__metadata__", None)
            found |= {name: tuple(entry["shape"]) for name, entry in header.items()}
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
            if (there := path.stat().st_size) < 8 + size + end:
                raise ValueError(f"it has {there} bytes of {8 + size + end}")
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ModelCorruptError(
                f"{path} cannot be read as safetensors: {error}; save the checkpoint again",
                details={"path": str(path)},
            ) from None
    return found


def _base_of(adapter: Path, given: Path | None) -> Path:
    named = _json(adapter).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise ModelCorruptError(f"{adapter} names no base: expected base_model_name_or_path")
    if given is None:
        if not Path(named).is_dir():
            raise ModelNotFoundError(
                f"{adapter} names the base {named}, which is no folder here: give it with --base",
                details={"base": named},
            )
        return Path(named)
    if not given.is_dir():
        raise ModelNotFoundError(f"--base is {given}, which is no folder", details={"base": str(given)})
    if Path(named).is_dir():
        if [_sha256(p) for p in weight_files(given)] != [_sha256(p) for p in weight_files(Path(named))]:
            raise _another(adapter.parent, given, f"it was trained on {named}, whose weights differ")
    elif Path(named).name != given.resolve().name:
        raise _another(
            adapter.parent, given, f"it was trained on {named!r}; if that is the same, give it in a folder of that name"
        )
    return given


def _check_note(lora: Path, base: Path) -> None:
    """Compare the base with the hashes that the training stages write beside a LoRA."""
    note = lora / "base.json"
    if note.is_file() and _json(note).get("files") != {path.name: _sha256(path) for path in weight_files(base)}:
        raise _another(lora, base, "its weights are not those that the LoRA was trained on")


def _check_fits(lora: Path, base: Path) -> None:
    there = shapes(base)
    for name, shape in shapes(lora).items():
        found = _LAYER.match(name)
        if found is None:
            continue
        layer, side = found.groups()
        weight = there.get(f"{layer}.weight")
        if weight is None:
            raise _another(lora, base, f"it changes {layer}, which the base does not have")
        ours, theirs = (shape[1], weight[1]) if side == "A" else (shape[0], weight[0])
        if ours != theirs:
            raise _another(
                lora, base, f"it is made for {ours} {'inputs' if side == 'A' else 'outputs'} of {layer}, not {theirs}"
            )


def _another(lora: Path, base: Path, why: str) -> UsageError:
    return UsageError(
        f"the LoRA {lora} is for another base than {base}: {why}", details={"model": str(lora), "base": str(base)}
    )


def _licence(folder: Path) -> str | None:
    """What the front matter of a model card says."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    front = re.match(r"---\n(.*?)\n---", text, re.S)
    found = re.search(r"^license:\s*['\"]?([\w.+-]+)", front.group(1), re.M) if front else None
    return found.group(1) if found else None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ModelCorruptError(
            f"{path} cannot be read ({error.strerror}): expected a checkpoint of transformers",
            details={"path": str(path)},
        ) from None
    except orjson.JSONDecodeError as error:
        raise ModelCorruptError(f"{path} is no JSON: {error}", details={"path": str(path)}) from None
    if not isinstance(content, dict):
        raise ModelCorruptError(f"{path}: expected an object", details={"path": str(path)})
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
