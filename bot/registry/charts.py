"""Fetches packaged charts from HTTP repositories and OCI registries on allowed hosts."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import httpx
import yaml
from cachetools import LRUCache, TTLCache

from bot.model.errors import Rejected, Unavailable
from bot.registry.client import RegistryClient, open_client
from bot.registry.transport import Response

MAX_CHART = 8 * 2**20
_MAX_INDEX = 64 * 2**20
_MAX_PARSED_INDEX = 4 * 2**20
"""A larger index must have the layout that Helm writes, so that one chart's part of it can be cut out."""
_CACHE_BYTES = 64 * 2**20
_RESOLVED_SECONDS = 600.0
_DEADLINE = 60.0
_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ChartClient:
    """Implements `ChartSource` of `bot/cluster/render/tools.py`. `hosts` are HOST or HOST:PORT.

    A chart comes only from these hosts, through redirects as well. One at a private address is asked if the
    registry client allows it, or if `hosts` contains the address itself.
    """

    def __init__(self, registry: RegistryClient, hosts: Collection[str]) -> None:
        self._registry = registry
        self._hosts = frozenset(hosts)
        self._digests: TTLCache[tuple[str, str, str], str] = TTLCache(1000, _RESOLVED_SECONDS)
        self._charts: LRUCache[str, bytes] = LRUCache(_CACHE_BYTES, getsizeof=len)
        """Charts by digest."""

    async def fetch(self, repository: str, name: str, version: str) -> bytes:
        """The packaged chart, checked against the digest of the repository.

        Raises Unavailable when the host does not answer, Rejected for a host, a chart or a digest that is not
        as it should be.
        """
        key = (repository, name, version)
        cached = self._charts.get(self._digests.get(key, ""))
        if cached is not None:
            return cached
        try:
            async with asyncio.timeout(_DEADLINE):
                is_oci = repository.lower().startswith("oci://")
                digest, content = await (self._from_registry(*key) if is_oci else self._from_index(*key))
        except TimeoutError:
            raise Unavailable(
                f"{repository} did not send {name} {version} within {_DEADLINE:.0f} s"
            ) from None
        self._digests[key] = digest
        if len(content) < _CACHE_BYTES:
            self._charts[digest] = content
        return content

    async def _from_registry(self, repository: str, name: str, version: str) -> tuple[str, bytes]:
        image, tag = f"{repository[len('oci://') :].rstrip('/')}/{name}", version.replace("+", "_")
        digest = await self._registry.layer(image, tag, _LAYER, self._hosts)
        if digest in self._charts:
            return digest, self._charts[digest]
        content = await self._registry.blob(image, digest, self._hosts, MAX_CHART)
        _require_digest(content, digest, f"{image}:{tag}")
        return digest, content

    async def _from_index(self, repository: str, name: str, version: str) -> tuple[str, bytes]:
        base = httpx.URL(repository.rstrip("/") + "/")
        index = await self._get(base.join("index.yaml"), _MAX_INDEX)
        entry = await asyncio.to_thread(_entry, index.body, name, version, repository)
        match = _HEX.fullmatch(str(entry.get("digest") or ""))
        digest = f"sha256:{match[1]}" if match else ""
        if digest in self._charts:
            return digest, self._charts[digest]
        urls = entry.get("urls")
        if not isinstance(urls, list) or not urls or not isinstance(urls[0], str):
            raise Rejected(f"{repository} has no address of {name} {version}")
        content = (await self._get(_joined(base, urls[0]), MAX_CHART)).body
        if digest:
            _require_digest(content, digest, f"{name} {version} from {repository}")
        return digest or _digest(content), content

    async def _get(self, url: httpx.URL, limit: int) -> Response:
        response = await self._registry.get(url, self._hosts, limit)
        if response.status == 429 or response.status >= 500:
            raise Unavailable(f"{url.host} responds with status {response.status} for {url.path}")
        if response.status != 200:
            raise Rejected(f"{url.host} responds with status {response.status} for {url.path}")
        return response


@asynccontextmanager
async def open_charts(
    credentials: str | None, private_registries: Collection[str], hosts: Collection[str]
) -> AsyncIterator[ChartClient]:
    """A client for charts with the operator's settings."""
    async with open_client(credentials, {*private_registries, *_literal_addresses(hosts)}) as registry:
        yield ChartClient(registry, hosts)


def _literal_addresses(hosts: Collection[str]) -> frozenset[str]:
    """The hosts that are IP addresses: the operator allows exactly these, whatever network they are in."""

    def is_address(host: str) -> bool:
        try:
            ip_address(httpx.URL(f"http://{host}").host)
        except (ValueError, httpx.InvalidURL):
            return False
        return True

    return frozenset(filter(is_address, hosts))


def _entry(index: bytes, name: str, version: str, repository: str) -> Mapping[str, Any]:
    """The index's entry of a version."""
    try:
        versions = _versions(index, name)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Rejected(f"{repository} has an invalid index.yaml") from None
    for entry in versions if isinstance(versions, list) else ():
        if isinstance(entry, Mapping) and str(entry.get("version")).lstrip("v") == version.lstrip("v"):
            return entry
    raise Rejected(f"{repository} has no chart {name} {version}")


def _versions(index: bytes, name: str) -> object:
    if len(index) <= _MAX_PARSED_INDEX:
        content = yaml.load(index, _Loader)  # noqa: S506  # a safe loader
        entries = content.get("entries") if isinstance(content, Mapping) else None
        return entries.get(name) if isinstance(entries, Mapping) else None
    start = re.compile(rb"^  " + re.escape(name.encode()) + rb":[ ]*$", re.MULTILINE).search(index)
    if start is None:
        raise ValueError("the index is too large")
    end = re.compile(rb"^(?:  )?[^ \-]", re.MULTILINE).search(index, start.end())
    return yaml.load(index[start.end() : end.start() if end else None], _Loader)  # noqa: S506  # as above


def _joined(base: httpx.URL, url: str) -> httpx.URL:
    try:
        joined = base.join(url)
    except httpx.InvalidURL:
        raise Rejected(f"{base.host} refers to an invalid URL") from None
    if joined.scheme not in ("http", "https") or (base.scheme == "https" and joined.scheme == "http"):
        raise Rejected(f"{base.host} refers to {joined.scheme}, which is not allowed")
    return joined


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _require_digest(content: bytes, digest: str, title: str) -> None:
    if _digest(content) != digest:
        raise Rejected(f"the digest of {title} is not the one that its repository names")
