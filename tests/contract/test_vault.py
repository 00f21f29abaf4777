"""A real Vault: logins, versions, rights, outages and credentials, through the client of the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.secrets.provider_file import VaultSettings
from bot.secrets.vault import VaultSecrets
from bot.secrets.vault_client import VaultClient
from bot.secrets.vault_dynamic import VaultCredentials
from tests.kubernetes.vault import Vault, vault
from tests.postgresql import database, postgresql

pytestmark = [pytest.mark.secrets, pytest.mark.timeout(180)]

SHOP = Repository(1, 2, "acme", "shop")
OTHER = Repository(3, 4, "other", "shop")
GRANTS = {"kv/preview/*": "acme/*", "old/mail": "acme/shop", "database/creds/shop": "acme/shop"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with vault(tmp_path_factory.mktemp("vault")) as server:
        server.policy("greenroom", "read kv/data/preview/*", "read old/mail")
        server.policy("issuer", "read database/creds/shop", "update sys/leases/revoke")
        for number in (1, 2):
            server.write("kv/data/preview/stripe", data={"key": f"sk_test_{number}"})
        server.write("old/mail", password="hunter22")
        yield server


@pytest.fixture
def token_file(server: Vault, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(server.token(policies=["greenroom"]))
    return file


@pytest.fixture
async def secrets(server: Vault, token_file: Path) -> AsyncIterator[VaultSecrets]:
    client = client_of(server, {"token_file": str(token_file)})
    yield VaultSecrets(client, GRANTS)
    await client.close()


def client_of(server: Vault, auth: Mapping[str, Any], *, periodic: bool = False) -> VaultClient:
    settings = {"address": server.address, "auth": auth, "grants": GRANTS}
    return VaultClient(VaultSettings.model_validate(settings), periodic=periodic)


def kept(credential: str, folder: Path) -> str:
    """The path of a file with the credential."""
    file = folder / "credential"
    file.write_text(credential)
    return str(file)


async def test_both_versions_of_the_engine(secrets: VaultSecrets) -> None:
    current = await secrets.read("kv/preview/stripe#key", SHOP)
    assert (current.text, current.version) == ("sk_test_2", "2")
    pinned = await secrets.read("kv/preview/stripe#key@1", SHOP)
    assert (pinned.text, pinned.version) == ("sk_test_1", "1")
    assert (await secrets.read("old/mail#password", SHOP)).text == "hunter22"


async def test_rotated_value_is_read_at_once_and_a_pinned_one_stays(
    server: Vault, secrets: VaultSecrets
) -> None:
    server.write("kv/data/preview/rotated", data={"key": "first-value"})
    assert (await secrets.read("kv/preview/rotated#key", SHOP)).text == "first-value"
    server.write("kv/data/preview/rotated", data={"key": "second-value"})
    assert (await secrets.read("kv/preview/rotated#key", SHOP)).text == "second-value"
    assert (await secrets.read("kv/preview/rotated#key@1", SHOP)).text == "first-value"
    server.write("kv/destroy/preview/rotated", method="PUT", versions=[1])
    with pytest.raises(Rejected, match="has no key key in version 1"):
        await secrets.read("kv/preview/rotated#key@1", SHOP)


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("kv/preview/stripe#key", OTHER),
        ("kv/preview/stripe#missing", SHOP),
        ("kv/preview/missing#key", SHOP),
        ("kv/production/stripe#key", SHOP),
    ],
)
async def test_missing_and_not_granted_read_alike(
    secrets: VaultSecrets, reference: str, repository: Repository
) -> None:
    with pytest.raises(Rejected, match=r"Vault has no key \w+ at .*, or the operator's grants"):
        await secrets.read(reference, repository)


@pytest.mark.parametrize("name", ["a+b@c", "a:b~c,d=e", "größe"])
@pytest.mark.parametrize("key", ["tls.crt", "API/KEY", "a:b", "größe", "%2e"])
async def test_unusual_paths_and_keys(server: Vault, secrets: VaultSecrets, name: str, key: str) -> None:
    server.write(f"kv/data/preview/{quote(name)}", data={key: "s3cret-value"})
    assert (await secrets.read(f"kv/preview/{name}#{key}", SHOP)).text == "s3cret-value"


async def test_refused_reads_leave_no_further_tokens(server: Vault, tmp_path: Path) -> None:
    server.write("sys/auth/refused", type="approle")
    server.write("auth/refused/role/greenroom", token_policies=["default"])
    role = server.read("auth/refused/role/greenroom/role-id")["data"]["role_id"]
    secret = server.write("auth/refused/role/greenroom/secret-id")["data"]["secret_id"]
    login = {"role_id": role, "secret_id_file": kept(secret, tmp_path), "mount": "refused"}
    client = client_of(server, {"approle": login})
    await client.check()
    before = server.tokens()
    for _ in range(3):
        with pytest.raises(Rejected, match="its policy needs `read`"):
            await VaultSecrets(client, GRANTS).read("kv/preview/stripe#key", SHOP)
    assert server.tokens() == before
    await client.close()


async def test_check_names_rights_that_are_needed_when_credentials_end(server: Vault, tmp_path: Path) -> None:
    server.policy("hasty", "read database/creds/shop")
    for policies, allowed in ((["hasty", "default"], False), (["issuer", "default"], True)):
        token = server.token(policies=policies, no_parent=True, period="1h")
        client = client_of(server, {"token_file": kept(token, tmp_path)}, periodic=True)
        if allowed:
            await client.check()
        else:
            with pytest.raises(Rejected, match="needs `update` on sys/leases/revoke"):
                await client.check()
        await client.close()


async def test_right_that_the_policy_lacks_is_named(server: Vault, tmp_path: Path) -> None:
    client = client_of(server, {"token_file": kept(server.token(policies=["default"]), tmp_path)})
    with pytest.raises(Rejected, match="its policy needs `read`"):
        await VaultSecrets(client, GRANTS).read("kv/preview/stripe#key", SHOP)
    await client.close()


async def test_sealed_server_is_an_outage_that_passes(server: Vault, secrets: VaultSecrets) -> None:
    await asyncio.to_thread(server.seal)
    try:
        with pytest.raises(Unavailable, match="sealed"):
            await secrets.read("kv/preview/stripe#key", SHOP)
    finally:
        await asyncio.to_thread(server.unseal)
    assert (await secrets.read("kv/preview/stripe#key", SHOP)).text == "sk_test_2"


async def test_approle_logs_in_again_when_its_token_was_revoked(server: Vault, tmp_path: Path) -> None:
    server.write("sys/auth/approle", type="approle")
    server.write("auth/approle/role/greenroom", token_policies=["greenroom"], token_ttl="1h")
    role = server.read("auth/approle/role/greenroom/role-id")["data"]["role_id"]
    secret = server.write("auth/approle/role/greenroom/secret-id")["data"]["secret_id"]
    client = client_of(server, {"approle": {"role_id": role, "secret_id_file": kept(secret, tmp_path)}})
    secrets = VaultSecrets(client, GRANTS)
    assert (await secrets.read("old/mail#password", SHOP)).text == "hunter22"
    server.write("sys/leases/revoke-prefix/auth/approle")
    assert (await secrets.read("old/mail#password", SHOP)).text == "hunter22"
    await client.close()


async def test_credentials_of_a_database_are_issued_renewed_and_revoked(
    server: Vault, tmp_path: Path
) -> None:
    with postgresql() as postgres, database(postgres) as url:
        server.issue_from(url)
        token = server.token(policies=["issuer", "default"], no_parent=True, period="1h")
        client = client_of(server, {"token_file": kept(token, tmp_path)}, periodic=True)
        issuer = VaultCredentials(client, GRANTS, lambda: datetime.now(UTC))
        reference = issuer.resolve("database/creds/shop#username", SHOP)
        lease = await issuer.issue(reference.path)
        assert _roles(url, lease.values["username"]) == 1
        assert (await issuer.renew(lease)).total_seconds() > 0
        await issuer.revoke(lease)
        assert _roles(url, lease.values["username"]) == 0
        assert not await issuer.renew(lease)
        await issuer.revoke(lease)
        await client.close()


async def test_token_without_a_period_issues_nothing(server: Vault, token_file: Path) -> None:
    client = client_of(server, {"token_file": str(token_file)}, periodic=True)
    with pytest.raises(Rejected, match="has no period"):
        await client.check()
    await client.close()


def _roles(url: str, name: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    assert row is not None
    return int(row[0])
