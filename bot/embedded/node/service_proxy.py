"""Listens on the twin of every Service's address and passes connections to its ready pods."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from functools import partial

from bot.cluster.client.api import Object
from bot.embedded.delays import Delays, delayed
from bot.embedded.informer import Informer, Key
from bot.embedded.node.addresses import ServiceAddresses
from bot.embedded.node.endpoints import Address, Slices, is_ready, ready_addresses, remember
from bot.embedded.reconciler import Reconciler

log = logging.getLogger(__name__)

Backends = Callable[[], list[Address]]


class ServiceProxy:
    """Keeps one listener for each TCP port of each Service that has an address."""

    def __init__(
        self, services: Informer, slices: Informer, addresses: ServiceAddresses, delays: Delays
    ) -> None:
        self._services = services
        self._delays = delays
        self._slices: Slices = {}
        """The ones that the proxy follows."""
        self._newest: Slices = {}
        self._addresses = addresses
        self._listeners: dict[Key, dict[Address, asyncio.Server]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._turn = itertools.count()
        self._work: Reconciler[Key] = Reconciler("service proxy", self._listen)
        services.listen(lambda change: self._work.add(change.key))
        slices.listen(partial(remember, self._newest))
        slices.listen(delayed(slices, partial(remember, self._slices), lambda: delays.service))

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self._work.run()
        finally:
            for listeners in self._listeners.values():
                for server in listeners.values():
                    server.close()
            for connection in self._connections:
                connection.cancel()

    async def _listen(self, key: Key) -> None:
        """Make the listeners of a Service what they should be."""
        service = self._services.get(key[1], key[0])
        requested = dict(self._addresses_of(key, service)) if service else {}
        have = self._listeners.setdefault(key, {})
        for address in [address for address in have if address not in requested]:
            have.pop(address).close()
        for address, backends in requested.items():
            if address in have:
                continue
            try:
                have[address] = await asyncio.start_server(self._serving(backends), *address)
            except OSError as error:
                log.info("service %s/%s: cannot listen on %s:%s: %s", *key, *address, error)
        if not have:
            del self._listeners[key]

    def _addresses_of(self, key: Key, service: Object) -> list[tuple[Address, Backends]]:
        spec = service["spec"]
        if spec.get("clusterIP") in (None, "", "None"):
            return []
        ports = [port for port in spec.get("ports") or [] if port.get("protocol", "TCP") == "TCP"]
        return [
            (
                self._addresses.of(spec["clusterIP"], port["port"]),
                self._backends(key, port.get("name")),
            )
            for port in ports
        ]

    def _backends(self, key: Key, port_name: str | None) -> Backends:
        return lambda: ready_addresses(self._slices.get(key, {}).values(), port_name)

    def _has_ended(self, address: Address) -> bool:
        """Whether no ready pod has the address any more."""
        return not any(is_ready(slices.values(), address) for slices in self._newest.values())

    def _serving(self, backends: Backends) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._connect(backends(), reader, writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        return serve

    async def _connect(
        self, backends: list[Address], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass one connection to the first backend that takes it; without any it is closed."""
        start = next(self._turn)
        try:
            for offset in range(len(backends)):
                address = backends[(start + offset) % len(backends)]
                try:
                    answers, questions = await asyncio.open_connection(*address)
                except OSError:
                    if self._has_ended(address):
                        await asyncio.sleep(self._delays.vanished)
                    continue
                try:
                    await asyncio.gather(_pipe(reader, questions), _pipe(answers, writer))
                finally:
                    questions.close()
                return
        finally:
            writer.close()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy one direction; its end is passed on, so that the other direction can still finish."""
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
