"""The package as a reader meets it: documented files of one room each, nothing heavy before it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "export").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_every_module_and_public_name_is_documented_and_no_file_is_two_rooms(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(tree)
    for node in tree.body:
        public = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        assert not public or ast.get_docstring(node), f"{node.name} has no docstring"  # type: ignore[union-attr,arg-type]


def test_heavy_packages_wait_until_they_are_asked_for() -> None:
    names = [path.stem for path in MODULES if not path.stem.startswith("__")]
    heavy = ["torch", "transformers", "gguf", "onnx", "onnxruntime_genai", "llama_cpp", "peft", "numpy"]
    code = (
        f"import importlib, sys\n[importlib.import_module('export.' + n) for n in {names!r}]\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
