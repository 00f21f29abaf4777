"""Credentials of a database that Vault issues: they live as long as their environment, and no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from tests.kubernetes.vault import Vault, vault
from tests.postgresql import database, postgresql
from tests.story.conftest import Scenario, Site, eventually, secrets_only
from tests.story.secret_behaviour import (
    fork_gets_nothing,
    hidden,
    injected,
    stops_before_anything_is_applied,
)
from tests.story.secret_samples import digest_of, opened, page_of
from tests.story.vaults import SEALED, shop_of, vaulted

pytestmark = secrets_only

ORGANIZATION = "issued"
ROLES = ("database/creds/shop", "database/creds/brief", "database/creds/none")
CREDENTIALS = b"""
    TOKEN: 'vault-dynamic:database/creds/shop#username',
    PASSWORD: 'vault-dynamic:database/creds/shop#password'
  """


@dataclass(frozen=True)
class Managed:
    """A site whose bot has credentials issued by Vault, for a PostgreSQL server."""

    site: Site
    vault: Vault
    postgres: str

    def users(self) -> set[str]:
        """Those that can log in to the database."""
        with psycopg.connect(self.postgres) as connection:
            return {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin")}


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
        server.issue_from(postgres)
        async with vaulted(site, server, folder, ORGANIZATION, *ROLES) as allowed:
            yield Managed(allowed, server, postgres)


@pytest.fixture
async def shop(managed: Managed) -> AsyncIterator[Scenario]:
    async with shop_of(managed.site, ORGANIZATION) as shop:
        yield shop


async def test_not_granted_stops_the_deployment(shop: Scenario) -> None:
    role = "vault-dynamic:database/creds/production"
    await stops_before_anything_is_applied(shop, A=f"{role}#username", B=f"{role}#password")


async def test_fork_gets_nothing(shop: Scenario, managed: Managed) -> None:
    users = managed.users()
    await fork_gets_nothing(shop, "vault-dynamic:database/creds/shop#username")
    assert managed.users() == users


async def test_credentials_live_as_long_as_the_environment(shop: Scenario, managed: Managed) -> None:
    before = managed.users()
    number = await opened(shop, CREDENTIALS, leaks=True)
    await shop.comment_with(number, "its checks failed", "`leak`")
    [user] = managed.users() - before
    assert (await shop.page(number)).text == digest_of(user)
    await hidden(shop, number, user, await injected(shop, shop.namespace(number), "PASSWORD"))

    await shop.push("spring", {"sentence.txt": b"Summer."})
    await shop.comment_with(number, shop.head(number)[:7], "its checks failed")
    assert managed.users() - before == {user}, "a push issues nothing"

    await shop.close(number)
    await shop.no_namespace()
    assert managed.users() == before, f"{user} can still log in"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("database/creds/none#username", "Vault issues no credentials at database/creds/none"),
        ("database/creds/shop#user", "it has password, username"),
    ],
)
async def test_missing_role_or_field_is_explained(
    shop: Scenario, managed: Managed, reference: str, reason: str
) -> None:
    before = managed.users()
    number = await opened(shop, b"TOKEN: 'vault-dynamic:%s'" % reference.encode())
    await shop.comment_with(number, reason)
    await shop.close(number)
    await shop.no_namespace()
    assert managed.users() == before


async def test_ending_credentials_are_replaced_and_revoked(shop: Scenario, managed: Managed) -> None:
    before = managed.users()
    number = await opened(shop, b"TOKEN: 'vault-dynamic:database/creds/brief#username'")
    await shop.wait_until_ready(number)
    issued = time.monotonic()
    [first] = managed.users() - before
    assert (await shop.page(number)).text == digest_of(first)
    page = await page_of(shop, number, lambda page: page != digest_of(first))
    assert page in {digest_of(user) for user in managed.users() - before}
    await eventually(
        lambda: True if first not in managed.users() else None, lambda: f"{first} can still log in"
    )
    assert time.monotonic() - issued < 60, "Vault itself ended the lease after 70 s"
    await shop.close(number)
    await shop.no_namespace()
    assert managed.users() == before


async def test_outage_delays_issue_and_deletion(shop: Scenario, managed: Managed) -> None:
    before = managed.users()
    await asyncio.to_thread(managed.vault.seal)
    try:
        number = await opened(shop, CREDENTIALS)
        await shop.comment_with(number, SEALED)
    finally:
        await asyncio.to_thread(managed.vault.unseal)
    await shop.wait_until_ready(number)
    [user] = managed.users() - before
    await asyncio.to_thread(managed.vault.seal)
    try:
        await shop.close(number)
        await shop.delivered()
        await asyncio.sleep(5)
        assert shop.namespace(number) in await shop.namespaces(), "it has the ids of the leases"
        assert user in managed.users()
    finally:
        await asyncio.to_thread(managed.vault.unseal)
    await shop.no_namespace()
    assert managed.users() == before
