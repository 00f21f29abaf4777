"""A container's log: its output line by line, each with the time and kept in a file."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

_LONGEST_LINE = 16 * 1024
_LARGEST_FILE = 16 * 2**20


class ContainerLog:
    """Written by one run of a container, read by anybody. Every line in the file is `TIME TEXT`."""

    def __init__(self, path: Path, *, closed: bool = False) -> None:
        self.path = path
        self._changed = asyncio.Event()
        self._closed = closed

    async def fill(self, pipe: int) -> None:
        """Write what comes through a pipe, until every process that holds its other end has closed it."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb")
        )
        pending = b""
        try:
            with self.path.open("wb") as file:
                while chunk := await reader.read(65536):
                    *lines, pending = (pending + chunk).split(b"\n")
                    if len(pending) > _LONGEST_LINE:
                        lines.append(pending)
                        pending = b""
                    self._write(file.fileno(), lines)
                self._write(file.fileno(), [pending] if pending else [])
        finally:
            transport.close()
            self._closed = True
            self._notify()

    def _write(self, file: int, lines: list[bytes]) -> None:
        if not lines:
            return
        if os.fstat(file).st_size > _LARGEST_FILE:
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
        os.write(file, b"".join(now + line + b"\n" for line in lines))
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def tail(self, lines: int | None = None, *, timestamps: bool = False) -> bytes:
        """The last lines, or all of them."""
        try:
            with self.path.open("rb") as file:
                value = deque(file, maxlen=lines)
        except FileNotFoundError:
            return b""
        return b"".join(line if timestamps else _text(line) for line in value)

    async def follow(self, lines: int | None = None, *, timestamps: bool = False) -> AsyncIterator[bytes]:
        """The last lines, then new ones as they come, until the container ends."""
        offset = self.path.stat().st_size if self.path.exists() else 0
        yield self.tail(lines, timestamps=timestamps)
        while True:
            changed, closed = self._changed, self._closed
            fresh = self._after(offset)
            offset += len(fresh)
            if fresh:
                yield b"".join(
                    line if timestamps else _text(line) for line in fresh.splitlines(keepends=True)
                )
            elif closed:
                return
            else:
                await changed.wait()

    def _after(self, offset: int) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read()


def _text(line: bytes) -> bytes:
    return line.split(b" ", 1)[-1]
