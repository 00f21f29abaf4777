"""One request through the gateway, as a visitor would make it."""

from __future__ import annotations

import asyncio
import re
import ssl
from types import TracebackType

import httpx

from bot.model.manifest import RELEASE_HEADER, Answer
from bot.settings import Domain

_SECONDS = 5.0
_BODY = 4096
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LOOPBACK = "127.0.0.1"


class HttpGateway:
    """`address` (HOST:PORT) is where to connect when the domain's names lead nowhere from here.

    Host header and TLS name are those of the environment either way. `ca_file` is in PEM.
    """

    def __init__(self, domain: Domain, address: str | None = None, ca_file: str | None = None) -> None:
        self._domain = domain
        self._address = address
        trust = ssl.create_default_context(cafile=ca_file) if domain.scheme == "https" else False
        # A transport alone: no cookies, no redirects, no proxy of the bot's surroundings; and a connection
        # for each request, so that several answers in a row are not all from one lucky replica.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncHTTPTransport(verify=trust, limits=limits, trust_env=False)

    async def __aenter__(self) -> HttpGateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    def host(self, label: str) -> str:
        return f"{label}.{self._domain.host}"

    def url(self, host: str) -> str:
        return f"{self._domain.scheme}://{host}{self._domain.suffix}"

    async def get(self, host: str, path: str) -> Answer:
        """Never raises for what the peer does; at most 5 seconds, at most the first 4 kB of the body."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._get(host, path)
        except TimeoutError:
            return Answer(None, error=f"no answer within {_SECONDS:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError) as error:
            return Answer(None, error=str(error) or type(error).__name__)

    async def _get(self, host: str, path: str) -> Answer:
        where = self._address or f"{_on_this_machine(host) or host}{self._domain.suffix}"
        request = httpx.Request(
            "GET",
            f"{self._domain.scheme}://{where}{path}",
            headers={
                "Host": f"{host}{self._domain.suffix}",
                "User-Agent": "greenroom",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            extensions={"sni_hostname": host, "timeout": httpx.Timeout(_SECONDS).as_dict()},
        )
        response = await self._http.handle_async_request(request)
        try:
            body = b""
            async for chunk in response.aiter_raw(_BODY):
                body += chunk
                if len(body) >= _BODY:
                    break
        finally:
            await response.aclose()
        text = _CONTROLS.sub("", body[:_BODY].decode(errors="replace"))
        return Answer(response.status_code, response.headers.get(RELEASE_HEADER), body=text)


def _on_this_machine(host: str) -> str | None:
    """Names below `localhost` are this machine's (RFC 6761), which not every resolver knows."""
    return _LOOPBACK if host.endswith(".localhost") else None
