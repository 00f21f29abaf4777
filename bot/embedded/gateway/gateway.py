"""The gateway as a whole: watches, keeps its routing table and the statuses, serves."""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import (
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    NAMESPACE,
    SERVICE,
    Kind,
)
from bot.embedded.delays import Delays, delayed
from bot.embedded.gateway.attachment import Attachment, attach
from bot.embedded.gateway.conditions import class_status, gateway_status, route_parent
from bot.embedded.gateway.matching import Table, unsupported
from bot.embedded.gateway.proxy import Proxy
from bot.embedded.informer import Change, Informer, Key, key_of
from bot.embedded.node.endpoints import Address, Slices, is_ready, ready_addresses, remember
from bot.embedded.reconciler import Reconciler

CONTROLLER_NAME = "greenroom.dev/embedded-gateway"


class Gateway:
    """Serves the HTTPRoutes of every Gateway whose class names `CONTROLLER_NAME`.

    All listeners are served on one loopback port, whatever port they name: `port`, a free one when it is 0,
    known once it is started. `metrics_port` serves counters of requests by backend. Use it as an asynchronous
    context manager.
    """

    def __init__(self, client: KubernetesApi, *, port: int = 0, delays: Delays | None = None) -> None:
        self.port = port
        self.delays = delays or Delays()
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Gateway":
        """Starts; returns once every existing route is served."""
        watched = (GATEWAY_CLASS, GATEWAY, HTTP_ROUTE, SERVICE, NAMESPACE, ENDPOINT_SLICE)
        self._informers = {kind.name: Informer(self._client, kind) for kind in watched}
        self._slices: Slices = {}
        self._newest: Slices = {}
        self._routes: dict[Key, Object] = {}
        self._proxy = Proxy(self._addresses, self._unanswered)
        self._work: Reconciler[str] = Reconciler("gateway", self._reconcile, workers=1)
        for kind, informer in self._informers.items():
            informer.listen(partial(remember, self._newest) if kind == "EndpointSlice" else self._wake)
        slices, routes = self._informers["EndpointSlice"], self._informers["HTTPRoute"]
        slices.listen(delayed(slices, partial(remember, self._slices), lambda: self.delays.service))
        routes.listen(delayed(routes, self._follow, lambda: self.delays.route))
        await self._proxy.start()
        self._runner = web.ServerRunner(web.Server(self._proxy.handle, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        for informer in self._informers.values():
            self._run(informer.run())
        await asyncio.gather(*(informer.synced() for informer in self._informers.values()))
        self._serve()
        self._run(self._work.run())
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = int(self._runner.addresses[0][1])
        self._metrics = web.ServerRunner(web.Server(self._proxy.metrics.handle, access_log=None))
        await self._metrics.setup()
        await web.TCPSite(self._metrics, "127.0.0.1", 0).start()
        self.metrics_port = int(self._metrics.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._metrics.cleanup()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._proxy.stop()

    def _wake(self, change: Change) -> None:
        # The table is true at once, except for routes; statuses follow.
        if change.object.get("kind") != HTTP_ROUTE.name:
            self._serve()
        self._work.add("all")

    def _follow(self, change: Change) -> None:
        """Remember a route that carries traffic from now on, or no longer."""
        if change.type == "DELETED":
            self._routes.pop(change.key, None)
        else:
            self._routes[change.key] = change.object
        self._serve()

    def _serve(self) -> None:
        """Put all routes into the table."""
        if all(informer.has_synced for informer in self._informers.values()):
            attached = self._attach(list(self._routes.values()))
            served = [attachment for attachment in attached if not unsupported(attachment.route)]
            self._proxy.serve(Table(served, self._proxy.table))

    def _attach(self, routes: Sequence[Object]) -> list[Attachment]:
        labels = {
            namespace["metadata"]["name"]: namespace["metadata"].get("labels") or {}
            for namespace in self._informers["Namespace"].list()
        }
        return attach(routes, self._gateways(), labels)

    def _gateways(self) -> dict[Key, Object]:
        classes = {item["metadata"]["name"] for item in self._classes()}
        gateways = self._informers["Gateway"].list()
        return {key_of(item): item for item in gateways if item["spec"]["gatewayClassName"] in classes}

    def _classes(self) -> list[Object]:
        classes = self._informers["GatewayClass"].list()
        return [item for item in classes if item["spec"]["controllerName"] == CONTROLLER_NAME]

    def _addresses(self, namespace: str, backend: Object) -> list[Address] | None:
        """Addresses of the pods behind a backend; only Services of the route's own namespace count."""
        if (backend.get("namespace") or namespace) != namespace or backend.get(
            "kind", "Service"
        ) != "Service":
            return None
        service = self._informers["Service"].get(backend["name"], namespace)
        for port in (service or {"spec": {}})["spec"].get("ports") or []:
            if port["port"] == backend.get("port"):
                slices = self._slices.get((namespace, backend["name"]), {})
                return ready_addresses(slices.values(), port.get("name"))
        return None

    async def _unanswered(self, address: Address) -> bool:
        """Whether the address belongs to no ready pod; then the connection hangs before it fails."""
        ended = not any(is_ready(slices.values(), address) for slices in self._newest.values())
        if ended:
            await asyncio.sleep(self.delays.vanished)
        return ended and self.delays.vanished > 0

    async def _reconcile(self, _: str) -> None:
        """Write every status that is not what it should be."""
        attachments = self._attach(self._informers["HTTPRoute"].list())
        for gateway_class in self._classes():
            await self._write(GATEWAY_CLASS, gateway_class, class_status(gateway_class))
        for gateway in self._gateways().values():
            await self._write(GATEWAY, gateway, gateway_status(gateway, attachments, "127.0.0.1"))
        services = {key_of(item): item for item in self._informers["Service"].list()}
        for route in self._informers["HTTPRoute"].list():
            ours = [
                route_parent(attachment, services, CONTROLLER_NAME)
                for attachment in attachments
                if attachment.route is route
            ]
            before = (route.get("status") or {}).get("parents") or []
            others = [parent for parent in before if parent["controllerName"] != CONTROLLER_NAME]
            if ours or len(others) != len(before):
                await self._write(HTTP_ROUTE, route, {"parents": [*others, *ours]})

    async def _write(self, kind: Kind, item: Object, status: Object) -> None:
        before = item.get("status") or {}
        if all(before.get(key) == value for key, value in status.items()):
            return
        namespace, name = key_of(item)
        try:
            await self._client.patch_status(kind, name, status, namespace)
        except Refused as error:
            if not error.not_found:
                raise

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))
