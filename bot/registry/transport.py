"""HTTP for the registry client: checks addresses before connecting and limits the size of responses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass

import httpx

from bot.clients.failures import address_of, no_connection
from bot.clients.proxies import Proxies
from bot.clients.transport import ProxyTransport
from bot.clients.trust import PUBLIC, public_authorities, untrusted
from bot.model.addresses import Zone, zone
from bot.model.errors import Rejected, Unavailable

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves host and port to IP addresses. Raises OSError."""

MAX_BODY = 256 * 1024
"""More than any manifest needs; it is parsed in less than 50 ms, whatever it contains."""
MAX_REDIRECTS = 3
MAX_ADDRESSES = 3
_INTERNAL = (".local", ".internal", ".svc", ".localhost", ".lan", ".home.arpa", ".corp", ".intranet")
TIMEOUT = httpx.Timeout(10, connect=5)


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a request and its redirects may go, and how large the response may be."""

    hosts: Set[str] | None = None
    """HOST or HOST:PORT; None for all that `may_ask` and `may_follow` allow."""
    limit: int = MAX_BODY

    def require(self, url: httpx.URL, origin: httpx.URL) -> None:
        """Raises Rejected unless the host is in scope."""
        host = url.netloc.decode()
        if self.hosts is not None and host not in self.hosts:
            cause = "" if url.host == origin.host else f"{origin.host} refers to it; "
            raise Rejected(
                f"the operator does not allow {host}: {cause}"
                "ask the operator to add it to GREENROOM_RENDER_HOSTS"
            )


ANYWHERE = Scope()


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Resolves with the system's resolver."""
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def may_ask(zones: Set[Zone]) -> bool:
    """Whether a registry in these zones may be reached: only a public one, unless the operator lists it."""
    return zones == {Zone.PUBLIC}


def may_follow(target: Set[Zone], registry: Set[Zone]) -> bool:
    """Whether a registry in the zones `registry` may refer the bot to a host in the zones `target`.

    A registry answers 401 with the address of its token service, and a hostile one could name the cluster's
    API or a metadata service. Public targets are allowed; private networks and loopback only when the
    registry is there too.
    """
    if not target or Zone.FORBIDDEN in target:
        return False
    return all(zone is Zone.PUBLIC or registry == {zone} for zone in target)


class Transport:
    """Sends requests on behalf of a registry; each is resolved, checked and sent to the checked address.

    Through a proxy, the request is sent by name: the proxy resolves it. Connections are not reused, because
    each was allowed for one registry and host name only.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str],
        resolver: Resolver,
        verify: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._allowed = frozenset(allowed_hosts)
        self._resolve = resolver
        self._proxies = proxies or Proxies.from_environment()
        trust = verify or public_authorities()
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
        self._direct = httpx.AsyncClient(verify=trust, timeout=TIMEOUT, trust_env=False, limits=limits)
        self._proxied = httpx.AsyncClient(
            verify=trust,
            transport=ProxyTransport(self._proxies, trust, limits),
            timeout=TIMEOUT,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._direct.aclose()
        await self._proxied.aclose()

    async def send(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        registry: httpx.URL,
        form: Mapping[str, str] | None = None,
        scope: Scope = ANYWHERE,
    ) -> Response:
        """One request with redirects within the scheme. Raises Unavailable and Rejected.

        `registry` is the base URL of the registry that referred to `url`; see `may_follow`. A request with a
        form, which can contain a secret, is not redirected.
        """
        for _ in range(MAX_REDIRECTS + 1):
            scope.require(url, registry)
            response = await self._send_once(method, url, headers, registry, form, scope.limit)
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            target = _join(url, location)
            if target.scheme != url.scheme:
                raise Rejected(f"{registry.host} redirects to {target.scheme}, which is not allowed")
            if form is not None:
                raise Rejected(f"{url.host} redirects a request for a token, which is not allowed")
            if target.netloc != url.netloc:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = target
        raise Rejected(f"{registry.host} redirects more than {MAX_REDIRECTS} times")

    async def _send_once(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        registry: httpx.URL,
        form: Mapping[str, str] | None,
        limit: int,
    ) -> Response:
        addresses = await self._checked_addresses(url, registry)
        if self._uses_proxy(url):
            addresses = [url.host]
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._connect(method, url, headers, address, form, limit)
            except httpx.ConnectError as error:
                if number == len(addresses):
                    raise _unreachable(url, error) from None
            except httpx.ProxyError as error:
                raise Unavailable(f"{url.host} cannot be reached: the proxy answered {error}") from None
            except httpx.HTTPError as error:
                raise Unavailable(f"{url.host} did not answer: {type(error).__name__}") from None
        raise Unavailable(f"{url.host} has no address")

    def _uses_proxy(self, url: httpx.URL) -> bool:
        return self._proxies.for_url(str(url)) is not None

    async def _checked_addresses(self, url: httpx.URL, registry: httpx.URL) -> Sequence[str]:
        """The addresses, if the registry may refer to them; none for a name that only the proxy resolves."""
        addresses = await self._addresses(url)
        if url.host in self._allowed or url.netloc.decode() in self._allowed:
            return addresses
        if url.host == registry.host:
            if not may_ask(_zones(url.host, addresses)):
                raise Rejected(
                    f"the registry {url.host} has an address that is not allowed: correct the name of the "
                    "image, or ask the operator to add the host to GREENROOM_PRIVATE_REGISTRIES"
                )
        elif not may_follow(
            _zones(url.host, addresses), _zones(registry.host, await self._addresses(registry))
        ):
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
            if self._uses_proxy(url):
                return ()
            raise Unavailable(f"{url.host} cannot be resolved: check the name of the image") from None

    async def _connect(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        address: str,
        form: Mapping[str, str] | None,
        limit: int,
    ) -> Response:
        client = self._proxied if self._uses_proxy(url) else self._direct
        async with client.stream(
            method,
            url.copy_with(host=address),
            headers={**headers, "Host": url.netloc.decode(), "Accept-Encoding": "identity"},
            data=form,
            extensions={"sni_hostname": url.host},
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise Rejected(f"{url.host} responds with more than {limit} bytes")
            if body and response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Rejected(f"{url.host} responds with an encoding that was not accepted")
            return Response(response.status_code, response.headers, bytes(body))


def _zones(host: str, addresses: Sequence[str]) -> Set[Zone]:
    """Where the host is. A name that only the proxy resolves is public, unless it is an internal name."""
    if addresses:
        return {zone(address) for address in addresses}
    internal = "." not in host or host.endswith(_INTERNAL)
    return {Zone.FORBIDDEN if internal else Zone.PUBLIC}


def _join(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return url.join(location)
    except httpx.InvalidURL:
        raise Rejected(f"{url.host} redirects to an invalid URL") from None


def _unreachable(url: httpx.URL, error: httpx.ConnectError) -> Unavailable:
    problem = untrusted(url.host, PUBLIC, error)
    reason = no_connection(address_of(url), error)
    return Unavailable(problem or f"the registry {url.host} cannot be reached: {reason}")
