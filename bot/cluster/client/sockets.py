"""The sockets of a client: closing the client closes all of them.

aiohttp ends a cancelled request with TLS's closing handshake, which can outlive the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import weakref

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

_LOOK_SECONDS = 0.005
_LOOKS = 200


class Sockets:
    """Opens sockets, and closes those that are still open."""

    def __init__(self) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def open(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        opened = socket.socket(family, kind, protocol)
        self._sockets.add(opened)
        return opened

    async def close(self) -> None:
        """Returns once the event loop has closed each socket, after a second at the latest."""
        for remaining in self._open():
            with contextlib.suppress(OSError):  # it was never connected
                remaining.shutdown(socket.SHUT_RDWR)
        for _ in range(_LOOKS):
            if not self._open():
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _open(self) -> list[socket.socket]:
        return [item for item in self._sockets if item.fileno() != -1]


class RestClient(RESTClientObject):
    """The library's client, with connections over these sockets."""

    def __init__(self, configuration: Configuration, sockets: Sockets) -> None:
        super().__init__(configuration)
        self._sockets = sockets

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=self.maxsize, ssl=self.ssl_context, socket_factory=self._sockets.open
        )
