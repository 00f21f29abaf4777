"""The room's client at a GitHub whose single answers each test writes down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import respx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.github.client.connection import Connection
from bot.github.client.github_client import GitHubClient
from bot.model.repository import Repository

API = "https://github.example.com/api/v3"
SHOP = Repository(10, 20, "acme", "shop")
REPO = f"{API}/repos/acme/shop"
APP_ID = 1234
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


def mints_tokens(clock: Clock, installation: int = SHOP.installation_id) -> respx.Route:
    """Each token is another one: `token-1`, `token-2` …; good for an hour."""
    count = 0

    def mint(_: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        until = (clock() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return httpx.Response(201, json={"token": f"token-{count}", "expires_at": until})

    return respx.post(f"{API}/app/installations/{installation}/access_tokens").mock(side_effect=mint)


@asynccontextmanager
async def client_at(clock: Clock, api_url: str = API) -> AsyncIterator[GitHubClient]:
    connection = Connection(api_url, APP_ID, PEM, clock)
    yield GitHubClient(connection, clock)
    await connection.close()


def pull_json(**changed: Any) -> dict[str, Any]:
    """The fields of a pull request that are read; `base__repo__id=…` changes an inner one."""
    base = {"id": 10, "node_id": "R_10", "name": "shop", "owner": {"login": "acme"}, "default_branch": "main"}
    pull: dict[str, Any] = {
        "number": 7,
        "node_id": "PR_7",
        "state": "open",
        "title": "Raise the price",
        "user": {"login": "ada", "type": "User"},
        "draft": False,
        "merged": False,
        "labels": [{"name": "preview"}],
        "updated_at": "2026-11-24T09:00:00Z",
        "head": {"sha": "a" * 40, "ref": "größe", "repo": {"id": 10}},
        "base": {"ref": "main", "repo": base},
    }
    for path, value in changed.items():
        place = pull
        *outer, last = path.split("__")
        for name in outer:
            place = place[name]
        place[last] = value
    return pull
