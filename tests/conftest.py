"""What holds for every test."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # a background job of a shell ignores Ctrl-C, and would hand that down to the programs that the tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
