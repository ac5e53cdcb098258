"""The examples run, and do what they say."""

import json
import subprocess
import sys

from tests.cli.run import ROOT, environment


def run_example(name: str, *arguments: str, home: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", f"examples/{name}.py", *arguments],
        capture_output=True, text=True, cwd=ROOT, env=environment(home), timeout=120, check=True,
    )  # fmt: skip


def test_desktop_app(tmp_path) -> None:
    out = run_example("desktop_app", home=tmp_path).stdout
    assert out.startswith("You help with notes.\n")
    assert "sourdough" in out.split("Version 1:")[1].lower()
    assert "<bump_edge_profile>" in out
    corrected = out.rsplit("Version ", 1)[1]
    assert "Bakes for a family of five." in corrected
    assert "ompost" not in corrected
    assert "forgot 2 notes; traces found: 0" in corrected


def test_mobile_backend(tmp_path) -> None:
    done = run_example("mobile_backend", home=tmp_path)
    profiles = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(profiles) == 12
    assert "second night: 12 profiles, versions [1]" in done.stderr
    texts = {p["user_id"]: p["text"].lower() for p in profiles}
    assert "trail" in texts["user-0000"]
    assert "chess" in texts["user-0002"] or "puzzle" in texts["user-0002"]


def test_custom_backend(tmp_path) -> None:
    out = run_example("custom_backend", home=tmp_path).stdout
    assert "highest" in out
    assert "dolls" not in out
    assert "dropped: {'unsupported': 1}" in out
