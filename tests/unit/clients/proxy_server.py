"""A forward proxy on loopback: CONNECT, and plain HTTP with absolute URLs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    """Resolves only the names in `routes` (HOST:PORT to a port of loopback), as a proxy with its own DNS."""

    routes: Mapping[str, int]
    login: str = ""
    """USER:PASSWORD that requests must carry."""
    port: int = 0
    requests: list[str] = field(default_factory=list)
    """Method and target of each request."""

    @property
    def url(self) -> str:
        return f"http://{self.login}@127.0.0.1:{self.port}" if self.login else f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            request, *headers = head.decode().strip().split("\r\n")
            method, target, _ = request.split()
            self.requests.append(f"{method} {target}")
            expected = f"proxy-authorization: basic {base64.b64encode(self.login.encode()).decode()}".lower()
            if self.login and expected not in map(str.lower, headers):
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            elif method == "CONNECT":
                await self._forward(target, None, reader, writer)
            else:
                parts = urlsplit(target)
                path = target.partition(parts.netloc)[2] or "/"
                kept = [line for line in headers if not line.lower().startswith(("connection:", "proxy-"))]
                lines = [f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]
                origin = parts.netloc if parts.port else f"{parts.netloc}:80"
                await self._forward(origin, "\r\n".join(lines).encode(), reader, writer)
        writer.close()

    async def _forward(
        self, origin: str, head: bytes | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if origin not in self.routes:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self.routes[origin])
        if head is None:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            forth.write(head)
        await asyncio.gather(_copy(reader, forth), _copy(back, writer), return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def forward_proxy(routes: Mapping[str, int], login: str = "") -> AsyncIterator[ForwardProxy]:
    proxy = ForwardProxy(routes, login)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
