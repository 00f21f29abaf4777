"""One run of a program that is not ours: off the event loop, with limits, and nothing of it stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")
_LAST_WORDS = 4000
_PIECE = 64 * 1024
_LEAVE_SECONDS = 5.0
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: int = 30
    memory: int = 768 * MIB
    output: int = 8 * MIB


class ToolFailed(Exception):
    """The program did not do it. The message ends the sentence "helm …"; `words` are its last ones."""

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.stderr = words


async def run(
    program: str, arguments: Sequence[str], home: Path, limits: Limits, *, online: bool = False
) -> bytes:
    """What the program printed. Its environment is empty but for folders below `home`, where it works.

    Without `online` it has no network where the kernel lets an ordinary user leave it.
    """
    network = "online" if online else "offline"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(_LAUNCHER), str(limits.seconds), str(limits.memory), network),
        *(program, *arguments),
        cwd=home,
        env=_environment(program, home, limits, online),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None, "it is a pipe"
    assert process.stderr is not None, "it is a pipe"
    words = asyncio.create_task(_last(process.stderr))
    try:
        async with asyncio.timeout(limits.seconds):
            output = await _all(process.stdout, limits.output)
            code = await process.wait()
    except TimeoutError:
        raise ToolFailed(f"did not finish within {limits.seconds} s", await _end(process, words)) from None
    except ToolFailed as error:
        raise ToolFailed(str(error), await _end(process, words)) from None
    finally:
        await _end(process, words)
    if code:
        raise ToolFailed(_told(code, limits), await words)
    return output


def _told(code: int, limits: Limits) -> str:
    if code == 127:
        return "could not be started"
    return f"was ended by signal {code - 128}" if code > 128 else "failed"


def _environment(program: str, home: Path, limits: Limits, online: bool) -> dict[str, str]:
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        **{f"XDG_{each}_HOME": str(home / each.lower()) for each in ("CACHE", "CONFIG", "DATA", "STATE")},
        # Kustomize fetches with git.
        "PATH": os.environ.get("PATH", os.defpath) if online else str(Path(program).parent),
        "LANG": "C.UTF-8",
        # For programs written in Go, as both are: collect before the limit is reached, few threads.
        "GOMEMLIMIT": str(limits.memory * 3 // 4),
        "GOMAXPROCS": "2",
    }


async def _all(stream: asyncio.StreamReader, most: int) -> bytes:
    found = bytearray()
    while piece := await stream.read(_PIECE):
        found += piece
        if len(found) > most:
            raise ToolFailed(f"printed more than {most // MIB} MiB")
    return bytes(found)


async def _last(stream: asyncio.StreamReader) -> str:
    found = b""
    while piece := await stream.read(_PIECE):
        found = (found + piece)[-_LAST_WORDS:]
    return found.decode(errors="replace").strip()


async def _end(process: asyncio.subprocess.Process, words: asyncio.Task[str]) -> str:
    """Nothing happens to one that has ended; the launcher takes its descendants with it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                # What it printed must be read to see that it is over.
                while process.stdout is not None and await process.stdout.read(_PIECE):
                    pass
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return await words
