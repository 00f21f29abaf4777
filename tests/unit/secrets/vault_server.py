"""A Vault of these tests: key-value engines of both versions, three ways to log in, leases that end."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

ROLE, JWT = "greenroom", "jwt-of-the-pod"
ROLE_ID, SECRET_ID = "role-id", "secret-id"
TTL = 3600


@dataclass
class VaultServer:
    """Use `transport` as the client's. `now` is in seconds; `outage` is the status of every response."""

    now: float = 1000.0
    outage: int | None = None
    unreachable: bool = False
    tokens: dict[str, float] = field(default_factory=dict)
    """Each token with the time at which it ends."""
    logins: int = 0
    renewals: int = 0
    requests: list[str] = field(default_factory=list)
    versioned: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    """The versions of each secret below `kv/`; None for a deleted one."""
    plain: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The secrets below `team/old/`, an engine of version 1."""
    denied: set[str] = field(default_factory=set)
    narrow: set[str] = field(default_factory=set)
    """Tokens that may read nothing."""
    namespace: str = ""
    ttl: int = TTL
    """Lifetime of tokens that are renewed or obtained by a login."""
    period: int = 0

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._respond)

    def issue(self, ttl: float = TTL) -> str:
        token = f"hvs.{secrets.token_hex(8)}"
        self.tokens[token] = self.now + ttl
        return token

    def _respond(self, request: httpx.Request) -> httpx.Response:
        if self.unreachable:
            raise httpx.ConnectError("connection refused")
        if self.outage is not None:
            return httpx.Response(self.outage, json={"errors": []})
        path = request.url.path.removeprefix("/v1/")
        self.requests.append(path)
        if request.headers.get("X-Vault-Namespace", "") != self.namespace:
            return _errors(404)
        body = json.loads(request.content or b"{}")
        if path.endswith("/login"):
            return self._login(path, body)
        token = request.headers.get("X-Vault-Token", "")
        if self.tokens.get(token, 0) <= self.now:
            return _errors(403)
        if path == "auth/token/renew-self":
            self.renewals += 1
            self.tokens[token] = self.now + self.ttl
            return httpx.Response(200, json={"auth": self._auth(token)})
        if path == "auth/token/revoke-self":
            del self.tokens[token]
            return httpx.Response(204)
        if path == "auth/token/lookup-self":
            left = int(self.tokens[token] - self.now)
            data = {"ttl": left, "renewable": True, "period": self.period}
            return httpx.Response(200, json={"data": data})
        if path == "sys/capabilities-self":
            rights = {name: ["deny" if name in self.denied else "update"] for name in body["paths"]}
            return httpx.Response(200, json={"data": rights})
        return _errors(403) if token in self.narrow else self._read(path, request.url.params)

    def _login(self, path: str, body: Mapping[str, str]) -> httpx.Response:
        accepted = {
            "auth/kubernetes/login": {"role": ROLE, "jwt": JWT},
            "auth/approle/login": {"role_id": ROLE_ID, "secret_id": SECRET_ID},
        }
        if accepted.get(path) != body:
            return _errors(400)
        self.logins += 1
        return httpx.Response(200, json={"auth": self._auth(self.issue(self.ttl))})

    def _auth(self, token: str) -> Mapping[str, Any]:
        return {"client_token": token, "lease_duration": self.ttl, "renewable": True}

    def _read(self, path: str, parameters: httpx.QueryParams) -> httpx.Response:
        if path.startswith("sys/internal/ui/mounts/"):
            return self._mount(path.removeprefix("sys/internal/ui/mounts/"))
        if path.strip("/") in ("team/old", "kv/data"):
            return _errors(405)  # the path of the engine itself
        if path in self.denied:
            return _errors(403)
        if path.startswith("kv/data/"):
            return self._version(path.removeprefix("kv/data/"), int(parameters.get("version", "0")))
        content = self.plain.get(path.removeprefix("team/old/")) if path.startswith("team/old/") else None
        return _errors(404) if content is None else httpx.Response(200, json={"data": content})

    def _mount(self, secret: str) -> httpx.Response:
        for path, version in (("kv/", "2"), ("team/old/", "1")):
            if f"{secret}/".startswith(path):
                engine = {"path": path, "type": "kv", "options": {"version": version}}
                return httpx.Response(200, json={"data": engine})
        return _errors(403)  # Vault does not show whether an engine is missing or denied

    def _version(self, secret: str, number: int) -> httpx.Response:
        versions = self.versioned.get(secret, [])
        number = number or len(versions)
        if not 1 <= number <= len(versions):
            return _errors(404)
        content = versions[number - 1]
        body = {"data": {"data": content, "metadata": {"version": number}}}
        return httpx.Response(200 if content is not None else 404, json=body)


def _errors(status: int) -> httpx.Response:
    return httpx.Response(status, json={"errors": ["permission denied"] if status == 403 else []})
