"""Vault in the life of an environment: a login by an account, an outage, and credentials of a database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.kubernetes.vault import Vault, vault
from tests.postgresql import database, postgresql
from tests.story.conftest import Scenario, Site, eventually, operated, organize, secrets_only
from tests.story.disclosure import assert_never_shown
from tests.story.operators import Administrator
from tests.story.secret_samples import digest_of, files, opened

pytestmark = secrets_only

MISSING = b"TOKEN: 'vault:kv/production/stripe#key', OTHER: 'vault:kv/preview/none#key'"
CREDENTIALS = b"""
    TOKEN: 'vault-dynamic:database/creds/shop#username',
    PASSWORD: 'vault-dynamic:database/creds/shop#password'
  """
VALUE = f"sk_in_vault_{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Managed:
    """A site whose bot reads from Vault, which issues credentials of a PostgreSQL server."""

    site: Site
    vault: Vault
    postgres: str

    def users(self) -> list[str]:
        with psycopg.connect(self.postgres) as connection:
            return [name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin")]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgresql() as server, database(server) as url:
        yield url


@pytest.fixture(scope="module")
async def managed(
    site: Site, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Managed]:
    folder = tmp_path_factory.mktemp("managers")
    with vault(folder / "vault") as server:
        server.policy("greenroom", "read kv/data/preview/*")
        server.policy("issuer", "read database/creds/shop", "update sys/leases/revoke")
        server.write("kv/data/preview/stripe", data={"key": VALUE})
        server.issue_from(postgres)
        managers = accounts(Administrator(site), server, folder)
        await asyncio.to_thread(organize, site.world, "vaulted")
        async with operated(
            site, GREENROOM_SECRETS_MANAGERS=str(managers), GREENROOM_SECRETS_INTERVAL="3s"
        ) as allowed:
            yield Managed(allowed, server, postgres)


def accounts(administrator: Administrator, server: Vault, folder: Path) -> Path:
    """The login of the bot's ServiceAccount and its periodic token; returns the file of the managers."""
    administrator.kubectl("create", "serviceaccount", "reviewer", "--namespace=default")
    role = ("--clusterrole=system:auth-delegator", "--serviceaccount=default:reviewer")
    administrator.kubectl("create", "clusterrolebinding", "reviewer", *role)
    reviewer = administrator.kubectl("create", "token", "reviewer", "--namespace=default", "--duration=1h")
    cluster = yaml.safe_load(Path(administrator.kubeconfig).read_text())["clusters"][0]["cluster"]
    server.write("sys/auth/kubernetes", type="vault-plugin-auth-kubernetes")
    server.write(
        "auth/kubernetes/config",
        kubernetes_host=cluster["server"],
        kubernetes_ca_cert=Path(cluster["certificate-authority"]).read_text(),
        token_reviewer_jwt=reviewer,
        disable_local_ca_jwt=True,
    )
    server.write(
        "auth/kubernetes/role/greenroom",
        bound_service_account_names=["greenroom"],
        bound_service_account_namespaces=["greenroom"],
        audience="vault",
        token_policies=["greenroom"],
    )
    token = administrator.kubectl("create", "token", "greenroom", "--namespace=greenroom", "--audience=vault")
    (folder / "account").write_text(token)
    (folder / "issuer").write_text(server.token(policies=["issuer", "default"], no_parent=True, period="1h"))
    login = {"role": "greenroom", "token_file": str(folder / "account")}
    settings = {
        "address": server.address,
        "auth": {"kubernetes": login},
        "dynamic_token_file": str(folder / "issuer"),
        "grants": {"kv/preview/*": "vaulted/*", "database/creds/shop": "vaulted/*"},
    }
    file = folder / "managers.yaml"
    file.write_text(yaml.safe_dump({"vault": settings}))
    return file


@pytest.fixture
async def shop(managed: Managed) -> AsyncIterator[Scenario]:
    scenario = Scenario(managed.site, f"vaulted/shop-{secrets.token_hex(3)}")
    yield scenario
    await scenario.end()


async def test_value_is_read_with_the_account_of_the_bot_and_hidden(shop: Scenario) -> None:
    number = await opened(shop, b"TOKEN: 'vault:kv/preview/stripe#key'", leaks=True)
    await shop.comment_with(number, "its checks failed", "`leak`")
    assert (await shop.page(number)).text == digest_of(VALUE)
    [shown] = shop.github.checks.runs(shop.repository, name="greenroom/leak")
    assert "refused: [hidden]" in str(shown.output.text)
    await assert_never_shown(shop, number, VALUE)


async def test_not_granted_and_missing_stop_the_deployment(shop: Scenario) -> None:
    number = await opened(shop, MISSING)
    await shop.comment_with(number, "secrets `OTHER`, `TOKEN` are unavailable")
    assert await shop.namespaces() == []


async def test_outage_delays_what_is_new_and_leaves_what_runs(shop: Scenario, managed: Managed) -> None:
    number = await opened(shop, b"TOKEN: 'vault:kv/preview/stripe#key'")
    await shop.wait_until_ready(number)
    await asyncio.to_thread(managed.vault.seal)
    try:
        await asyncio.sleep(11)  # a value is kept for ten seconds
        await shop.push("spring", {"sentence.txt": b"Summer."})
        await shop.comment_with(number, shop.head(number)[:7], "is sealed or in standby")
        assert (await shop.page(number)).text == digest_of(VALUE)
    finally:
        await asyncio.to_thread(managed.vault.unseal)
    await shop.wait_until_ready(number)


async def test_credentials_live_as_long_as_the_environment(shop: Scenario, managed: Managed) -> None:
    before = set(managed.users())
    number = await opened(shop, CREDENTIALS, leaks=True)
    await shop.comment_with(number, "its checks failed", "`leak`")
    [user] = set(managed.users()) - before
    assert (await shop.page(number)).text == digest_of(user)
    await assert_never_shown(shop, number, user)

    await shop.push("spring", {"sentence.txt": b"Summer."})
    await shop.comment_with(number, shop.head(number)[:7], "its checks failed")
    assert set(managed.users()) - before == {user}, "a push issues nothing"

    await shop.close(number)
    await shop.no_namespace()
    await eventually(
        lambda: True if set(managed.users()) == before else None, lambda: f"{user} can still log in"
    )


async def test_fork_gets_nothing(shop: Scenario, managed: Managed) -> None:
    users = managed.users()
    await shop.create(files(shop, b"TOKEN: 'vault-dynamic:database/creds/shop#username'"))
    number = await shop.fork({"sentence.txt": b"M"})
    await shop.comment_with(number, "This pull request has no preview")
    await shop.world.builder.build(shop.repository, shop.head(number), files(shop, b""))
    await shop.comment(number, "/preview")
    await shop.comment_with(number, "A fork gets no secrets", "is ready")
    assert (await shop.page(number)).text == digest_of("")
    assert managed.users() == users
