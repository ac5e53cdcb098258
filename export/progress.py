"""What an export says while it works: lines on stderr, so that stdout stays for the summary."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print one line of progress to stderr."""
    print(line, file=sys.stderr, flush=True)
