"""Vault in the life of an environment: values that its key-value engines keep."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.kubernetes.vault import Vault, vault
from tests.story.conftest import Scenario, Site, secrets_only
from tests.story.secret_behaviour import (
    Outage,
    Rotation,
    fork_gets_nothing,
    given_and_hidden,
    outage_delays_what_is_new,
    rotated_and_rolled_back,
    stops_before_anything_is_applied,
)
from tests.story.vaults import SEALED, shop_of, vaulted

pytestmark = secrets_only

ORGANIZATION = "vaulted"
VALUE = f"sk_in_vault_{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with vault(tmp_path_factory.mktemp("vault") / "vault") as server:
        server.write("kv/data/preview/stripe", data={"key": VALUE})
        server.write("old/preview/stripe", key=VALUE)
        yield server


@pytest.fixture(scope="module")
async def managed(site: Site, server: Vault, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("managers")
    async with vaulted(site, server, folder, ORGANIZATION, "kv/preview/*", "old/preview/*") as managed:
        yield managed


@pytest.fixture
async def shop(managed: Site) -> AsyncIterator[Scenario]:
    async with shop_of(managed, ORGANIZATION) as shop:
        yield shop


@pytest.mark.parametrize("engine", ["kv", "old"])
async def test_value_is_read_with_the_account_of_the_bot_and_hidden(shop: Scenario, engine: str) -> None:
    await given_and_hidden(shop, f"vault:{engine}/preview/stripe#key", VALUE)


async def test_not_granted_and_missing_stop_the_deployment(shop: Scenario) -> None:
    await stops_before_anything_is_applied(
        shop,
        A="vault:kv/production/stripe#key",
        B="vault:kv/preview/none#key",
        C="vault:kv/preview/stripe#key@9",
    )


async def test_rollback_keeps_what_was_rotated_unless_it_is_pinned(shop: Scenario, server: Vault) -> None:
    name, first, second = f"preview/{secrets.token_hex(3)}", "sk_before_rotation", "sk_after_rotation"

    def put(value: str) -> str:
        written = server.write(f"kv/data/{name}", data={"key": value})
        return str(written["data"]["version"])

    version, reference = put(first), f"vault:kv/{name}#key"
    rotation = Rotation(reference, f"{reference}@{version}", (first, second), lambda _: put(second), version)
    await rotated_and_rolled_back(shop, rotation)


async def test_outage_delays_what_is_new_and_leaves_what_runs(shop: Scenario, server: Vault) -> None:
    outage = Outage(lambda _: server.seal(), lambda _: server.unseal(), SEALED)
    await outage_delays_what_is_new(shop, "vault:kv/preview/stripe#key", VALUE, outage)


async def test_fork_gets_nothing(shop: Scenario) -> None:
    await fork_gets_nothing(shop, "vault:kv/preview/stripe#key", "vault:old/preview/stripe#key")
