"""Pieces of bytes → blocks of lines, with a limit on the length of a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def line_blocks(
    pieces: Iterable[bytes],
    *,
    limit: int,
    too_long: Callable[[int, bytes], None],
    cut: Callable[[int, bytes], bool] = lambda _number, _rest: False,
) -> Iterator[tuple[int, list[bytes]]]:
    """Blocks `(lines before this block, lines)`; a line has no newline at its end.

    A longer line than `limit` bytes is reported and becomes an empty one; no more than `limit` plus one piece of it is
    ever held.

    Args:
        too_long: called with the number of such a line, from 1, and its beginning.
        cut: called at the end with the number and the bytes of a last line that has no newline; True drops it.
    """
    number = 0
    rest = b""
    skipping = False
    for piece in pieces:
        if skipping:
            end = piece.find(b"\n")
            if end < 0:
                continue
            block = b"\n" + piece[end + 1 :]
            skipping = False
        else:
            block = rest + piece if rest else piece
        lines = block.split(b"\n")
        rest = lines.pop()
        if len(block) > limit:
            for at, line in enumerate(lines):
                if len(line) > limit:
                    too_long(number + at + 1, line[:4096])
                    lines[at] = b""
        if lines:
            yield number, lines
            number += len(lines)
        if len(rest) > limit:
            too_long(number + 1, rest[:4096])
            rest, skipping = b"", True
    if not cut(number + 1, rest) and rest:
        yield number, [rest]
