"""Vault in the life of an environment: values that its key-value engines keep."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.kubernetes.vault import Vault, vault
from tests.story.conftest import Scenario, Site, secrets_only
from tests.story.secret_behaviour import (
    KEPT_SECONDS,
    Affected,
    Outage,
    Rotation,
    fork_gets_nothing,
    given_and_hidden,
    outage_delays_what_is_new,
    rotated_and_rolled_back,
    stops_before_anything_is_applied,
    together,
)
from tests.story.secret_samples import digest_of, opened
from tests.story.vaults import READS, SEALED, shop_of, vaulted

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


@pytest.fixture
async def other(managed: Site) -> AsyncIterator[Scenario]:
    async with shop_of(managed, ORGANIZATION) as shop:
        yield shop


async def test_value_is_read_with_the_account_of_the_bot_and_hidden(shop: Scenario) -> None:
    await given_and_hidden(shop, "vault:kv/preview/stripe#key", VALUE)


async def test_not_granted_and_missing_stop_the_deployment(shop: Scenario) -> None:
    await stops_before_anything_is_applied(
        shop,
        A="vault:kv/production/stripe#key",
        B="vault:kv/preview/none#key",
        C="vault:kv/preview/stripe#key@9",
        D="vault:old/production/stripe#key",
        E="vault:old/preview/none#key",
        F="vault:old/preview/stripe#key@1",
    )


async def test_rollback_keeps_what_was_rotated_unless_it_is_pinned(
    shop: Scenario, other: Scenario, server: Vault
) -> None:
    name, values = f"preview/{secrets.token_hex(3)}", ("sk_before_rotation", "sk_after_rotation")
    versioned, plain = f"vault:kv/{name}#key", f"vault:old/{name}#key"

    def put(value: str) -> str:
        return str(server.write(f"kv/data/{name}", data={"key": value})["data"]["version"])

    def put_plain(value: str) -> str:
        server.write(f"old/{name}", key=value)
        return ""  # the engine counts no versions

    version = put(values[0])
    put_plain(values[0])
    pinned = f"{versioned}@{version}"
    await together(
        rotated_and_rolled_back(shop, Rotation(versioned, pinned, values, lambda _: put(values[1]), version)),
        rotated_and_rolled_back(other, Rotation(plain, "", values, lambda _: put_plain(values[1]))),
    )


async def test_outage_delays_what_is_new_and_leaves_what_runs(
    shop: Scenario, other: Scenario, server: Vault
) -> None:
    await outage_delays_what_is_new(
        Outage(lambda _: server.seal(), lambda _: server.unseal()),
        VALUE,
        Affected(shop, "vault:kv/preview/stripe#key", SEALED),
        Affected(other, "vault:old/preview/stripe#key", SEALED),
    )


async def test_lost_permission_stops_what_is_new_and_leaves_what_runs_and_other_engines(
    shop: Scenario, other: Scenario, server: Vault
) -> None:
    number = await opened(shop, b"TOKEN: 'vault:kv/preview/stripe#key'")
    await shop.wait_until_ready(number)
    server.policy("greenroom", "read old/preview/*")
    try:
        await asyncio.sleep(KEPT_SECONDS)
        await shop.push("spring", {"sentence.txt": b"Summer."})
        await shop.comment_with(number, shop.head(number)[:7], "its policy needs `read` on this path")
        assert (await shop.page(number)).text == digest_of(VALUE)
        await given_and_hidden(other, "vault:old/preview/stripe#key", VALUE)
    finally:
        server.policy("greenroom", *READS)
    await shop.push("spring", {"sentence.txt": b"Autumn."})
    await shop.wait_until_ready(number)


async def test_fork_gets_nothing(shop: Scenario) -> None:
    await fork_gets_nothing(shop, "vault:kv/preview/stripe#key", "vault:old/preview/stripe#key")
