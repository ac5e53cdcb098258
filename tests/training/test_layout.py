"""The package as a reader meets it: documented files of one room each, nothing heavy before it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layout import ROOT, check_file, loaded_by

MODULES = sorted((ROOT / "training").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_every_module_and_public_name_is_documented_and_no_file_is_two_rooms(path: Path) -> None:
    check_file(path)


def test_heavy_packages_wait_until_they_are_asked_for() -> None:
    heavy = ["torch", "transformers", "sentence_transformers", "matplotlib", "trl", "numpy"]
    assert loaded_by("training", MODULES, heavy) == []
