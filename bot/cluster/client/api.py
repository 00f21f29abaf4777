"""Client of the Kubernetes API: verbs on plain JSON objects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp

from bot.cluster.client.errors import Expired, Refused, error_of
from bot.cluster.client.forbidden import PAUSE_SECONDS, NewRights, lacks_right, namespace_of
from bot.cluster.client.kinds import NAMESPACE, POD, SECRET, Kind, kind_of
from bot.cluster.client.transport import (
    CONNECT_SECONDS,
    LOST,
    TOTAL_SECONDS,
    RequestTransport,
    abort,
    describe,
)
from bot.cluster.names import object_name
from bot.model.errors import Unavailable
from bot.model.manifest import Manifest

Object = dict[str, Any]
"""A Kubernetes object as JSON."""
Body = Manifest | list[Object]
PatchStyle = Literal["merge-patch", "json-patch", "strategic-merge-patch"]

_PAGE = 500
_WATCH_SECONDS = 120
_MAX_LOG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Collection:
    """The items of a list, each with apiVersion and kind, and the version to watch from."""

    items: list[Object]
    resource_version: str


class KubernetesApi:
    """One API server. Raises Unavailable when it does not answer, Refused when it refuses."""

    def __init__(self, transport: RequestTransport) -> None:
        self._transport = transport
        self._manager = {"fieldManager": transport.user_agent}
        self._new_rights = NewRights()

    async def __aenter__(self) -> KubernetesApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    @property
    def url(self) -> str:
        """The address of the API server."""
        return self._transport.url

    def expect_rights(self, namespace: str) -> None:
        """Retries refusals in this namespace for some seconds, until new rights there are in effect."""
        self._new_rights.expect(namespace)

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
        """All objects of a kind that match the selectors; without `namespace`, of all namespaces.

        Empty when the namespace, or an optional kind, does not exist.
        """
        items: list[Object] = []
        typed = {"apiVersion": kind.api_version, "kind": kind.name}
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        while True:
            try:
                answer = await self._send(
                    "GET", kind.path(namespace), f"the list of {kind.plural}", query=query
                )
            except Refused as error:
                if error.not_found and (error.of_namespace or kind.optional):
                    return Collection([], "")
                raise
            items += ({**typed, **item} for item in answer.get("items") or [])
            metadata = answer.get("metadata") or {}
            if not metadata.get("continue"):
                return Collection(items, str(metadata.get("resourceVersion") or ""))
            query["continue"] = metadata["continue"]

    async def create(
        self,
        kind: Kind,
        body: Object,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Creates an object, by default in the namespace that it names, or a subresource of that object."""
        metadata = body.get("metadata") or {}
        name = metadata.get("name", "")
        path = kind.path(namespace or metadata.get("namespace"), subresource and name, subresource)
        query = {**self._manager, "dryRun": "All" if dry_run else ""}
        return await self._send("POST", path, f"{kind.name}/{name}", query=query, body=body)

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

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Object:
        """Server-side apply in the object's namespace. Conflicts are forced: our fields override others.

        A field that the cluster does not know is refused, not dropped.
        """
        kind = kind_of(manifest)
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        strict = {"fieldValidation": "Strict", "dryRun": "All" if dry_run else ""}
        query = {**self._manager, "force": "true", **strict}
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
            raise Refused(
                f"{message} {hidden}",
                error.status,
                error.reason,
                immutable_fields=error.immutable_fields,
            ) from None

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        preconditions: Mapping[str, str] | None = None,
        grace_seconds: int | None = None,
        orphans: bool = False,
    ) -> None:
        """Starts the deletion of the object that the preconditions (uid, resourceVersion) identify.

        What it owns is deleted with it, or stays as `orphans`.
        """
        options: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Orphan" if orphans else "Background",
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

    async def follow_log(
        self, namespace: str, pod: str, container: str, *, lines: int
    ) -> AsyncGenerator[bytes, None]:
        """Pieces of a container's log: its last lines, and what follows until the container ends."""
        query = {"container": container, "tailLines": str(lines), "follow": "true"}
        url = f"{POD.path(namespace, pod, 'log')}?{urlencode(query)}"
        async with self._stream(url, f"the log of Pod/{pod}", None) as content:
            async for piece in content.iter_any():
                yield piece

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
        url, subject = f"{kind.path(namespace)}?{urlencode(query)}", f"the watch of {kind.plural}"
        async with self._stream(url, subject, _WATCH_SECONDS + TOTAL_SECONDS) as content:
            async for line in content:
                if line.strip():
                    yield _event(subject, json.loads(line))

    @asynccontextmanager
    async def _stream(
        self, url: str, subject: str, read_seconds: float | None
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a response without an end; it fails after `read_seconds` without data."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_seconds)
        try:
            response = await self._transport.open("GET", url, timeout)
            try:
                if response.status != 200:
                    raise error_of(subject, response.status, await response.read(), response.headers)
                yield response.response.content
            finally:
                abort(response.response)
        except (*LOST, ValueError) as error:
            raise Unavailable(f"The cluster's API server interrupted {subject}: {describe(error)}") from None

    async def post(self, path: str, body: Object) -> Object:
        """Creates a review: a query in the form of an object that the server does not store."""
        return await self._send("POST", path, f"the review at {path}", body=body)

    async def read(self, path: str) -> Object:
        """Reads a document outside of the resource API, such as `/version`."""
        return await self._send("GET", path, path)

    async def read_text(self, path: str, subject: str) -> str:
        """Reads a text, such as a log."""
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
        while True:
            answer = await self._transport.exchange(method, url, body, content)
            if 200 <= answer.status < 300:
                return answer.body
            error = error_of(subject, answer.status, answer.body, answer.headers)
            namespace = namespace_of(url)
            if not namespace or not lacks_right(error):
                raise error
            if not self._new_rights.are_expected(namespace):
                raise await self._without_rights(namespace, error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _without_rights(self, namespace: str, error: Exception) -> Exception:
        """The bot's rights in a namespace are deleted with it."""
        live = await self.find(NAMESPACE, namespace)
        if live is None:
            message = f"Namespace {namespace} does not exist."
            return Refused(message, 404, "NotFound", of_namespace=True)
        if live["metadata"].get("deletionTimestamp"):
            return Unavailable(f"Namespace {namespace} is being deleted.")
        return error


def _event(subject: str, event: Object) -> Object:
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        if status.get("code") == 410:
            raise Expired
        raise Unavailable(f"The cluster's API server ended {subject}: {status.get('message')}")
    return event
