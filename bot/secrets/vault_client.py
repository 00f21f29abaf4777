"""HTTP API of HashiCorp Vault and OpenBao: login, renewal of the token, and reading.

httpx in place of hvac, which is synchronous: five requests are used, and they share proxies, authorities
and limits with the other clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import structlog

from bot.clients.failures import cause_of
from bot.clients.proxies import Proxies
from bot.clients.transport import ProxyTransport
from bot.clients.trust import public_authorities, untrusted
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.secrets.provider_file import VaultSettings
from bot.secrets.vault_answers import json_of, may_update, unusable
from bot.secrets.vault_login import content_of, credentials_of

log = structlog.get_logger()

_TIMEOUT = httpx.Timeout(10, connect=3)
_KEEP_ALIVE_SECONDS = 300
"""The longest pause between two looks at a token that must not end."""
_LOG_IN_AGAIN_SECONDS = 60
"""How old a login must be before another one is tried after a refusal."""
_RENEW_AT = 2 / 3
"""Share of a token's lifetime after which it is renewed."""
_TOKEN = re.compile(r"[!-~]+")
"""What a header can contain. Tokens have no spaces."""
_AT_THE_END = ["sys/leases/renew", "sys/leases/revoke"]
"""What a token that issues credentials must be allowed to change."""
_LOOKS = 6
"""Looks at such a token within its lifetime: two of them are after `_RENEW_AT`, so one can fail."""


class VaultRefused(Rejected):
    """Vault refuses the request."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"Vault refuses this path (status {status}): compare it with what `vault kv get` reads"
        )
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
        self._logins = 0
        self._failure: GreenroomError | None = None
        """Failure of the last login."""
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
        if not isinstance(data, Mapping):
            raise unusable()
        return data

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
        if response.status_code == 403 and not await self._is_valid(used):
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
        return {} if response.status_code == 204 else json_of(response)

    async def check(self) -> None:
        """Logs in, and looks whether a token that issues credentials may also revoke them.

        Raises a GreenroomError when that is not possible.
        """
        token = await self._authenticate()
        if not self._periodic:
            return
        response = await self._send(
            "POST", "sys/capabilities-self", headers={"X-Vault-Token": token}, json={"paths": _AT_THE_END}
        )
        if response.status_code != 200:
            return  # its policies do not include `default`, which allows this question
        answer = json_of(response).get("data")
        missing = [path for path in _AT_THE_END if not may_update(answer, path)]
        if missing:
            raise Rejected(
                "credentials could not be renewed or revoked: the policy of the token in "
                f"vault.dynamic_token_file needs `update` on {' and '.join(missing)}"
            )

    async def _is_valid(self, token: str) -> bool:
        """Whether Vault refused the request, not the token, and another token would have the same rights.

        A login for each refused request would leave tokens in Vault.
        """
        if self._token != token:
            return False  # another request has noticed
        is_valid = (await self._look_up(token)).status_code == 200
        if is_valid and not self._is_outdated(token):
            return True
        if self._token == token:
            self._token = ""
        if is_valid and self._login.token_file is None:
            await self._send("POST", "auth/token/revoke-self", headers={"X-Vault-Token": token})
        return False

    def _is_outdated(self, token: str) -> bool:
        """Whether the operator may have granted rights since: a token keeps those of its login."""
        if self._login.token_file is not None:
            return content_of(self._login.token_file) != token
        return self._monotonic() - self._since >= _LOG_IN_AGAIN_SECONDS

    async def _authorized(
        self, method: str, path: str, options: Mapping[str, Any]
    ) -> tuple[str, httpx.Response]:
        """The token that was used, and the response."""
        token = await self._authenticate()
        headers = {"X-Vault-Token": token}
        return token, await self._send(method, quote(path), headers=headers, **options)

    async def _authenticate(self) -> str:
        """The current token: renewed or obtained if needed.

        Requests that waited for a login share its failure: a server that hangs would delay each one in turn.
        """
        seen = self._logins
        async with self._lock:
            if self._failure is not None and self._logins != seen:
                raise self._failure
            try:
                if self._token and not await self._current():
                    self._token = ""
                if not self._token:
                    await self._log_in()
                self._failure = None
            except GreenroomError as error:
                self._failure = error
                raise
            finally:
                self._logins += 1
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
        self._keep(json_of(response).get("auth"), self._token)
        return True

    async def _log_in(self) -> None:
        if self._login.token_file is not None:
            await self._use_token(content_of(self._login.token_file))
            return
        mount, body = credentials_of(self._login)
        response = await self._send("POST", f"auth/{quote(mount)}/login", json=body)
        if response.status_code != 200:
            raise Rejected(
                f"Vault refuses the login at auth/{mount} (status {response.status_code}): compare "
                "`vault.auth` in GREENROOM_SECRETS_MANAGERS with the role in Vault"
            )
        self._keep(json_of(response).get("auth"))

    async def _use_token(self, token: str) -> None:
        setting = "vault.dynamic_token_file" if self._periodic else "vault.auth.token_file"
        if not _TOKEN.fullmatch(token):  # an error about the header would quote it
            raise Rejected(f"the file in {setting} does not contain one token: write the token alone into it")
        response = await self._look_up(token)
        if response.status_code != 200:
            raise Rejected(f"Vault refuses the token in {setting}: write a valid one into the file")
        about = json_of(response).get("data")
        about = about if isinstance(about, Mapping) else {}
        if self._periodic and not about.get("period"):
            raise Rejected(
                "the token in vault.dynamic_token_file has no period, so the credentials that it issues "
                "would end with it: create it with `vault token create -orphan -period=24h`"
            )
        self._keep({"lease_duration": about.get("ttl"), "renewable": about.get("renewable")}, token)

    async def _look_up(self, token: str) -> httpx.Response:
        return await self._send("GET", "auth/token/lookup-self", headers={"X-Vault-Token": token})

    def _keep(self, auth: object, token: str = "") -> None:
        """The token, or the one of the answer, with its lease."""
        if not isinstance(auth, Mapping):
            raise unusable()
        token, seconds = token or str(auth.get("client_token") or ""), auth.get("lease_duration") or 0
        if not _TOKEN.fullmatch(token) or not isinstance(seconds, int | float):
            raise unusable()
        self._token, self._lease = token, float(seconds)
        self._renewable = bool(auth.get("renewable"))
        self._since = self._monotonic()

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            reason = untrusted(self._address, "vault.ca_file", error) or cause_of(self._address, error)
            raise Unavailable(f"Vault at {self._address} does not answer: {reason}") from None
        if response.status_code == 503:
            raise Unavailable(f"Vault at {self._address} is sealed or in standby (status 503): unseal it")
        if response.status_code == 429 or response.status_code >= 500:
            raise Unavailable(f"Vault at {self._address} responds with status {response.status_code}")
        return response


def _trust(settings: VaultSettings) -> ssl.SSLContext:
    if settings.ca_file is None:
        return public_authorities()
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise GreenroomError(f"vault.ca_file {settings.ca_file} is invalid: {error}") from None
