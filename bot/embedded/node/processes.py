"""The pods' processes, as the node sees them; the launcher does the work in a process of its own."""

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LINE_LIMIT = 2**20
KILLED = 128 + signal.SIGKILL


class StartError(Exception):
    """The process could not be started: no such file, not executable, no such working directory."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `argv[0]` is a path; the process gets this environment and no other."""

    argv: list[str]
    env: dict[str, str] = field(repr=False)
    cwd: str


class Process:
    """A running process and its group."""

    def __init__(self, launcher: "Processes", identifier: int) -> None:
        self.pid = 0
        self._launcher = launcher
        self._identifier = identifier
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """The exit code; 128 + n when signal n ended it."""
        return await asyncio.shield(self._code)

    @property
    def running(self) -> bool:
        return not self._code.done()

    def signal(self, number: int) -> None:
        """Signal the whole group; nothing happens when it has ended."""
        if self.running:
            self._launcher.send({"id": self._identifier, "signal": int(number)})

    def ended(self, code: int) -> None:
        if self.running:
            self._code.set_result(code)


class Processes:
    """Starts processes in sessions of their own. All of them end with `stop`, or with this very process."""

    def __init__(self) -> None:
        self._identifiers = itertools.count(1)
        self._processes: dict[int, Process] = {}
        self._starting: dict[int, asyncio.Future[int]] = {}

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._launcher = _start_launcher(theirs)
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LINE_LIMIT)
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Kill what still runs and return when it has ended."""
        self._writer.close()
        await self._listening
        await asyncio.to_thread(self._launcher.wait)

    async def spawn(self, command: Command, output: int | Path) -> Process:
        """Start a process that writes to `output`, a file or a pipe's writing end. Raises `StartError`."""
        if self._listening.done():
            raise StartError("the launcher of this node has ended")
        identifier = next(self._identifiers)
        process = self._processes[identifier] = Process(self, identifier)
        self._starting[identifier] = asyncio.get_running_loop().create_future()
        # A pipe is opened anew by the launcher, through the kernel's list of our open files.
        path = f"/proc/{os.getpid()}/fd/{output}" if isinstance(output, int) else str(output)
        request = {"argv": command.argv, "env": command.env, "cwd": command.cwd, "output": path}
        self.send({"id": identifier, **request})
        try:
            process.pid = await self._starting[identifier]
        finally:
            del self._starting[identifier]
            if not process.pid:
                self._processes.pop(identifier, None)
        return process

    def send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._handle(json.loads(line))
        except ConnectionError:
            pass
        for process in list(self._processes.values()):
            process.ended(KILLED)
        for waiting in self._starting.values():
            if not waiting.done():
                waiting.set_exception(StartError("the node stops"))

    def _handle(self, message: dict[str, Any]) -> None:
        identifier = message["id"]
        waiting = self._starting.get(identifier)
        if "code" in message:
            if process := self._processes.pop(identifier, None):
                process.ended(message["code"])
        elif waiting is None or waiting.done():
            # The caller was cancelled meanwhile.
            self.send({"id": identifier, "signal": int(signal.SIGKILL)})
        elif "pid" in message:
            waiting.set_result(message["pid"])
        else:
            waiting.set_exception(StartError(message["error"]))


def _start_launcher(peer: socket.socket) -> subprocess.Popen[bytes]:
    # Isolated and without site packages it starts in a few milliseconds. A session of its own, so that Ctrl-C
    # on the terminal leaves the orderly end to the node.
    script = Path(__file__).with_name("launcher.py")
    command = [sys.executable, "-I", "-S", str(script)]
    return subprocess.Popen(command, stdin=peer.fileno(), start_new_session=True, env={})  # noqa: S603
