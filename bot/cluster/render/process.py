"""Runs a tool in a process with limits on time, memory and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.clients.proxies import proxy_variables

_LAUNCHER = Path(__file__).with_name("launcher.py")
_LOOKUP_SERVER = Path(__file__).with_name("lookup_server.py")
_MAX_STDERR = 4000
_CHUNK = 64 * 1024
_STOP_SECONDS = 5.0
MIB = 2**20
_CRASH = re.compile(r"^(?:fatal error|panic): (.*)$", re.MULTILINE)
"""What Go's runtime prints before the stacks of all goroutines."""
_MEMORY = re.compile(r"out of memory|cannot allocate memory|failed to create new OS thread")


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: int = 30
    memory: int = 768 * MIB
    output: int = 8 * MIB


class ToolFailed(Exception):
    """The program failed. The message follows the tool's name; `stderr` is the end of its error output."""

    def __init__(self, message: str, stderr: str = "") -> None:
        super().__init__(message)
        self.stderr = stderr


async def run(
    program: str,
    arguments: Sequence[str],
    home: Path,
    limits: Limits,
    *,
    online: bool = False,
    lookups: bytes | None = None,
) -> bytes:
    """The program's standard output. It runs in `home` with an environment of only a few variables.

    Without `online` it has no network, if the kernel allows unprivileged users to unshare it. `lookups` is
    the content of an API server on loopback, which only this run can read.
    """
    network = "online" if online else "offline"
    server = (sys.executable, "-I", "-S", str(_LOOKUP_SERVER)) if lookups is not None else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(_LAUNCHER), str(limits.seconds), str(limits.memory), network),
        *(*server, program, *arguments),
        cwd=home,
        env=_environment(program, home, limits, online),
        stdin=asyncio.subprocess.PIPE if server else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None, "it is a pipe"
    assert process.stderr is not None, "it is a pipe"
    stderr = asyncio.create_task(_read_ends(process.stderr))
    try:
        async with asyncio.timeout(limits.seconds):
            if process.stdin is not None:
                await _write(process.stdin, lookups or b"")
            output = await _read_limited(process.stdout, limits.output)
            code = await process.wait()
    except TimeoutError:
        raise ToolFailed(f"did not finish within {limits.seconds} s", await _stop(process, stderr)) from None
    except ToolFailed as error:
        raise ToolFailed(str(error), await _stop(process, stderr)) from None
    finally:
        await _stop(process, stderr)
    if code:
        beginning, end = await stderr
        crash = _CRASH.search(beginning)
        raise ToolFailed(_crash(crash[1], limits)) if crash else ToolFailed(_failure(code), end)
    return output


def _crash(error: str, limits: Limits) -> str:
    if _MEMORY.search(error):
        return f"needs more than {limits.memory // MIB} MiB of memory"
    return f"crashed ({error[:200]})"


def _failure(code: int) -> str:
    if code == 127:
        return "could not be started"
    return f"was terminated by signal {code - 128}" if code > 128 else "failed"


def _environment(program: str, home: Path, limits: Limits, online: bool) -> dict[str, str]:
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        **{f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")},
        # Kustomize runs git to fetch remote bases.
        "PATH": os.environ.get("PATH", os.defpath) if online else str(Path(program).parent),
        **(proxy_variables() if online else {}),
        "LANG": "C.UTF-8",
        # Both tools are written in Go: collect garbage below the limit, and use few threads.
        "GOMEMLIMIT": str(limits.memory * 3 // 4),
        "GOMAXPROCS": "2",
    }


async def _write(stream: asyncio.StreamWriter, content: bytes) -> None:
    """A process that ended early does not read it; its status has the reason."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(content)
        await stream.drain()
    stream.close()


async def _read_limited(stream: asyncio.StreamReader, limit: int) -> bytes:
    output = bytearray()
    while chunk := await stream.read(_CHUNK):
        output += chunk
        if len(output) > limit:
            raise ToolFailed(f"printed more than {limit // MIB} MiB")
    return bytes(output)


async def _read_ends(stream: asyncio.StreamReader) -> tuple[str, str]:
    """The beginning and the end."""
    beginning = end = b""
    while chunk := await stream.read(_CHUNK):
        beginning += chunk[: _MAX_STDERR - len(beginning)]
        end = (end + chunk)[-_MAX_STDERR:]
    return beginning.decode(errors="replace"), end.decode(errors="replace").strip()


async def _stop(process: asyncio.subprocess.Process, stderr: asyncio.Task[tuple[str, str]]) -> str:
    """Stops a running process; the launcher ends its descendants. Returns the error output."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                # Unread output would keep the process from ending.
                while process.stdout is not None and await process.stdout.read(_CHUNK):
                    pass
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return (await stderr)[1]
