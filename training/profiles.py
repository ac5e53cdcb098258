"""Where the profiles come from that a stage works with: a file of them, or whatever writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from bump_edge.backends.base import GenerationOptions, generate
from bump_edge.errors import InputError
from bump_edge.models import open_model
from bump_edge.prompts import Prompt
from bump_edge.settings import load as load_settings
from training.models import is_checkpoint, load
from training.progress import say
from training.rollouts import write


def read_profiles(path: Path) -> dict[str, str]:
    """The text of each user's profile in a JSON Lines file.

    Raises:
        InputError: the file cannot be read, or a line is no profile, or a user has two.
    """
    out: dict[str, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"cannot read the profiles {path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}, is not JSON: {error}") from None
        if not (isinstance(row, dict) and isinstance(row.get("user_id"), str) and isinstance(row.get("text"), str)):
            raise InputError(f'{path}, line {number}: expected {{"user_id": …, "text": …}}, both strings')
        if row["user_id"] in out:
            raise InputError(f"{path}, line {number}: user {row['user_id']!r} has a profile already; keep one")
        out[row["user_id"]] = row["text"]
    return out


def write_profiles(
    reference: str, prompts: Sequence[Prompt], *, max_tokens: int = 200, bfloat16: bool = False
) -> list[str]:
    """One profile a prompt, by a model of bump-edge or a folder that training wrote; the likeliest token each time.

    Args:
        reference: ``extractive``, the name or path of a model that the runtime opens, or a folder of transformers, of a
            LoRA, or of a training run. A folder that training can load is not looked up as a name.
        prompts: the same words as on the device, whatever the model.
        max_tokens: of a profile.
        bfloat16: a folder of training computes in it; the runtime's models have their own precision.

    Raises:
        ModelError: it cannot be opened.
    """
    say(f"{reference} writes {len(prompts)} profiles")
    if is_checkpoint(Path(reference)):
        model = load(Path(reference), dtype="bfloat16" if bfloat16 else "float32")
        return write(model, prompts, max_tokens=max_tokens)
    backend = open_model(reference, load_settings())
    try:
        return [g.text for g in generate(backend, prompts, GenerationOptions(max_tokens=max_tokens))]
    finally:
        backend.close()
