"""HTTP transport that uses the proxy of each URL."""

from __future__ import annotations

import ssl

import httpx

from bot.clients.proxies import Proxies


class ProxyTransport(httpx.AsyncBaseTransport):
    """Sends each request directly or through its proxy."""

    def __init__(
        self,
        proxies: Proxies,
        verify: ssl.SSLContext | bool = True,
        limits: httpx.Limits | None = None,
        *,
        http2: bool = False,
    ) -> None:
        """`http2` uses this version only, without TLS as well (prior knowledge)."""

        def transport(proxy: str | None) -> httpx.AsyncHTTPTransport:
            return httpx.AsyncHTTPTransport(
                verify=verify,
                limits=limits or httpx.Limits(max_connections=100, max_keepalive_connections=20),
                proxy=None if proxy is None else httpx.Proxy(proxy),
                trust_env=False,
                http1=not http2,
                http2=http2,
            )

        self._proxies = proxies
        self._transports = {proxy: transport(proxy) for proxy in (None, *set(proxies.by_scheme.values()))}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._transports[self._proxies.for_url(str(request.url))]
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
