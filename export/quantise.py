"""llama.cpp's quantisation, in a process of its own: a failed assertion in native code ends that one alone.

``python -m export.quantise IN OUT TYPE [IMPORTANCE]`` is what `quantise` starts. An importance matrix goes in as an
``.npz`` of one float32 vector a tensor, which `llama_model_quantize_params.imatrix` takes as an array of (name, values,
count).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from bump_edge.backends.llama_library import load_library
from bump_edge.errors import ModelError
from export.artefact import is_full

TYPES = {"Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q4_K_M": 15, "Q4_0": 2}
"""What this writes, and llama.cpp's numbers for it (LLAMA_FTYPE_MOSTLY_*)."""

_ROOT = Path(__file__).resolve().parents[1]


def quantise(source: Path, target: Path, kind: str, importance: Path | None = None) -> None:
    """Quantise a GGUF file.

    Args:
        source: in float32 or float16.
        target: the file to write.
        kind: one of `TYPES`.
        importance: an importance matrix, see `export.importance`.

    Raises:
        ModelError: llama.cpp failed; the message ends with the last lines that it printed.
    """
    load_library()  # a missing package is said here, where it becomes a clear error
    arguments = [
        str(source.resolve()),
        str(target.resolve()),
        kind,
        *([str(importance.resolve())] if importance else []),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "export.quantise", *arguments],
        cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        tail = [line for line in done.stdout.splitlines() if line.strip()][-12:]
        crashed = done.returncode < 0
        what = f"crashed ({signal.Signals(-done.returncode).name})" if crashed else "failed"
        full = is_full(done.stdout) or _no_room(target)
        why = "the disk is full; free some space, and export again" if full else "it said:\n" + "\n".join(tail)
        raise ModelError(f"llama.cpp's quantisation to {kind} {what}: {why}", details={"said": tail})


def _no_room(target: Path) -> bool:
    """Whether there is less than a megabyte left: llama.cpp only says that it could not write."""
    place = os.statvfs(target.parent) if hasattr(os, "statvfs") else None
    return place is not None and place.f_bavail * place.f_frsize < 1 << 20


def main(source: str, target: str, kind: str, importance: str | None = None) -> int:
    """Quantise in this process; returns llama.cpp's status, 0 for done."""
    import ctypes

    api = load_library()
    api.llama_backend_init()
    params = api.llama_model_quantize_default_params()
    params.ftype = TYPES[kind]
    params.nthread = int(os.environ.get("OMP_NUM_THREADS") or 0)
    if importance is not None:
        import numpy as np

        values = dict(np.load(importance))
        rows = (api.llama_model_imatrix_data * (len(values) + 1))()  # the last, without a name, ends it
        for row, (name, vector) in zip(rows, values.items(), strict=False):
            row.name, row.size = name.encode(), vector.size
            row.data = vector.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        params.imatrix = ctypes.cast(rows, ctypes.POINTER(api.llama_model_imatrix_data))
    return int(api.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
