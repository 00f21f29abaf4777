"""A small process that starts, signals and reaps the pods' processes.

The node talks to it in JSON lines over the socket that is its standard input. When that socket closes,
because the node stopped or was killed, every process is killed before the launcher ends. When the launcher
itself is killed, the kernel kills its children. Forking from here, where there are no threads and little
memory, is quick and safe; orphans are adopted and reaped here.

Request: {"id": 1, "argv": [...], "env": {...}, "cwd": "...", "output": "PATH"}   start
         {"id": 1, "signal": 15}                                                  signal its process group
Reply:   {"id": 1, "pid": 123}  or  {"id": 1, "error": "..."}                     started, or not
         {"id": 1, "code": 0}                                                     ended; 128 + n by signal n
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Launcher:
    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._groups: dict[int, int] = {}
        """Process group (which is its first process) to id."""

    def ask(self, message: dict[str, Any]) -> None:
        identifier = message["id"]
        if "signal" in message:
            self._signal(identifier, message["signal"])
            return
        try:
            pid = _start(message["argv"], message["env"], message["cwd"], message["output"])
        except OSError as error:
            self._reply(id=identifier, error=error.strerror or str(error))
            return
        self._groups[pid] = identifier
        self._reply(id=identifier, pid=pid)

    def reap(self) -> None:
        """Collect all that ended; what is left of a process's group ends with it."""
        for pid, status in _ended():
            identifier = self._groups.pop(pid, None)
            if identifier is not None:
                _kill_group(pid, signal.SIGKILL)
                code = os.waitstatus_to_exitcode(status)
                self._reply(id=identifier, code=code if code >= 0 else 128 - code)

    def end(self) -> None:
        """Kill everything, also what left its group."""
        for group in self._groups:
            _kill_group(group, signal.SIGKILL)
        while children := _children():
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _signal(self, identifier: int, number: int) -> None:
        for group, item in self._groups.items():
            if item == identifier:
                _kill_group(group, number)

    def _reply(self, **message: Any) -> None:
        self._peer.sendall(json.dumps(message).encode() + b"\n")


def _start(argv: list[str], env: dict[str, str], cwd: str, output: str) -> int:
    parent = os.getpid()
    report, failed = os.pipe()  # closed by a successful exec
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(cwd)
            os.execve(argv[0], argv, env)  # noqa: S606 (running what a pod names is the purpose)
        except OSError as error:
            os.write(failed, str(error.errno).encode())
        finally:
            os._exit(1)
    os.close(failed)
    with os.fdopen(report, "rb") as reported:
        problem = reported.read()
    if problem:
        os.waitpid(pid, 0)
        raise OSError(int(problem), os.strerror(int(problem)))
    return pid


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _kill_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def main() -> None:
    """Serve the node until its side of the socket closes."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(fileno=0) as peer, selectors.DefaultSelector() as selector:
        launcher = Launcher(peer)
        selector.register(peer, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        try:
            _serve(launcher, peer, wake, selector)
        except OSError:
            pass  # the node has ended
        finally:
            launcher.end()


def _serve(
    launcher: Launcher, peer: socket.socket, wake: socket.socket, selector: selectors.BaseSelector
) -> None:
    pending = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is wake:
                wake.recv(4096)
                launcher.reap()
                continue
            received = peer.recv(65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                launcher.ask(json.loads(line))


if __name__ == "__main__":
    main()
