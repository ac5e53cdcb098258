"""The package as a user meets it: a light import, a frozen surface, one direction of flow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bump_edge

PACKAGE = Path(bump_edge.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_public_names_are_sorted_and_resolve() -> None:
    def constants_classes_functions(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert bump_edge.__all__ == sorted(bump_edge.__all__, key=constants_classes_functions)
    for name in bump_edge.__all__:
        assert getattr(bump_edge, name) is not None
    assert set(bump_edge._HOME_OF) == set(bump_edge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        bump_edge.Nothing  # noqa: B018


def test_the_import_is_light() -> None:
    heavy = [
        "numpy",
        "typer",
        "rich",
        "onnxruntime",
        "onnxruntime_genai",
        "llama_cpp",
        "sqlite3",
        "orjson",
        "stopwordsiso",
        "sqlcipher3",
        "keyring",
    ]
    code = f"import sys, bump_edge; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_library_loads_no_command_line_and_no_model_runtime() -> None:
    heavy = ["typer", "rich", "onnxruntime", "onnxruntime_genai", "llama_cpp", "torch", "ssl", "urllib.request"]
    heavy += ["sqlcipher3", "keyring"]
    code = (
        "import sys, tempfile, pathlib, bump_edge as b\n"
        "folder = tempfile.mkdtemp()\n"
        "with b.Store(pathlib.Path(folder) / 's.db') as s, b.Profiler(s, 'extractive') as p:\n"
        "    s.ingest([b.Interaction(item='green tea'), b.Interaction(item='green tea pot')]); p.profile()\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_and_public_name_is_documented_and_no_file_is_two_rooms(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in tree.body:
        public = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        assert not public or ast.get_docstring(node), f"{node.name} has no docstring"  # type: ignore[union-attr,arg-type]


# Network code lives where a model is added, and nowhere else. `webbrowser`, `socket` and friends are not imported.
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "webbrowser",
    "xmlrpc",
}
MAY_CONNECT = {Path("models/download.py")}


def test_nothing_else_in_the_package_can_open_a_connection() -> None:
    found: set[Path] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            # urllib.parse takes addresses apart and opens none
            if any(name.split(".")[0] in NETWORK and name != "urllib.parse" for name in names):
                found.add(path.relative_to(PACKAGE))
    assert found == MAY_CONNECT


def test_what_the_extra_brings_is_imported_in_one_module_each() -> None:
    homes: dict[str, list[str]] = {"sqlcipher3": [], "keyring": []}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} & set(homes):
                homes[name].append(str(path.relative_to(PACKAGE).as_posix()))
    assert homes == {"sqlcipher3": ["store/cipher.py"], "keyring": ["store/keychain.py"]}


def test_every_error_has_its_own_code_and_the_exit_code_of_the_product_page() -> None:
    from bump_edge import errors

    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.BumpEdgeError)]
    assert len({c.code for c in classes}) == len(classes)
    assert {c.exit_code for c in classes} == {1, 2, 3, 4, 5, 6, 7, 130}
    drawn = errors.__doc__ or ""
    for cls in classes:
        assert cls.__name__ in drawn
    error = errors.NotFoundError("gone", details={"user_id": "u"})
    assert error.as_dict() == {"error": {"code": "not_found", "message": "gone", "details": {"user_id": "u"}}}
