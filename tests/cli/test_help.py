"""The help of every command, as a file that changes only when somebody means it.

``python -m tests.cli.test_help`` writes it anew.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.cli.run import run

SNAPSHOT = Path(__file__).with_name("help.txt")
COMMANDS = (
    [], ["profile"], ["ingest"], ["show"], ["list"], ["prompt"], ["explain"], ["audit"],
    ["export"], ["import"], ["forget"], ["receipts"], ["models"],
    ["models", "list"], ["models", "add"], ["models", "verify"], ["models", "remove"], ["doctor"], ["path"],
    ["encrypt"], ["decrypt"], ["key"], ["key", "rotate"], ["key", "export"], ["key", "import"],
)  # fmt: skip


def every_help() -> str:
    parts = []
    with tempfile.TemporaryDirectory() as home:
        for command in COMMANDS:
            done = run(Path(home), *command, "--help", COLUMNS="100", NO_COLOR="1", TERM="dumb")
            assert done.returncode == 0, done.stderr
            text = "\n".join(line.rstrip() for line in done.stdout.decode().splitlines()).strip()
            parts.append(f"$ bump-edge {' '.join([*command, '--help'])}\n\n{text}\n")
    return "\n".join(parts)


def test_the_help_is_the_one_on_file() -> None:
    assert every_help() == SNAPSHOT.read_text(encoding="utf-8")


if __name__ == "__main__":
    SNAPSHOT.write_text(every_help(), encoding="utf-8")
