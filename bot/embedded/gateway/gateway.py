"""Watches Gateways, HTTPRoutes and endpoints, tells their status, and passes requests on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
from aiohttp import web

from bot.embedded.client import Client, Connection, Informer, Key, Reconciler, key_of
from bot.embedded.client.resources import ENDPOINT_SLICES, GATEWAY_CLASSES, GATEWAYS, HTTP_ROUTES, SERVICES
from bot.embedded.gateway import routing
from bot.embedded.node.endpoints import Address, ready_addresses, service_of

Object = Mapping[str, Any]

CONTROLLER_NAME = "greenroom.dev/embedded-gateway"
_HOP_BY_HOP = frozenset(("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"))
_BACKEND_SECONDS = 30


class Gateway:
    """Serves every HTTPRoute of the Gateways whose class names our controller. `port` 0 takes a free one."""

    def __init__(self, connection: Connection, port: int = 0) -> None:
        self._client = Client(connection, user_agent="greenroom-gateway")
        self.port = port
        self._classes = Informer(self._client, GATEWAY_CLASSES)
        self._gateways = Informer(self._client, GATEWAYS)
        self._routes = Informer(self._client, HTTP_ROUTES)
        self._services = Informer(self._client, SERVICES)
        self._slices = Informer(self._client, ENDPOINT_SLICES)
        self._route_work: Reconciler[Key] = Reconciler("httproute", self._tell_route)
        self._gateway_work: Reconciler[Key] = Reconciler("gateway", self._tell_gateway)
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = itertools.count()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when it listens and has seen every route that exists."""
        self._session = aiohttp.ClientSession(
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), timeout=_timeout()
        )
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        informers = (self._classes, self._gateways, self._routes, self._services, self._slices)
        self._routes.listen(lambda change: self._route_work.add(change.key))
        self._services.listen(lambda change: self._look_at_routes_of(change.key[0]))
        for informer in (self._classes, self._gateways):
            informer.listen(lambda change: self._look_at_everything())
        loops = [informer.run() for informer in informers]
        self._tasks = [_task(loop) for loop in (*loops, self._route_work.run(), self._gateway_work.run())]
        await asyncio.gather(*(informer.synced() for informer in informers))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()
        await self._client.close()

    def _look_at_everything(self) -> None:
        for gateway in self._gateways.list():
            self._gateway_work.add(key_of(gateway))
        for route in self._routes.list():
            self._route_work.add(key_of(route))

    def _look_at_routes_of(self, namespace: str) -> None:
        for route in self._routes.list(namespace):
            self._route_work.add(key_of(route))

    def _ours(self, gateway: Object | None) -> bool:
        if gateway is None:
            return False
        found = self._classes.get(gateway["spec"].get("gatewayClassName", ""))
        return found is not None and found["spec"].get("controllerName") == CONTROLLER_NAME

    def _parents(self, route: Object) -> list[Object]:
        """The references of a route that lead to a Gateway of ours."""
        namespace = route["metadata"]["namespace"]
        return [
            parent
            for parent in route["spec"].get("parentRefs") or []
            if self._ours(self._gateways.get(parent["name"], parent.get("namespace") or namespace))
        ]

    def _served(self) -> list[Object]:
        return [route for route in self._routes.list() if self._parents(route)]

    async def _tell_gateway(self, key: Key) -> None:
        gateway = self._gateways.get(key[1], key[0])
        if gateway is None or not self._ours(gateway):
            return
        generation = gateway["metadata"].get("generation", 1)
        before = (gateway.get("status") or {}).get("conditions") or []
        conditions = [_condition(kind, True, kind, generation, before) for kind in ("Accepted", "Programmed")]
        listeners = [
            {
                "name": listener["name"],
                "attachedRoutes": len(self._served()),
                "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                "conditions": conditions,
            }
            for listener in gateway["spec"].get("listeners") or []
        ]
        status = {
            "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
            "conditions": conditions,
            "listeners": listeners,
        }
        if not _same(gateway.get("status"), status, ("conditions", "addresses")):
            await self._client.patch_status(GATEWAYS, key[1], status, namespace=key[0])

    async def _tell_route(self, key: Key) -> None:
        route = self._routes.get(key[1], key[0])
        if route is None:
            # Somebody else may have waited for the hostname.
            for other in self._routes.list():
                self._route_work.add(key_of(other))
            return
        generation = route["metadata"].get("generation", 1)
        taken = [name for name in route["spec"].get("hostnames") or [] if self._taken(name, route)]
        missing = [name for name in _services_of(route) if self._services.get(name, key[0]) is None]
        parents = []
        for parent in self._parents(route):
            before = _conditions_before(route, parent)
            accepted = _condition(
                "Accepted",
                not taken,
                "HostnameConflict" if taken else "Accepted",
                generation,
                before,
                f"another route already has {taken[0]}" if taken else "",
            )
            resolved = _condition(
                "ResolvedRefs",
                not missing,
                "BackendNotFound" if missing else "ResolvedRefs",
                generation,
                before,
                f"Service {missing[0]} does not exist" if missing else "",
            )
            parents.append(
                {"parentRef": parent, "controllerName": CONTROLLER_NAME, "conditions": [accepted, resolved]}
            )
        if not _same(route.get("status"), {"parents": parents}, ("parents",)):
            await self._client.patch_status(HTTP_ROUTES, key[1], {"parents": parents}, namespace=key[0])

    def _taken(self, hostname: str, route: Object) -> bool:
        first = routing.holder(self._served(), hostname)
        return first is not None and key_of(dict(first)) != key_of(dict(route))

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0].lower()
        route = routing.answering(self._served(), host)
        if route is None:
            return web.Response(status=404, text=f"No route for {host}.\n")
        headers = {name.lower(): value for name, value in request.headers.items()}
        rule = routing.matching_rule(route, request.path, headers)
        if rule is None:
            return web.Response(status=404, text=f"No rule of the route matches {request.path}.\n")
        backend = routing.choose(rule.get("backendRefs") or [])
        address = self._address(route["metadata"]["namespace"], backend) if backend else None
        if address is None:
            return web.Response(status=503, text="No endpoint is ready behind the route.\n")
        try:
            return await self._forward(request, rule, address)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return web.Response(status=502, text=f"The endpoint did not answer ({type(error).__name__}).\n")

    def _address(self, namespace: str, backend: Object) -> Address | None:
        service = self._services.get(backend["name"], namespace)
        ports = (service or {"spec": {}})["spec"].get("ports") or []
        port = next((each for each in ports if each["port"] == backend.get("port")), None)
        if port is None:
            return None
        slices = [each for each in self._slices.list(namespace) if service_of(each) == backend["name"]]
        ready = ready_addresses(slices, port.get("name"))
        return ready[next(self._turn) % len(ready)] if ready else None

    async def _forward(self, request: web.Request, rule: Object, address: Address) -> web.StreamResponse:
        sent = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
        sent += [("X-Forwarded-For", request.remote or ""), ("X-Forwarded-Proto", request.scheme)]
        url = f"http://{address[0]}:{address[1]}{request.raw_path}"
        body = request.content if request.can_read_body else None
        async with self._session.request(
            request.method,
            url,
            data=body,
            allow_redirects=False,
            headers=routing.modified(sent, rule, "requestHeaderModifier"),
        ) as answer:
            got = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in routing.modified(got, rule, "responseHeaderModifier"):
                response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


def _timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=_BACKEND_SECONDS)


def _task(loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(loop)


def _services_of(route: Object) -> list[str]:
    return [
        backend["name"]
        for rule in route["spec"].get("rules") or []
        for backend in rule.get("backendRefs") or []
    ]


def _conditions_before(route: Object, parent: Object) -> list[Object]:
    for known in (route.get("status") or {}).get("parents") or []:
        if known.get("parentRef") == parent:
            return list(known.get("conditions") or [])
    return []


def _condition(
    kind: str, good: bool, reason: str, generation: int, before: list[Object], message: str = ""
) -> dict[str, Any]:
    status = "True" if good else "False"
    known = next((each for each in before if each["type"] == kind and each["status"] == status), None)
    since = known["lastTransitionTime"] if known else datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }


def _same(before: Object | None, now: Object, fields: tuple[str, ...]) -> bool:
    return all((before or {}).get(field) == now[field] for field in fields)
