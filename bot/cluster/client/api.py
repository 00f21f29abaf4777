"""The API server over HTTP: verbs on plain JSON, and its refusals as errors that are told."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

from bot.cluster.client.kinds import POD, SECRET, Kind, kind_of
from bot.cluster.client.telemetry import ApiTelemetry
from bot.cluster.names import FIELD_MANAGER, object_name
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Manifest

Object = dict[str, Any]

_CONNECT_SECONDS = 5
_TOTAL_SECONDS = 15
_PAGE = 500
_WATCH_SECONDS = 120
_LONGEST_LOG = 64 * 1024
_AGAIN = frozenset((401, 408, 429))
"""Refusals that pass by themselves, or once the operator mends something: never the manifests' fault."""
_LONGEST_PAUSE = 300
_MISSHAPEN = ("failed to create typed patch object", "failed to convert new object")
"""How a server-side apply refuses a field of the wrong type or name: with 500, as if it had failed itself."""


class Refused(Rejected):
    """The API server understood and said no: HTTP status and Kubernetes' reason, such as `NotFound`."""

    def __init__(self, message: str, status: int, reason: str, *, of_namespace: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.of_namespace = of_namespace
        """Whether it is the namespace that was not found, not the object in it."""


class Expired(Exception):
    """The watched version is too old: list again."""


@dataclass(frozen=True, slots=True)
class Collection:
    items: list[Object]
    resource_version: str


class KubernetesApi:
    """One API server. Raises TryAgain when it does not answer, Refused when it says no."""

    def __init__(self, client: ApiClient, telemetry: ApiTelemetry) -> None:
        self._client = client
        self._telemetry = telemetry

    async def __aenter__(self) -> KubernetesApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]  # the library has no types here

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """None when there is no such object."""
        try:
            return await self._send("GET", kind.path(namespace, name), f"{kind.name}/{name}")
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Collection:
        """All objects of a kind, of every namespace unless one is named, that the selectors match."""
        items: list[Object] = []
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        while True:
            answer = await self._send("GET", kind.path(namespace), f"the list of {kind.plural}", query=query)
            items += answer.get("items") or []
            metadata = answer.get("metadata") or {}
            if not metadata.get("continue"):
                return Collection(items, str(metadata.get("resourceVersion") or ""))
            query["continue"] = metadata["continue"]

    async def create(self, kind: Kind, body: Object, namespace: str | None = None) -> Object:
        subject = f"{kind.name}/{(body.get('metadata') or {}).get('name', '')}"
        query = {"fieldManager": FIELD_MANAGER}
        return await self._send("POST", kind.path(namespace), subject, query=query, body=body)

    async def apply(self, manifest: Manifest) -> Object:
        """Server-side apply in the namespace that the object names; our fields are taken back from others."""
        kind = kind_of(manifest)
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        content = "application/apply-patch+yaml"
        try:
            return await self._send(
                "PATCH", path, object_name(manifest), query=query, body=manifest, content=content
            )
        except Refused as error:
            if error.of_namespace and error.status == 404:
                raise Unavailable(str(error)) from None
            if kind is not SECRET:
                raise
            message = (
                f"Kubernetes refused {object_name(manifest)} ({error.reason}); its words could tell a value."
            )
            raise Refused(message, error.status, error.reason) from None

    async def delete(
        self, kind: Kind, name: str, namespace: str | None = None, *, preconditions: Mapping[str, str]
    ) -> None:
        """Begins the deletion of the very object that the preconditions (uid, resourceVersion) describe."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": dict(preconditions),
        }
        try:
            await self._send("DELETE", kind.path(namespace, name), f"{kind.name}/{name}", body=options)
        except Refused as error:
            if error.status != 404:
                raise

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool) -> str:
        """The last lines of a container's log, or of its run before this one."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(_LONGEST_LOG)}
        if previous:
            query["previous"] = "true"
        path = f"{POD.path(namespace, pod, 'log')}?{urlencode(query)}"
        content = await self._exchange("GET", path, f"the log of Pod/{pod}")
        return content.decode(errors="replace")

    async def watch(self, kind: Kind, *, labels: str, resource_version: str) -> AsyncGenerator[Object, None]:
        """Events after a version, of all namespaces; ends when the server closes. Expired: list again."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": labels,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_WATCH_SECONDS + _TOTAL_SECONDS
        )
        subject = f"the watch of {kind.plural}"
        try:
            response = await self._request("GET", f"{kind.path()}?{urlencode(query)}", timeout)
            try:
                if response.status != 200:
                    raise _refusal(subject, response.status, await response.read(), response.headers)
                async for line in response.response.content:
                    if line.strip():
                        yield _event(subject, json.loads(line))
            finally:
                response.response.close()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"The cluster's API server broke off {subject}: {_words(error)}") from None

    async def post(self, path: str, body: Object) -> Object:
        """For reviews: questions that are asked by creating an object that is never stored."""
        return await self._send("POST", path, f"the question at {path}", body=body)

    async def read(self, path: str) -> Object:
        """A document that is no object of a kind, such as `/version`."""
        return await self._send("GET", path, path)

    async def _send(
        self,
        method: str,
        path: str,
        subject: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content: str = "application/json",
    ) -> Object:
        given = {key: value for key, value in (query or {}).items() if value}
        url = f"{path}?{urlencode(given)}" if given else path
        answer = await self._exchange(method, url, subject, body, content)
        try:
            value = json.loads(answer)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Unavailable(f"The cluster's API server answered something else than JSON to {subject}.")
        return value

    async def _exchange(
        self,
        method: str,
        url: str,
        subject: str,
        body: Manifest | None = None,
        content: str = "application/json",
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_TOTAL_SECONDS, sock_connect=_CONNECT_SECONDS)
        try:
            response = await self._request(method, url, timeout, body, content)
            answer: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"The cluster's API server does not answer: {_words(error)}") from None
        if not 200 <= response.status < 300:
            raise _refusal(subject, response.status, answer, response.headers)
        return answer

    async def _request(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        body: Manifest | None = None,
        content: str = "application/json",
    ) -> Any:
        try:
            _, where, headers, _, _ = await self._client.param_serialize(
                method, url, header_params={"Content-Type": content}, auth_settings=["BearerToken"]
            )
        except (ConfigException, OSError) as error:
            raise Unavailable(f"The bot's own credentials for the cluster cannot be read: {error}") from None
        try:
            response = await self._client.call_api(
                method, where, header_params=headers, body=body, _request_timeout=limits
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


def _refusal(subject: str, status: int, body: bytes, headers: Mapping[str, str]) -> Exception:
    """What an answer that is no success means for whoever asked."""
    answer = _status(body)
    reason = str(answer.get("reason") or status)
    message = str(answer.get("message") or body[:500].decode(errors="replace")).strip()
    if status == 410:
        return Expired()
    sentence = f"Kubernetes refused {subject}: {message}"
    broken = status >= 500 and not message.startswith(_MISSHAPEN)
    if broken or status in _AGAIN or (status == 409 and reason != "AlreadyExists"):
        return Unavailable(sentence, _pause(headers))
    if _passes(answer, message):
        return Unavailable(sentence)
    if status == 404 and not answer.get("details", {}).get("name"):
        sentence = (
            f"The cluster does not know the kind of {subject}; its operator has to install it: {message}"
        )
    of_namespace = answer.get("details", {}).get("kind") == "namespaces"
    return Refused(sentence, status, reason, of_namespace=of_namespace)


def _passes(answer: Object, message: str) -> bool:
    """The namespace is on its way out, or its quota is so new that nothing is counted yet."""
    causes = [cause.get("reason") for cause in (answer.get("details") or {}).get("causes") or []]
    return "NamespaceTerminating" in causes or "status unknown for quota" in message


def _status(body: bytes) -> Object:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _pause(headers: Mapping[str, str]) -> datetime | None:
    text = headers.get("Retry-After", "")
    if not text.isdecimal():
        return None
    return datetime.now(UTC) + timedelta(seconds=min(int(text), _LONGEST_PAUSE))


def _words(error: BaseException) -> str:
    return str(error) or ("it took too long" if isinstance(error, TimeoutError) else type(error).__name__)
