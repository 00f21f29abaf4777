"""Runs a program with limits and kills its descendants at the end. A separate process without imports of
the bot, so that it starts quickly.

    python -I -S launcher.py SECONDS BYTES offline|online PROGRAM ARGUMENT...

Exits with the program's status, or 128 plus the number of the signal that terminated it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_MAX_FILE_SIZE = 64 * 2**20
_MAX_OPEN_FILES = 256
_MAX_PROCESSES = 256


def main() -> int:
    seconds, memory, network, *program = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    # Orphaned descendants become children of this process, which ends with the bot.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    child = os.fork()
    if child == 0:
        _execute(libc, program, int(seconds), int(memory), network == "offline")
    try:
        return _wait_for(child)
    finally:
        _kill_descendants()


def _execute(libc: ctypes.CDLL, program: list[str], seconds: int, memory: int, offline: bool) -> None:
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if offline and _isolate_network(libc):
            # In a shared user namespace the limit would count processes of other containers.
            resource.setrlimit(resource.RLIMIT_NPROC, (_MAX_PROCESSES, _MAX_PROCESSES))
        for limit, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_DATA, memory),
            (resource.RLIMIT_FSIZE, _MAX_FILE_SIZE),
            (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        ):
            resource.setrlimit(limit, (value, value))
        os.execv(program[0], program)  # noqa: S606  # runs without a shell on purpose
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


def _isolate_network(libc: ctypes.CDLL) -> bool:
    """Unshares the network namespace; False if the kernel does not allow it to unprivileged users."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _enable_loopback()
    return True


def _enable_loopback() -> None:
    """Lets the program and the processes that it starts reach each other in their new network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as interfaces:
        flags = struct.pack("16sH22x", b"lo", _IFF_UP)
        with contextlib.suppress(OSError):
            fcntl.ioctl(interfaces, _SIOCSIFFLAGS, flags)


def _wait_for(child: int) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _kill_descendants() -> None:
    """Repeats until no child is left, since children of a killed child become ours."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """The process ids of all children, from /proc."""
    children = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The program's name, in parentheses, may contain any character.
                after = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                if int(after[1]) == os.getpid():
                    children.append(int(entry.name))
    return children


if __name__ == "__main__":
    sys.exit(main())
