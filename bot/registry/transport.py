"""HTTP for the registry client: checks addresses before connecting and limits the size of responses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import httpx

from bot.model.addresses import Zone, is_loopback_name, zone
from bot.model.errors import Rejected, Unavailable

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves host and port to IP addresses. Raises OSError."""

MAX_BODY = 4 * 1024 * 1024  # the limit that registries set for a manifest
MAX_REDIRECTS = 3
MAX_ADDRESSES = 3
TIMEOUT = httpx.Timeout(10, connect=5)


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    headers: httpx.Headers
    body: bytes


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Resolves with the system's resolver."""
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def may_ask(host: str, addresses: Sequence[str]) -> bool:
    """Whether the registry `host` itself may be reached at these addresses.

    Private networks are allowed, since many registries are there; loopback only for a literal loopback name.
    """
    zones = {zone(address) for address in addresses}
    if is_loopback_name(host):
        return zones == {Zone.LOOPBACK}
    return bool(zones) and zones <= {Zone.PUBLIC, Zone.PRIVATE}


def may_follow(target: Sequence[str], registry: Sequence[str]) -> bool:
    """Whether a registry at the addresses `registry` may refer the bot to a host at the addresses `target`.

    A registry answers 401 with the address of its token service, and a hostile one could name the cluster's
    API or a metadata service. Public targets are allowed; private networks and loopback only when the
    registry is there too.
    """
    zones, home = {zone(address) for address in target}, {zone(address) for address in registry}
    if not zones or Zone.FORBIDDEN in zones:
        return False
    return all(target_zone is Zone.PUBLIC or home == {target_zone} for target_zone in zones)


class Transport:
    """Sends requests on behalf of a registry; each is resolved, checked and sent to the checked address.

    Connections are not reused, because each was allowed for one registry and host name only.
    """

    def __init__(
        self, allowed_hosts: Collection[str], resolver: Resolver, verify: ssl.SSLContext | None = None
    ) -> None:
        self._allowed = frozenset(allowed_hosts)
        self._resolve = resolver
        self._http = httpx.AsyncClient(
            verify=verify or httpx.create_ssl_context(),
            timeout=TIMEOUT,
            trust_env=False,  # a proxy would resolve names without our check
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=0),
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], registry: httpx.URL
    ) -> Response:
        """One request with redirects within the scheme. Raises Unavailable and Rejected.

        `registry` is the base URL of the registry that referred to `url`; see `may_follow`.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send_once(method, url, headers, registry)
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            target = _join(url, location)
            if target.scheme != url.scheme:
                raise Rejected(f"{registry.host} redirects to {target.scheme}, which is not allowed")
            if target.netloc != url.netloc:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = target
        raise Rejected(f"{registry.host} redirects more than {MAX_REDIRECTS} times")

    async def _send_once(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], registry: httpx.URL
    ) -> Response:
        addresses = await self._checked_addresses(url, registry)
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._connect(method, url, headers, address)
            except httpx.ConnectError as error:
                if number == len(addresses):
                    raise _unreachable(url, error) from None
            except httpx.HTTPError as error:
                raise Unavailable(f"{url.host} did not answer: {type(error).__name__}") from None
        raise Unavailable(f"{url.host} has no address")

    async def _checked_addresses(self, url: httpx.URL, registry: httpx.URL) -> Sequence[str]:
        addresses = await self._addresses(url)
        if url.host in self._allowed or url.netloc.decode() in self._allowed:
            return addresses
        if url.host == registry.host:
            if not may_ask(url.host, addresses):
                raise Rejected(
                    f"the registry {url.host} has an address that is not allowed: correct the name of the "
                    "image, or ask the operator to add the host to GREENROOM_PRIVATE_REGISTRIES"
                )
        elif not may_follow(addresses, await self._addresses(registry)):
            raise Rejected(
                f"the registry {registry.host} refers to {url.host}, which is in a private network: if that "
                "is intended, ask the operator to add the host to GREENROOM_PRIVATE_REGISTRIES"
            )
        return addresses

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            return (await self._resolve(url.host, port))[:MAX_ADDRESSES]
        except (OSError, UnicodeError):
            raise Unavailable(f"{url.host} cannot be resolved: check the name of the image") from None

    async def _connect(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], address: str
    ) -> Response:
        async with self._http.stream(
            method,
            url.copy_with(host=address),
            headers={**headers, "Host": url.netloc.decode(), "Accept-Encoding": "identity"},
            extensions={"sni_hostname": url.host},
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    raise Rejected(f"{url.host} responds with more than {MAX_BODY} bytes")
            return Response(response.status_code, response.headers, bytes(body))


def _join(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return url.join(location)
    except httpx.InvalidURL:
        raise Rejected(f"{url.host} redirects to an invalid URL") from None


def _unreachable(url: httpx.URL, error: httpx.ConnectError) -> Rejected | Unavailable:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Rejected(
            f"the certificate of {url.host} is not trusted: "
            "set SSL_CERT_FILE to a file with the authority that signed it"
        )
    return Unavailable(f"the registry {url.host} cannot be reached: {error}")
