"""``python -m tests.trust.seccomp COMMAND…``: run a command that the kernel kills when it asks for the internet.

A seccomp filter, which every process and thread below inherits and nothing can take off: `socket` with AF_INET or
AF_INET6 ends the process with SIGSYS, whoever asks (Python, native code, the resolver, a subprocess) and whatever it
would do with an error. io_uring, which can make sockets by another way, is closed too. Other families stay: a pipe
inside a machine is no network. Where the machine lets us, the command has a network namespace of its own besides.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence

_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""The audit number of an architecture, and its number of the call `socket`."""
_IO_URING_SETUP = 425  # on both
_AF_INET, _AF_INET6 = 2, 10
_KILL_PROCESS, _ALLOW, _NO_CALL = 0x80000000, 0x7FFF0000, 0x00050026  # the last: answer ENOSYS
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in what a filter sees
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def can_seal() -> bool:
    """Whether this machine has what `seal` needs."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES


def seal() -> None:
    """Close the internet to this process and all that it will start.

    Raises:
        OSError: the kernel does not take the filter.
    """
    architecture, socket = _ARCHITECTURES[platform.machine()]
    program = b"".join(
        struct.pack("HBBI", code, yes, no, value)
        for code, yes, no, value in (
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUAL, 1, 0, architecture),
            (_RETURN, 0, 0, _KILL_PROCESS),  # calls of another architecture have other numbers
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 0, 1, _IO_URING_SETUP),
            (_RETURN, 0, 0, _NO_CALL),
            (_EQUAL, 0, 4, socket),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_EQUAL, 1, 0, _AF_INET),
            (_EQUAL, 0, 1, _AF_INET6),
            (_RETURN, 0, 0, _KILL_PROCESS),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = _Program(len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filter_), 0, 0),
    ):
        if libc.prctl(*arguments):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), "seccomp")


def sealed(command: Sequence[str]) -> list[str]:
    """`command`, sealed, in a network namespace of its own where the machine lets us.

    Root keeps being root: a namespace for users as well would take the other users away that some tests change to.
    """
    inner = [sys.executable, "-m", "tests.trust.seccomp", *command]
    if (unshare := shutil.which("unshare")) is not None:
        for flags in ("-n", "-rn"):
            if subprocess.run([unshare, flags, "true"], capture_output=True, check=False).returncode == 0:
                return [unshare, flags, *inner]
    return inner


def reached_out(returncode: int) -> bool:
    """Whether a sealed process, or the shell above it, ended because it asked for the internet."""
    return returncode in (-signal.SIGSYS, 128 + signal.SIGSYS)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("expected a command")
    seal()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
