"""The text of an answer while it grows: what may be shown already, what must wait, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence

_OPEN, _CLOSE = "<think>", "</think>"
_TIMES = 6
_SHORTEST, _LONGEST = 4, 40


class Answer:
    """Turns pieces of generated text into pieces that may be shown.

    Leading white space and a leading ``<think>…</think>`` block are left out. Text that may be the beginning of a stop
    string is held back until it is clear that it is not; from a stop string on, nothing is shown.

    Args:
        stop: strings at which the answer ends; none of them is shown.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = tuple(stop)
        self._held = ""
        self._tail = ""
        self._begun = False
        self._thinking = False
        self.stopped = False
        """Whether a stop string was met."""

    @property
    def loops(self) -> bool:
        """Whether the text ends in the same 4 to 40 characters six times in a row: small models never leave that."""
        sizes = range(_SHORTEST, min(_LONGEST, len(self._tail) // _TIMES) + 1)
        return any(self._tail.endswith(self._tail[-size:] * _TIMES) for size in sizes)

    def feed(self, piece: str) -> str:
        """Take in generated text and return what may be shown now."""
        shown = self._feed(piece)
        self._tail = (self._tail + shown)[-_TIMES * _LONGEST :]
        return shown

    def _feed(self, piece: str) -> str:
        if self.stopped:
            return ""
        self._held += piece
        if not self._begun and not self._begin():
            return ""
        # The string that is complete first counts, so that the size of the pieces makes no difference.
        _, cut = min(((at + len(s), at) for s in self._stop if (at := self._held.find(s)) >= 0), default=(0, -1))
        if cut >= 0:
            self.stopped = True
            shown, self._held = self._held[:cut], ""
            return shown
        keep = max((_overlap(self._held, s) for s in self._stop), default=0)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown

    def end(self) -> str:
        """The generator has ended: what was held back and is text after all."""
        rest, self._held = self._held, ""
        if self.stopped or self._thinking or (not self._begun and not rest.strip()):
            return ""
        return rest

    def _begin(self) -> bool:
        """Pass over what comes before the answer; True once the answer has begun."""
        self._held = self._held.lstrip()
        if self._thinking:
            at = self._held.find(_CLOSE)
            if at < 0:
                self._held = self._held[-len(_CLOSE) :]
                return False
            self._thinking = False
            self._held = self._held[at + len(_CLOSE) :].lstrip()
        elif self._held.startswith(_OPEN):
            self._thinking = True
            self._held = self._held[len(_OPEN) :]
            return self._begin()
        if not self._held or _OPEN.startswith(self._held):
            return False
        self._begun = True
        return True


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of `text` are the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
