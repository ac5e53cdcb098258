"""``python -m export COMMAND --model FOLDER [options]``.

Progress goes to stderr; the last line of stdout is one JSON object, the summary, or ``{"error": …}``. Exit codes are
those of `bump_edge.errors`: 2 for an option that makes no sense.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import orjson

from bump_edge.errors import BumpEdgeError, CancelledError, UsageError
from export.options import KINDS
from export.processes import OFFLINE
from export.progress import say

COMMANDS = {
    "onnx": ("export.onnx", "OnnxOptions", "a folder for onnxruntime-genai"),
    "gguf": ("export.gguf", "GgufOptions", "a file for llama.cpp"),
    "judge": ("export.judge", "JudgeOptions", "a trained judge, in either format"),
    "encoder": ("export.encoder", "EncoderOptions", "a sentence encoder for onnxruntime; needs the extra optimum"),
    "trim": ("export.trim", "TrimOptions", "a smaller checkpoint: LoRA merged, vocabulary pruned, layers dropped"),
    "verify": ("export.verify", "VerifyOptions", "what one export keeps of its checkpoint, into its manifest"),
    "report": ("export.report", "ReportOptions", "the price of several exports, side by side"),
}
"""The subcommands: module, the dataclass of its options, what it writes."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see python -m export --help")


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    os.environ.update(dict.fromkeys(OFFLINE, "1"))
    try:
        summary = _run(arguments)
    except BumpEdgeError as error:
        say(f"error: {error.message}")
        print(orjson.dumps(error.as_dict()).decode(), flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        say("cancelled")
        print(orjson.dumps(CancelledError("the export was interrupted: nothing was written").as_dict()).decode())
        return CancelledError.exit_code
    print(orjson.dumps(summary).decode(), flush=True)
    return 0


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    parser = _Parser(prog="python -m export", description=__doc__, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name, (_, _, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what, allow_abbrev=False)
        command.add_argument("--model", type=Path, required=True, help="the checkpoint, or a LoRA")
        command.add_argument("--base", type=Path, help="the base of a LoRA, where it is not at the place it names")
        _ARGUMENTS[name](command)
    given = vars(parser.parse_args(list(arguments)))
    chosen = given.pop("command")
    home, options, _ = COMMANDS[chosen]
    module = importlib.import_module(home)
    schema = getattr(module, options)
    known = {f.name for f in dataclasses.fields(schema)}
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items() if v is not None}
    result: dict[str, Any] = module.run(schema(**{key: v for key, v in values.items() if key in known}))
    return {"command": chosen, **result}


def _artefact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--name", help="what the model is called; by default after --out")
    parser.add_argument("--licence", help="of the base; by default what its README says")
    parser.add_argument("--max-interactions", type=int, help="that a prompt may show it, as it was trained")
    parser.add_argument("--force", action="store_true", help="replace what is at --out")


def _measure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="histories, not trained on")
    parser.add_argument("--tokens", type=int, help="prompt tokens to compare next tokens on; 2000 by default")
    parser.add_argument("--users", type=int, help="whose profiles are judged; 200 by default, 0 for none")
    parser.add_argument("--split", help="train, validation, test (the default) or all")
    parser.add_argument("--judges", type=_words, metavar="NAME,NAME", help="minilm,bm25 by default")
    parser.add_argument("--visible", type=int, help="interactions that a prompt shows; 40 by default")
    parser.add_argument("--max-words", type=int, help="of a profile; 80 by default")
    parser.add_argument("--max-tokens", type=int, help="of a profile; 120 by default")
    parser.add_argument("--speed-profiles", type=int, help="profiles a round, for the speed; 4 by default")
    parser.add_argument("--rounds", type=int, help="of measuring the speed; 3 by default")
    parser.add_argument("--threads", type=int, help="of the runtime, for the speed; by default its own choice")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--artefact", type=Path, required=True, metavar="FOLDER", help="what an export wrote")
    _measure(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--artefact", type=Path, nargs="+", action="extend", required=True, metavar="FOLDER", help="what exports wrote"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder for report.md, report.json and report.png")
    parser.add_argument("--tolerance", type=float, help="what the default may lose of the NDCG; 0.01 by default")
    parser.add_argument("--force", action="store_true", help="replace a report that is there")
    _measure(parser)


def _onnx(parser: argparse.ArgumentParser) -> None:
    if parser.prog.endswith(" onnx"):
        _artefact(parser)
    parser.add_argument("--precision", help="fp32, fp16, int8 or int4 (the default)")
    parser.add_argument("--provider", help="cpu (the default) or cuda")
    parser.add_argument("--block-size", type=int, help="of int4 and int8: 16, 32 (the default), 64, 128 or 256")
    parser.add_argument("--accuracy-level", type=int, help="of int4 and int8: 1 to 4; by default the builder's")
    parser.add_argument("--algorithm", help="of int4 and int8: rtn (the default) or k_quant")
    parser.add_argument("--mixed", action="store_true", default=None, help="of int4: what is most sensitive in int8")
    if parser.prog.endswith(" onnx"):
        parser.add_argument("--kind", choices=KINDS, help="what the model is for")


def _gguf(parser: argparse.ArgumentParser) -> None:
    if parser.prog.endswith(" gguf"):
        _artefact(parser)
    parser.add_argument("--type", help="F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M (the default) or Q4_0")
    parser.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="histories for an importance matrix",
    )
    if parser.prog.endswith(" gguf"):
        parser.add_argument("--adapter", action="store_true", default=None, help="write a LoRA by itself")
        parser.add_argument("--kind", choices=KINDS, help="what the model is for")


def _judge(parser: argparse.ArgumentParser) -> None:
    _artefact(parser)
    parser.add_argument("--format", choices=("onnx", "gguf"), required=True, help="which runtime")
    _onnx(parser)
    _gguf(parser)


def _encoder(parser: argparse.ArgumentParser) -> None:
    _artefact(parser)
    parser.add_argument("--precision", help="fp32 (the default) or int8")
    parser.add_argument("--target", help="of int8: avx2 (the default), avx512_vnni or arm64")
    parser.add_argument(
        "--data", type=Path, nargs="+", action="extend", metavar="FILE", help="histories to compare vectors on"
    )
    parser.add_argument("--texts", type=int, help="of them, at most; 200 by default")


def _trim(parser: argparse.ArgumentParser) -> None:
    _artefact(parser)
    parser.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="histories or texts: prune to their tokens",
    )
    parser.add_argument("--coverage", type=float, help="share of the corpus's tokens to keep; 0.999 by default")
    parser.add_argument("--drop-layers", type=_numbers, metavar="N,N", help="layers to leave out, counted from 0")


def _words(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers with commas between") from None


_ARGUMENTS = {
    "onnx": _onnx, "gguf": _gguf, "judge": _judge, "encoder": _encoder, "trim": _trim, "verify": _verify,
    "report": _report,
}  # fmt: skip


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that it cleans up as it does after Ctrl-C
    sys.exit(main(sys.argv[1:]))
