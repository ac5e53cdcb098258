"""Gate: files from strangers, models and packed logs, cost an error and nothing else.

Bombs are read by a process of their own whose memory is looked at afterwards; models that name other places, bring code
or lie about their size are opened by the runtime's own checks.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from bump_edge import Store
from bump_edge.backends.gguf import GgufBackend
from bump_edge.backends.gguf_file import read_header
from bump_edge.backends.onnx_folder import check_folder
from bump_edge.errors import BumpEdgeError
from bump_edge.models import add
from bump_edge.models.manifest import read_manifest
from bump_edge.settings import Settings
from tests.export.small import write_model
from tests.real_models import smollm2_gguf, smollm2_onnx
from tests.trust.gate import Outcome

_MOST_MIB = 300  # an ordinary ingest takes 160 to 200
_NAMES = (
    "../evil", "/etc/passwd", "a/b.gguf", "..", ".", "", "..\\evil", "C:\\evil", "manifest.json", "\0", "a/../../evil",
)  # fmt: skip


def bombs(folder: Path, size: int) -> dict[str, Path]:
    """Packed files that are small on disk and `size` bytes when they are read."""
    block = b"x" * (1 << 20)
    made = {name: folder / name for name in ("one-line.gz", "one-line.zst", "packed-twice.gz", "open-quote.csv.gz")}
    with gzip.open(made["one-line.gz"], "wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    with made["one-line.zst"].open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as file:
        for _ in range(size >> 20):
            file.write(block)
    with gzip.open(made["packed-twice.gz"], "wb") as file:
        file.write(made["one-line.gz"].read_bytes())
    with gzip.open(made["open-quote.csv.gz"], "wb") as file:
        file.write(b'user_id,text\nu,"')
        for _ in range(size >> 20):
            file.write(block)
    return made


def in_child(work: Callable[[], None]) -> tuple[str, float]:
    """Do `work` in a forked process: what is wrong with how it ended, and its peak memory in MiB."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            work()
        except BumpEdgeError:
            pass
        except BaseException as error:  # noqa: BLE001  (that is what is looked for)
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:4000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    _, status, used = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        said = f"died of signal {os.WTERMSIG(status)}"
    return said, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def refused(work: Callable[[], object]) -> str | None:
    """What is wrong unless `work` raises an error of ours."""
    try:
        work()
    except BumpEdgeError:
        return None
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return "it was taken"


def headers(rng: random.Random, count: int) -> Iterator[bytes]:
    """Beginnings of a real GGUF file, broken: numbers blown up, bytes changed, ends cut off."""
    with smollm2_gguf().open("rb") as file:
        whole = file.read(1 << 16)
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(4, 4096 if rng.random() < 0.7 else len(data) - 8)
            match rng.randrange(3):
                case 0:
                    data[at : at + 8] = struct.pack("<Q", rng.choice([2**63, 2**64 - 1, 2**40, 0]))
                case 1:
                    data[at] = rng.randrange(256)
                case _:
                    del data[at:]
                    break
        yield bytes(data)


def with_template(folder: Path, mark: Path) -> Path:
    """A small GGUF model whose chat template makes the file `mark`, where a template engine runs it; its file."""
    from export.gguf import GgufOptions
    from export.gguf import run as export

    model = write_model(folder / "checkpoint")
    evil = f"{{{{ cycler.__init__.__globals__.os.system('touch {mark}') }}}}"
    (model / "chat_template.jinja").write_text(evil)
    export(GgufOptions(model=model, out=folder / "evil", type="F16"))
    [file] = (folder / "evil").glob("*.gguf")
    if evil.encode() not in file.read_bytes():
        raise RuntimeError("the template did not get into the file")
    import jinja2

    jinja2.Template(evil).render()  # the planted violation: an engine that runs it
    if not mark.exists():
        raise RuntimeError("the template does nothing")
    mark.unlink()
    return file


