"""Runs a program with limits and takes everything down that it started. A process of its own, so it imports
nothing of the bot and starts quickly.

    python -I -S launcher.py SECONDS BYTES offline|online PROGRAM ARGUMENT...

It ends with the program's status, or 128 and the number of the signal that ended the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_LARGEST_FILE = 64 * 2**20
_MOST_OPEN = 256
_MOST_PROCESSES = 256


def main() -> int:
    seconds, memory, network, *program = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    # Whatever the program leaves behind becomes a child of this process, which ends with the bot.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    child = os.fork()
    if child == 0:
        _become(libc, program, int(seconds), int(memory), network == "offline")
    try:
        return _wait_for(child)
    finally:
        _end_all()


def _become(libc: ctypes.CDLL, program: list[str], seconds: int, memory: int, offline: bool) -> None:
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if offline and _alone(libc):
            # Elsewhere the limit would count what other containers run under the same number.
            resource.setrlimit(resource.RLIMIT_NPROC, (_MOST_PROCESSES, _MOST_PROCESSES))
        for limit, value in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_DATA, memory),
            (resource.RLIMIT_FSIZE, _LARGEST_FILE),
            (resource.RLIMIT_NOFILE, _MOST_OPEN),
        ):
            resource.setrlimit(limit, (value, value))
        os.execv(program[0], program)  # noqa: S606  # no shell is the point
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


def _alone(libc: ctypes.CDLL) -> bool:
    """Leaves the network, where the kernel lets an ordinary user do so; whether it did."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _wait_for(child: int) -> int:
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_all() -> None:
    """Until there are no children: those of an ended child become ours."""
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
    """By their parent, which every kernel tells."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The name of a program, in brackets, may contain anything.
                after = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                if int(after[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
