"""On a terminal: a progress bar for what takes long, on stderr only, and colours unless NO_COLOR."""

import os
import pty
import subprocess
import threading
from pathlib import Path

from tests.cli.run import PROGRAM, ROOT, environment


def on_terminal(home: Path, *arguments: str, **extra: str) -> tuple[bytes, bytes, int]:
    """Run with stderr on a terminal and stdout in a pipe; return both and the exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=environment(home, TERM="xterm-256color", **extra), cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    assert process.stdout is not None
    seen: list[bytes] = []

    def watch() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the other end has closed
                return
            if not piece:
                return
            seen.append(piece)

    # Beside the pipe: a terminal holds few bytes, and on a slow machine a bar writes many.
    watcher = threading.Thread(target=watch)
    watcher.start()
    out = process.stdout.read()
    watcher.join()
    os.close(ours)
    process.stdout.close()
    return out, b"".join(seen), process.wait()


def many_users(path: Path) -> Path:
    items = ("green tea", "tea pot", "oolong tea", "tea caddy", "matcha whisk", "black tea tin")
    with path.open("w") as out:
        for user in range(1500):
            for number, item in enumerate(items):
                out.write(f'{{"user_id": "u{user}", "item": "{item} no {number}", "rating": {1 + number % 5}}}\n')
    return path


def test_a_long_run_shows_progress_and_keeps_stdout_clean(tmp_path: Path) -> None:
    log = many_users(tmp_path / "log.jsonl")
    out, seen, code = on_terminal(tmp_path, "profile", "--history", str(log), "--json")
    assert code == 0
    assert b"profiling with extractive" in seen
    assert b"/1500" in seen
    assert out.count(b"\n") == 1500
    assert b"\x1b" not in out


def test_quiet_and_short_runs_show_none(tmp_path: Path) -> None:
    history = str(ROOT / "examples" / "history.jsonl")
    _, seen, _ = on_terminal(tmp_path, "profile", "--history", history)
    assert b"profiling with" not in seen
    _, seen, _ = on_terminal(tmp_path, "profile", "--history", history, "--quiet")
    assert seen == b""