def run(*, long: bool) -> Outcome:
    """Bombs of 256 MiB (1 GiB in the long mode), names that lead elsewhere, models that bring code."""
    failures: list[str] = []
    tried = 0

    def see(what: str, problem: str | None) -> None:
        nonlocal tried
        tried += 1
        if problem:
            failures.append(f"{what}: {problem}")

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        base = in_child(lambda: None)[1]

        def ingest(path: Path) -> None:
            with Store(folder / "store.db") as store:
                store.ingest_file(path)

        for name, path in bombs(folder, 1 << (30 if long else 28)).items():
            said, used = in_child(lambda path=path: ingest(path))  # type: ignore[misc]
            see(name, said or (f"it took {used - base:.0f} MiB" if used - base > _MOST_MIB else None))
        settings = Settings(home=folder, db=folder / "db", model="extractive", json=False)
        for number, name in enumerate(_NAMES):
            model = folder / f"named{number}"
            model.mkdir()
            listed = {"name": name, "size": 1, "sha256": "0" * 64}
            content = {"format": 1, "name": "m", "backend": "gguf", "files": [listed], "source": ""}
            (model / "manifest.json").write_text(json.dumps(content))
            see(f"a manifest that names {name!r}", refused(lambda model=model: read_manifest(model)))  # type: ignore[misc]
            see(f"a model that names {name!r}", refused(lambda model=model: add(model, settings)))  # type: ignore[misc]
        for number, change in enumerate(_configs()):
            model = folder / f"onnx{number}"
            _linked(smollm2_onnx(), model, change)
            see(f"genai_config {change}", refused(lambda model=model: check_folder(model)))  # type: ignore[misc]
            see(f"added genai_config {change}", refused(lambda model=model: add(model, settings)))  # type: ignore[misc]
        special = folder / "special"
        _linked(smollm2_onnx(), special, {})
        os.mkfifo(special / "pipe")
        see("a pipe in a model", refused(lambda: add(special, settings)))
        path = folder / "header.gguf"
        for number, header in enumerate(headers(random.Random(0), 2000 if long else 200)):
            path.write_bytes(header)
            see(f"GGUF header {number}", refused(lambda: read_header(path)))
        mark = folder / "mark"
        backend = GgufBackend(with_template(folder, mark), context_tokens=512, isolate=False)
        from bump_edge.backends.base import GenerationOptions, generate
        from tests.conformance.samples import GUITARS

        generate(backend, [GUITARS], GenerationOptions(max_tokens=2))
        backend.close()
        see("a template that runs a command", "it ran" if mark.exists() else None)
        planted = {
            "a reader that takes it all at once": in_child(lambda: _greedy(folder / "one-line.gz"))[1] - base
            > _MOST_MIB / 2,
            "a model that is what it says": refused(lambda: check_folder(smollm2_onnx())) == "it was taken",
        }
    return Outcome(
        promise="A stranger's model or packed log costs an error: no code runs, no other file is touched, memory stays",
        test="bombs, path tricks, configurations with code, broken headers, a template that runs a command",
        tried=tried,
        failures=failures[:20],
        planted=planted,
    )


def _configs() -> list[dict[str, object]]:
    return [
        {"custom_ops_library": "evil.so"},
        {"library_path": "../evil.dll"},
        {"anything": "/tmp/evil.so.1"},
        {"enable_profiling": "/tmp/where-i-like"},
        {"filename": "../../etc/passwd"},
        {"filename": "/etc/passwd"},
        {"filename": ""},
    ]


def _linked(source: Path, target: Path, change: dict[str, object]) -> None:
    """A copy of an ONNX folder by hard links, its configuration changed."""
    target.mkdir()
    for file in source.iterdir():
        if file.name == "genai_config.json":
            config = json.loads(file.read_bytes())
            config["model"]["decoder"].update(change)
            (target / file.name).write_text(json.dumps(config))
        else:
            try:
                os.link(file, target / file.name)
            except OSError:
                (target / file.name).write_bytes(file.read_bytes())


def _greedy(path: Path) -> None:
    len(gzip.decompress(path.read_bytes()))
