"""What every file of a room must have, for the tests of `training` and `export`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def check_file(path: Path) -> None:
    """Fail unless a module and its public names are documented, in at most 400 lines."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def loaded_by(package: str, modules: Sequence[Path], heavy: Sequence[str]) -> list[str]:
    """Which of `heavy` are loaded by importing the modules of a package."""
    names = [f"{package}.{path.stem}" for path in modules if not path.stem.startswith("__")]
    code = (
        f"import importlib, sys\n[importlib.import_module(n) for n in {names!r}]\n"
        f"print(*[m for m in {list(heavy)!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()
