"""Notices of removed repositories, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from bot.model.delivery import (
    Delivery,
    PullRequestHint,
    RemovalNotice,
    RepositoryRemoved,
    ResyncRequested,
    WebhookEffect,
)
from bot.model.repository import Repository
from bot.store import Store
from tests.contract.shop import FIRST, SHOP
from tests.stores import ManualClock

TAKEN_OUT = RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was taken out.")
UNINSTALLED = RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled.")
MOVED = Repository(SHOP.id, 21, "elsewhere", "shop")


async def deliver(store: Store, clock: ManualClock, ask: WebhookEffect) -> None:
    guid = f"{ask}{clock()}"
    await store.deliveries.record(Delivery(guid, "repository", "", clock(), SHOP), [ask])
    clock.advance(60)


async def test_removal_keeps_the_time_of_the_first_notice(store: Store, clock: ManualClock) -> None:
    noticed_at = clock()
    await deliver(store, clock, TAKEN_OUT)
    await deliver(store, clock, TAKEN_OUT)
    assert await store.environments.removal(SHOP, clock()) == RemovalNotice(TAKEN_OUT.reason, noticed_at)
    assert await store.environments.removal(SHOP, noticed_at) is None
    assert await store.environments.removal(MOVED, clock()) is None


async def test_removal_of_the_app_covers_all_repositories(store: Store, clock: ManualClock) -> None:
    await store.deliveries.apply_hints([PullRequestHint(SHOP, 7, FIRST, True)])
    await store.deliveries.apply_hints(
        [PullRequestHint(Repository(11, 22, "others", "tools"), 1, FIRST, True)]
    )
    await deliver(store, clock, UNINSTALLED)
    result = await store.environments.find(lost_before=clock())
    assert [item.repository for item in result] == [SHOP]
    assert await store.environments.find(lost_before=clock() - timedelta(hours=1)) == []
    loss = await store.environments.removal(SHOP, clock())
    assert loss is not None
    assert loss.reason == UNINSTALLED.reason


async def test_removal_is_revoked_by_a_later_delivery(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, TAKEN_OUT)
    await deliver(store, clock, ResyncRequested(MOVED))
    assert await store.environments.removal(SHOP, clock()) is not None
    await deliver(store, clock, ResyncRequested(SHOP))
    assert await store.environments.removal(SHOP, clock()) is None


async def test_old_removals_are_purged(store: Store, clock: ManualClock) -> None:
    await deliver(store, clock, TAKEN_OUT)
    await store.deliveries.purge(clock())
    assert await store.environments.removal(SHOP, clock()) is None
