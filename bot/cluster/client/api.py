"""Client of the Kubernetes API: verbs on plain JSON objects."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

from bot.cluster.client.errors import Expired, Refused, error_of
from bot.cluster.client.kinds import POD, SECRET, Kind, kind_of
from bot.cluster.names import object_name
from bot.model.errors import Unavailable
from bot.model.manifest import Manifest

Object = dict[str, Any]
"""A Kubernetes object as JSON."""
Body = Manifest | list[Object]
PatchStyle = Literal["merge-patch", "json-patch", "strategic-merge-patch"]

_CONNECT_SECONDS = 5
_TOTAL_SECONDS = 15
_PAGE = 500
_WATCH_SECONDS = 120
_MAX_LOG_BYTES = 64 * 1024


class ApiTelemetry(Protocol):
    def cluster_call(self, method: str, status: int | None) -> None:
        """Counts a call; `status` is None when there was no answer."""


class NoApiTelemetry:
    """Counts nothing."""

    def cluster_call(self, method: str, status: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Collection:
    """The items of a list, each with apiVersion and kind, and the version to watch from."""

    items: list[Object]
    resource_version: str


class KubernetesApi:
    """One API server. Raises Unavailable when it does not answer, Refused when it refuses.

    Writes carry the client's user agent as field manager.
    """

    def __init__(self, client: ApiClient, telemetry: ApiTelemetry) -> None:
        self._client = client
        self._telemetry = telemetry
        self._manager = {"fieldManager": client.user_agent}

    async def __aenter__(self) -> KubernetesApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]  # the library has no types here

    @property
    def url(self) -> str:
        """The address of the API server."""
        return str(self._client.configuration.host)

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        return await self._send("GET", kind.path(namespace, name), f"{kind.name}/{name}")

    async def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """Like `get`; None when the object does not exist."""
        try:
            return await self.get(kind, name, namespace)
        except Refused as error:
            if error.not_found:
                return None
            raise

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Collection:
        """All objects of a kind that match the selectors; without `namespace`, of all namespaces."""
        items: list[Object] = []
        typed = {"apiVersion": kind.api_version, "kind": kind.name}
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        while True:
            answer = await self._send("GET", kind.path(namespace), f"the list of {kind.plural}", query=query)
            items += ({**typed, **item} for item in answer.get("items") or [])
            metadata = answer.get("metadata") or {}
            if not metadata.get("continue"):
                return Collection(items, str(metadata.get("resourceVersion") or ""))
            query["continue"] = metadata["continue"]

    async def create(
        self, kind: Kind, body: Object, namespace: str | None = None, *, subresource: str | None = None
    ) -> Object:
        """Creates an object, by default in the namespace that it names, or a subresource of that object."""
        metadata = body.get("metadata") or {}
        name = metadata.get("name", "")
        path = kind.path(namespace or metadata.get("namespace"), subresource and name, subresource)
        return await self._send("POST", path, f"{kind.name}/{name}", query=self._manager, body=body)

    async def replace(self, kind: Kind, body: Object, *, subresource: str | None = None) -> Object:
        """Writes the whole object. Raises Conflict if its resource version is not the current one."""
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"], subresource)
        subject = f"{kind.name}/{metadata['name']}"
        return await self._send("PUT", path, subject, query=self._manager, body=body)

    async def patch(
        self,
        kind: Kind,
        name: str,
        body: Body,
        namespace: str | None = None,
        *,
        style: PatchStyle = "merge-patch",
        subresource: str | None = None,
    ) -> Object:
        """Changes part of an object or of its subresource."""
        path = kind.path(namespace, name, subresource)
        content = f"application/{style}+json"
        return await self._send(
            "PATCH", path, f"{kind.name}/{name}", query=self._manager, body=body, content=content
        )

    async def patch_status(
        self, kind: Kind, name: str, status: Object, namespace: str | None = None
    ) -> Object:
        """Merges `status` into the object's status; a list in it replaces the whole list."""
        return await self.patch(kind, name, {"status": status}, namespace, subresource="status")

    async def apply(self, manifest: Manifest) -> Object:
        """Server-side apply in the object's namespace. Conflicts are forced: our fields override others."""
        kind = kind_of(manifest)
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        query = {**self._manager, "force": "true"}
        content = "application/apply-patch+yaml"
        try:
            return await self._send(
                "PATCH", path, object_name(manifest), query=query, body=manifest, content=content
            )
        except Refused as error:
            if error.of_namespace and error.not_found:
                raise Unavailable(str(error)) from None
            if kind is not SECRET:
                raise
            message = f"Kubernetes refused {object_name(manifest)} ({error.reason})."
            hidden = "Its message is hidden because it may contain a value of the Secret."
            raise Refused(f"{message} {hidden}", error.status, error.reason) from None

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        preconditions: Mapping[str, str] | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """Starts the deletion of the object that the preconditions (uid, resourceVersion) identify."""
        options: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": dict(preconditions or {}),
        }
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._send("DELETE", kind.path(namespace, name), f"{kind.name}/{name}", body=options)
        except Refused as error:
            if not error.not_found:
                raise

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> str:
        """The last lines of a container's log, or of its previous run."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(_MAX_LOG_BYTES)}
        if previous:
            query["previous"] = "true"
        path = f"{POD.path(namespace, pod, 'log')}?{urlencode(query)}"
        return await self.read_text(path, f"the log of Pod/{pod}")

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
    ) -> AsyncGenerator[Object, None]:
        """Events after a version, until the server closes the stream. Raises Expired.

        Without `namespace`, of all namespaces.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": labels,
            "fieldSelector": fields,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_WATCH_SECONDS + _TOTAL_SECONDS
        )
        subject = f"the watch of {kind.plural}"
        try:
            response = await self._request("GET", f"{kind.path(namespace)}?{urlencode(query)}", timeout)
            try:
                if response.status != 200:
                    raise error_of(subject, response.status, await response.read(), response.headers)
                async for line in response.response.content:
                    if line.strip():
                        yield _event(subject, json.loads(line))
            finally:
                response.response.close()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"The cluster's API server interrupted {subject}: {_describe(error)}") from None

    async def post(self, path: str, body: Object) -> Object:
        """Creates a review: a query in the form of an object that the server does not store."""
        return await self._send("POST", path, f"the review at {path}", body=body)

    async def read(self, path: str) -> Object:
        """Reads a document outside of the resource API, such as `/version`."""
        return await self._send("GET", path, path)

    async def read_text(self, path: str, subject: str) -> str:
        """Reads a text, such as a log; errors name the subject."""
        return (await self._exchange("GET", path, subject)).decode(errors="replace")

    async def _send(
        self,
        method: str,
        path: str,
        subject: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content: str = "application/json",
    ) -> Object:
        parameters = {key: value for key, value in (query or {}).items() if value}
        url = f"{path}?{urlencode(parameters)}" if parameters else path
        answer = await self._exchange(method, url, subject, body, content)
        try:
            value = json.loads(answer)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Unavailable(f"The cluster's API server did not answer with JSON to {subject}.")
        return value

    async def _exchange(
        self,
        method: str,
        url: str,
        subject: str,
        body: Body | None = None,
        content: str = "application/json",
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, sock_connect=_CONNECT_SECONDS)
        try:
            response = await self._request(method, url, timeout, body, content)
            answer: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"The cluster's API server does not answer: {_describe(error)}") from None
        if not 200 <= response.status < 300:
            raise error_of(subject, response.status, answer, response.headers)
        return answer

    async def _request(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        body: Body | None = None,
        content: str = "application/json",
    ) -> Any:
        try:
            _, address, headers, _, _ = await self._client.param_serialize(
                method, url, header_params={"Content-Type": content}, auth_settings=["BearerToken"]
            )
        except (ConfigException, OSError) as error:
            raise Unavailable(f"Greenroom's credentials for the cluster cannot be read: {error}") from None
        try:
            response = await self._client.call_api(
                method, address, header_params=headers, body=body, _request_timeout=limits
            )
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._telemetry.cluster_call(method, None)
            raise
        self._telemetry.cluster_call(method, response.status)
        return response


def _event(subject: str, event: Object) -> Object:
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        if status.get("code") == 410:
            raise Expired
        raise Unavailable(f"The cluster's API server ended {subject}: {status.get('message')}")
    return event


def _describe(error: BaseException) -> str:
    return str(error) or (
        "the request timed out" if isinstance(error, TimeoutError) else type(error).__name__
    )
