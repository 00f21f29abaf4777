"""Secrets from Vault: references, logins, leases, grants and outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.secrets.provider_file import AppRoleLogin, KubernetesLogin, VaultLogin, VaultSettings
from bot.secrets.vault import VaultSecrets
from bot.secrets.vault_client import VaultClient
from tests.unit.secrets.vault_server import JWT, ROLE, ROLE_ID, SECRET_ID, TTL, VaultServer

SHOP = Repository(10, 20, "acme", "shop")
OTHER = Repository(11, 20, "acme", "other")
FIRST, SECOND, OLD = "s3cret-first", "s3cret-second", "s3cret-old"
GRANTS = {
    "kv/shop/*": "acme/shop",
    "team/old/mail": "acme/shop, acme/other",
    "team/old": "acme/shop",
    "none/at/all": "acme/shop",
}


@pytest.fixture
def server() -> VaultServer:
    return VaultServer(
        versioned={"shop/stripe": [{"key": FIRST}, {"key": SECOND, "port": 5432, "nested": {}}]},
        plain={"mail": {"password": OLD}},
    )


@pytest.fixture
async def vault(server: VaultServer, tmp_path: Path) -> AsyncIterator[VaultSecrets]:
    (tmp_path / "jwt").write_text(JWT)
    login = VaultLogin(kubernetes=KubernetesLogin(role=ROLE, token_file=tmp_path / "jwt"))
    client = _client(server, login)
    yield VaultSecrets(client, GRANTS)
    await client.close()


def _client(server: VaultServer, login: VaultLogin, *, periodic: bool = False) -> VaultClient:
    settings = VaultSettings(address="http://127.0.0.1:8200", auth=login, namespace=server.namespace)
    return VaultClient(settings, server.transport, lambda: server.now, periodic=periodic)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("kv/shop/stripe#key", SECOND),
        ("kv/shop/stripe#key@1", FIRST),
        ("kv/shop/stripe#key@2", SECOND),
        ("kv/shop/stripe#port", "5432"),
        ("team/old/mail#password", OLD),
    ],
)
async def test_value_is_read(vault: VaultSecrets, reference: str, value: str) -> None:
    assert (await vault.read(reference, SHOP)).text == value


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("kv/shop/stripe#none", "no key none"),
        ("kv/shop/stripe#key@3", "in version 3"),
        ("kv/shop/none#key", "no key key"),
        ("team/old/mail#password@1", "keeps no versions"),
        ("team/old#key", r"refuses this path \(status 405\)"),
        ("none/at/all#key", "does not let Greenroom read"),
        ("kv/shop/stripe#nested", "not text"),
        ("kv/shop/../other/stripe#key", "must be MOUNT/PATH#KEY"),
        ("kv/shop/stripe", "must be MOUNT/PATH#KEY"),
        ("kv#key", "must be MOUNT/PATH#KEY"),
        ("kv/shop/stripe#key@latest", "must be MOUNT/PATH#KEY"),
        ("kv/shop/stripe?version=1#key", "must be MOUNT/PATH#KEY"),
    ],
)
async def test_reference_that_cannot_be_read_is_refused(
    vault: VaultSecrets, reference: str, reason: str
) -> None:
    with pytest.raises(Rejected, match=reason):
        await vault.read(reference, SHOP)


async def test_secret_without_a_grant_is_not_requested(vault: VaultSecrets, server: VaultServer) -> None:
    with pytest.raises(Rejected, match="do not include it for acme/other"):
        await vault.read("kv/shop/stripe#key", OTHER)
    assert server.requests == []
    assert (await vault.read("team/old/mail#password", OTHER)).text == OLD


async def test_deleted_version_does_not_exist(vault: VaultSecrets, server: VaultServer) -> None:
    server.versioned["shop/stripe"].append(None)
    with pytest.raises(Rejected, match="no key key"):
        await vault.read("kv/shop/stripe#key", SHOP)


async def test_rotated_value_is_read(vault: VaultSecrets, server: VaultServer) -> None:
    assert (await vault.read("kv/shop/stripe#key", SHOP)).text == SECOND
    server.versioned["shop/stripe"].append({"key": "s3cret-third"})
    assert (await vault.read("kv/shop/stripe#key", SHOP)).text == "s3cret-third"
    assert (await vault.read("kv/shop/stripe#key@2", SHOP)).text == SECOND


async def test_token_is_renewed_before_its_lease_ends(vault: VaultSecrets, server: VaultServer) -> None:
    await vault.read("kv/shop/stripe#key", SHOP)
    server.now += TTL * 0.8
    await vault.read("kv/shop/stripe#key", SHOP)
    assert (server.logins, server.renewals) == (1, 1)


@pytest.mark.parametrize("period", [60, 3600, 86400])
async def test_periodic_token_does_not_end_while_nothing_uses_it(
    server: VaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, period: int
) -> None:
    """Credentials end with the token that issued them, so it cannot be obtained anew."""
    paused, passed = asyncio.sleep, asyncio.Event()
    end = server.now + 3 * period

    async def sleep(seconds: float) -> None:
        server.now += seconds
        if server.now > end:
            passed.set()
        await paused(0)

    server.ttl = server.period = period
    token = server.issue(period)
    (tmp_path / "token").write_text(token)
    client = _client(server, VaultLogin(token_file=tmp_path / "token"), periodic=True)
    monkeypatch.setattr("bot.secrets.vault_client.asyncio.sleep", sleep)
    async with client.kept_alive():
        await passed.wait()
    assert server.tokens[token] > server.now
    await client.close()


@pytest.mark.parametrize("denied", ["sys/leases/renew", "sys/leases/revoke"])
async def test_check_names_rights_that_are_needed_when_credentials_end(
    server: VaultServer, tmp_path: Path, denied: str
) -> None:
    server.period = TTL
    (tmp_path / "token").write_text(server.issue())
    client = _client(server, VaultLogin(token_file=tmp_path / "token"), periodic=True)
    await client.check()
    server.denied.add(denied)
    with pytest.raises(Rejected, match=f"vault.dynamic_token_file needs `update` on {denied}"):
        await client.check()
    await client.close()


async def test_login_is_repeated_after_the_lease_or_a_revocation(
    vault: VaultSecrets, server: VaultServer
) -> None:
    await vault.read("kv/shop/stripe#key", SHOP)
    server.now += TTL * 2
    await vault.read("kv/shop/stripe#key", SHOP)
    server.tokens.clear()
    assert (await vault.read("kv/shop/stripe#key", SHOP)).text == SECOND
    assert (server.logins, server.renewals) == (3, 0)


async def test_missing_right_is_refused(vault: VaultSecrets, server: VaultServer) -> None:
    server.denied.add("kv/data/shop/stripe")
    with pytest.raises(Rejected, match="its policy needs `read`"):
        await vault.read("kv/shop/stripe#key", SHOP)


async def test_refused_read_leaves_no_further_token_in_vault(
    vault: VaultSecrets, server: VaultServer
) -> None:
    """An environment asks again every minute."""
    server.denied.add("kv/data/shop/stripe")
    for _ in range(3):
        with pytest.raises(Rejected, match="its policy needs `read`"):
            await vault.read("kv/shop/stripe#key", SHOP)
    assert server.logins == 1
    server.now += 61
    with pytest.raises(Rejected, match="its policy needs `read`"):
        await vault.read("kv/shop/stripe#key", SHOP)
    assert server.logins == 2, "the role may have more policies now, which a token does not get later"
    assert len(server.tokens) == 1, "the token before was revoked"
    server.denied.clear()
    assert (await vault.read("kv/shop/stripe#key", SHOP)).text == SECOND


async def test_rotated_token_is_read_from_its_file(server: VaultServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(server.issue())
    client = _client(server, VaultLogin(token_file=tmp_path / "token"))
    secrets = VaultSecrets(client, GRANTS)
    assert (await secrets.read("kv/shop/stripe#key", SHOP)).text == SECOND
    server.tokens.clear()
    with pytest.raises(Rejected, match=r"refuses the token in vault\.auth\.token_file: write a valid one"):
        await secrets.read("kv/shop/stripe#key", SHOP)
    (tmp_path / "token").write_text(server.issue())
    assert (await secrets.read("kv/shop/stripe#key", SHOP)).text == SECOND
    narrow, wide = server.issue(), server.issue()
    server.narrow.add(narrow)
    (tmp_path / "token").write_text(narrow)
    server.tokens = {token: end for token, end in server.tokens.items() if token in (narrow, wide)}
    with pytest.raises(Rejected, match="its policy needs `read`"):
        await secrets.read("kv/shop/stripe#key", SHOP)
    (tmp_path / "token").write_text(wide)
    assert (await secrets.read("kv/shop/stripe#key", SHOP)).text == SECOND, "while the other is valid"
    await client.close()


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_outage_is_unavailable(vault: VaultSecrets, server: VaultServer, status: int) -> None:
    server.outage = status
    with pytest.raises(Unavailable, match=str(status)):
        await vault.read("kv/shop/stripe#key", SHOP)
    server.outage = None
    assert (await vault.read("kv/shop/stripe#key", SHOP)).text == SECOND


async def test_unreachable_server_is_unavailable(vault: VaultSecrets, server: VaultServer) -> None:
    server.unreachable = True
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:8200 does not answer"):
        await vault.read("kv/shop/stripe#key", SHOP)


async def test_login_with_approle_and_with_a_token(server: VaultServer, tmp_path: Path) -> None:
    (tmp_path / "secret-id").write_text(f"{SECRET_ID}\n")
    (tmp_path / "token").write_text(server.issue())
    for login in (
        VaultLogin(approle=AppRoleLogin(role_id=ROLE_ID, secret_id_file=tmp_path / "secret-id")),
        VaultLogin(token_file=tmp_path / "token"),
    ):
        client = _client(server, login)
        assert (await VaultSecrets(client, GRANTS).read("kv/shop/stripe#key", SHOP)).text == SECOND
        await client.close()


@pytest.mark.parametrize("content", ["another", None])
async def test_refused_login_is_explained_without_the_credential(
    server: VaultServer, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "jwt").write_text(content)
    login = VaultLogin(kubernetes=KubernetesLogin(role=ROLE, token_file=tmp_path / "jwt"))
    client = _client(server, login)
    with pytest.raises(Rejected, match=r"refuses the login at auth/kubernetes|cannot be read") as refused:
        await client.check()
    assert "another" not in str(refused.value)
    await client.close()


async def test_namespace_of_vault_enterprise(server: VaultServer, tmp_path: Path) -> None:
    server.namespace = "team"
    (tmp_path / "token").write_text(server.issue())
    client = _client(server, VaultLogin(token_file=tmp_path / "token"))
    assert (await VaultSecrets(client, GRANTS).read("kv/shop/stripe#key", SHOP)).text == SECOND
    await client.close()
