"""HTTP API of HashiCorp Vault and OpenBao: login, renewal of the token, and reading.

httpx in place of hvac, which is synchronous: five requests are used, and they share proxies, authorities
and limits with the other clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from bot.clients.proxies import Proxies
from bot.clients.transport import ProxyTransport
from bot.clients.trust import public_authorities, untrusted
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.secrets.provider_file import VaultLogin, VaultSettings

log = structlog.get_logger()

_TIMEOUT = httpx.Timeout(10, connect=3)
_KEEP_ALIVE_SECONDS = 300
"""The longest pause between two looks at a token that must not end."""
_RENEW_AT = 2 / 3
"""Share of a token's lifetime after which it is renewed."""
_LOOKS = 6
"""Looks at such a token within its lifetime: two of them are after `_RENEW_AT`, so one can fail."""


class VaultRefused(Rejected):
    """Vault refuses the request."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Vault refuses this path (status {status})")
        self.status = status


class VaultClient:
    """One Vault server. Reads raise Rejected when it refuses, Unavailable when it does not answer."""

    def __init__(
        self,
        settings: VaultSettings,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        periodic: bool = False,
    ) -> None:
        """`periodic`: the token must be one that lives as long as it is renewed."""
        headers = {"X-Vault-Request": "true"}
        if settings.namespace:
            headers["X-Vault-Namespace"] = settings.namespace
        self._http = httpx.AsyncClient(
            base_url=f"{settings.address}/v1/",
            headers=headers,
            timeout=_TIMEOUT,
            transport=transport or ProxyTransport(Proxies.from_environment(), _trust(settings)),
        )
        self._address = settings.address
        self._login = settings.auth
        self._monotonic = monotonic
        self._periodic = periodic
        self._lock = asyncio.Lock()
        self._token = ""
        self._lease = 0.0
        self._renewable = False
        self._since = 0.0

    async def close(self) -> None:
        await self._http.aclose()

    @contextlib.asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Renews the token also while nothing uses it."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._keep_alive())
            yield
            task.cancel()

    async def _keep_alive(self) -> None:
        while True:
            try:
                await self._authenticate()
            except GreenroomError as error:
                log.warning("Vault's token for credentials cannot be renewed", reason=str(error))
            await asyncio.sleep(min(_KEEP_ALIVE_SECONDS, self._lease / _LOOKS or _KEEP_ALIVE_SECONDS))

    async def read(self, path: str, parameters: Mapping[str, str] | None = None) -> Mapping[str, Any] | None:
        """The response's `data`; None when nothing is there."""
        content = await self.exchange("GET", path, parameters=parameters)
        if content is None:
            return None
        data = content.get("data")
        return data if isinstance(data, Mapping) else {}

    async def exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any] | None:
        """The response; None when nothing is there, and {} without a content."""
        options: dict[str, Any] = {"params": dict(parameters or {}), **({"json": body} if body else {})}
        used, response = await self._authorized(method, path, options)
        if response.status_code == 403:
            # The token may have been revoked: log in once more, unless another read just did.
            if self._token == used:
                self._token = ""
            _, response = await self._authorized(method, path, options)
        if response.status_code == 404:
            return None
        if response.status_code == 403:
            if method == "GET":
                raise Rejected("Vault does not let Greenroom read it: its policy needs `read` on this path")
            raise Rejected(
                f"Vault refuses the request: the policy of Greenroom's token needs `update` on {path}"
            )
        if 400 <= response.status_code < 500:
            raise VaultRefused(response.status_code)
        return {} if response.status_code == 204 else _json(response)

    async def check(self) -> None:
        """Logs in. Raises a GreenroomError when that is not possible."""
        await self._authenticate()

    async def _authorized(
        self, method: str, path: str, options: Mapping[str, Any]
    ) -> tuple[str, httpx.Response]:
        """The token that was used, and the response."""
        token = await self._authenticate()
        headers = {"X-Vault-Token": token}
        return token, await self._send(method, quote(path), headers=headers, **options)

    async def _authenticate(self) -> str:
        """The current token: renewed or obtained if needed."""
        async with self._lock:
            if self._token and not await self._current():
                self._token = ""
            if not self._token:
                await self._log_in()
            return self._token

    async def _current(self) -> bool:
        """Whether the token is valid: it is renewed when its lease nears the end."""
        age = self._monotonic() - self._since
        if not self._lease or age <= self._lease * _RENEW_AT:
            return True
        return self._renewable and age < self._lease and await self._renew()

    async def _renew(self) -> bool:
        headers = {"X-Vault-Token": self._token}
        response = await self._send("POST", "auth/token/renew-self", headers=headers, json={})
        if response.status_code != 200:
            return False
        self._keep(_json(response).get("auth") or {})
        return True

    async def _log_in(self) -> None:
        if self._login.token_file is not None:
            await self._use_token(_content(self._login.token_file))
            return
        mount, body = _credentials(self._login)
        response = await self._send("POST", f"auth/{quote(mount)}/login", json=body)
        if response.status_code != 200:
            raise Rejected(f"Vault refuses the login at auth/{mount} (status {response.status_code})")
        self._keep(_json(response).get("auth") or {})

    async def _use_token(self, token: str) -> None:
        response = await self._send("GET", "auth/token/lookup-self", headers={"X-Vault-Token": token})
        if response.status_code != 200:
            raise Rejected("Vault refuses the token in auth.token_file")
        token_data = _json(response).get("data") or {}
        if self._periodic and not token_data.get("period"):
            raise Rejected(
                "the token in vault.dynamic_token_file has no period, so the credentials that it issues "
                "would end with it: create it with `vault token create -orphan -period=24h`"
            )
        lease = {
            "client_token": token,
            "lease_duration": token_data.get("ttl"),
            "renewable": token_data.get("renewable"),
        }
        self._keep(lease)

    def _keep(self, auth: Mapping[str, Any]) -> None:
        self._token = str(auth.get("client_token") or self._token)
        self._lease = float(auth.get("lease_duration") or 0)
        self._renewable = bool(auth.get("renewable"))
        self._since = self._monotonic()

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            reason = untrusted(self._address, "vault.ca_file", error) or str(error) or type(error).__name__
            raise Unavailable(f"Vault at {self._address} does not answer: {reason}") from None
        if response.status_code == 503:
            raise Unavailable(f"Vault at {self._address} is sealed or in standby (status 503)")
        if response.status_code == 429 or response.status_code >= 500:
            raise Unavailable(f"Vault at {self._address} responds with status {response.status_code}")
        return response


def _credentials(login: VaultLogin) -> tuple[str, Mapping[str, str]]:
    """Mount of the auth method, and the body of its login."""
    if login.kubernetes is not None:
        way = login.kubernetes
        return way.mount, {"role": way.role, "jwt": _content(way.token_file)}
    assert login.approle is not None, "the settings have exactly one way"
    secret = _content(login.approle.secret_id_file)
    return login.approle.mount, {"role_id": login.approle.role_id, "secret_id": secret}


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"Greenroom's credential for Vault, {path}, cannot be read: {error}") from None


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        content = response.json()
    except ValueError:
        content = None
    if response.status_code != 200 or not isinstance(content, Mapping):
        raise Unavailable(f"Vault gives no usable answer (status {response.status_code})")
    return content


def _trust(settings: VaultSettings) -> ssl.SSLContext:
    if settings.ca_file is None:
        return public_authorities()
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise GreenroomError(f"vault.ca_file {settings.ca_file} is invalid: {error}") from None
