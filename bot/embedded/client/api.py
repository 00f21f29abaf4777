"""A small asynchronous Kubernetes client: the verbs, nothing cached, nothing retried."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Literal

import httpx

from bot.embedded.client.connection import ApiError, Connection
from bot.embedded.client.resources import Object, Resource

PatchStyle = Literal["merge", "json", "strategic", "apply"]
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
Params = dict[str, str]
Objects = list[Object]

_CONTENT_TYPES: Mapping[PatchStyle, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
WATCH_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Collection:
    """A list's items, each with its apiVersion and kind, and the version from which to watch."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    type: EventType
    object: Object


class Client:
    """Speaks to one API server. Every refusal raises `ApiError`, a broken line `httpx.TransportError`.

    Use it as an asynchronous context manager or call `close`.
    """

    def __init__(self, connection: Connection, *, user_agent: str = "greenroom-embedded") -> None:
        headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        self._http = httpx.AsyncClient(
            base_url=connection.url,
            headers=headers,
            verify=connection.tls(),
            timeout=httpx.Timeout(30, pool=None),
            # A watch holds its connection, and there is one per kind.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16),
            trust_env=False,
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return await self._send("GET", resource.path(namespace, name))

    async def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Like `get`; None when the object does not exist."""
        try:
            return await self.get(resource, name, namespace)
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Collection:
        """All objects of a namespace, or of every one; `labels` and `fields` are selectors."""
        answer = await self._send("GET", resource.path(namespace), params=_selectors(labels, fields))
        # Items of a list carry neither on the wire.
        named = {"apiVersion": resource.api_version, "kind": resource.kind}
        items = [{**named, **item} for item in answer.get("items") or []]
        return Collection(items, str(answer["metadata"].get("resourceVersion") or ""))

    async def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> Object:
        """Create an object, by default in the namespace that it names; or post to a `subresource` of it."""
        metadata = body["metadata"]
        name = metadata["name"] if subresource else None
        path = resource.path(namespace or metadata.get("namespace"), name, subresource)
        return await self._send("POST", path, body=body)

    async def replace(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        """Write the whole object; a resource version in it must still be the current one."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self._send("PUT", path, body=body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Object | Objects,
        namespace: str | None = None,
        *,
        style: PatchStyle = "merge",
        subresource: str | None = None,
    ) -> Object:
        """Change part of an object, or of its `subresource`."""
        path = resource.path(namespace, name, subresource)
        return await self._send("PATCH", path, body=body, content_type=_CONTENT_TYPES[style])

    async def patch_status(
        self, resource: Resource, name: str, status: Object, namespace: str | None = None
    ) -> Object:
        """Merge `status` into the object's status; a list in it replaces the whole list."""
        return await self.patch(resource, name, {"status": status}, namespace, subresource="status")

    async def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Object:
        """Server-side apply of an object that names its kind and itself."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        params = {"fieldManager": field_manager, "force": "true" if force else "false"}
        return await self._send("PATCH", path, params=params, body=body, content_type=_CONTENT_TYPES["apply"])

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> bool:
        """Ask for deletion; false when there was nothing. With `uid`, that very object (else a conflict)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if propagation:
            options["propagationPolicy"] = propagation
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._send("DELETE", resource.path(namespace, name), body=options)
        except ApiError as error:
            if error.not_found:
                return False
            raise
        return True

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after `resource_version`; ends when the server closes. `ApiError.gone`: list again."""
        params = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
            **_selectors(labels, fields),
        }
        timeout = httpx.Timeout(30, read=WATCH_SECONDS + 30, pool=None)
        path = resource.path(namespace)
        async with self._http.stream("GET", path, params=params, timeout=timeout) as response:
            if response.status_code != 200:
                raise ApiError.of(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if not line:
                    continue
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise ApiError(
                        int(status.get("code") or 500), str(status.get("reason")), str(status.get("message"))
                    )
                yield WatchEvent(event["type"], event["object"])

    async def logs(self, namespace: str, pod: str, **params: str) -> str:
        """A pod's log, as `GET …/log` gives it (`container`, `tailLines`, `previous` and so on)."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        response = await self._http.get(path, params=params, headers={"Accept": "*/*"})
        if response.is_error:
            raise ApiError.of(response.status_code, response.content)
        return response.text

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if content is not None else {}
        response = await self._http.request(method, path, params=params, content=content, headers=headers)
        if response.is_error:
            raise ApiError.of(response.status_code, response.content)
        answer = response.json()
        assert isinstance(answer, dict)
        return answer


def _selectors(labels: str, fields: str) -> Params:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
