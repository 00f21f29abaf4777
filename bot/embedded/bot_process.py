"""The bot as a process of its own, run as an operator runs it: `greenroom serve`, settings by environment."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

_PATIENCE_SECONDS = 30


def free_port() -> int:
    """A port of loopback that is free now; another process may still take it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class BotProcess:
    """Use it as an async context manager, or start and stop it. `log` is the file that it writes to."""

    def __init__(self, port: int, settings: Mapping[str, str], log: Path) -> None:
        self.port = port
        self.log = log
        self.settings = settings
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running process."""
        assert self._process is not None, "it runs"
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when it is ready. Raises RuntimeError with the end of its log when it ends early."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot.cli.main",
                "serve",
                "--port",
                str(self.port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.settings, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(_PATIENCE_SECONDS * 20):
                if self._process.returncode is not None:
                    break
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        await self.kill()
        raise RuntimeError(f"the bot did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    async def stop(self) -> None:
        """Send SIGTERM and wait until it has drained."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def kill(self) -> None:
        """Send SIGKILL, so that nothing is drained."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
