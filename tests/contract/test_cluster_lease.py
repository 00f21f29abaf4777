"""The Lease of the active store, under the rights and the policy of deploy/."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import LEASE, ROLE_BINDING
from bot.cluster.lease import StoreLease
from bot.cluster.names import STORE_LEASE
from bot.cluster.rights import STORE_RIGHTS, missing_rights
from bot.embedded.installation import ACCOUNT_NAMESPACE, rights
from bot.environments.activation import LEASE_SECONDS, Holder
from bot.model.errors import Rejected, Unavailable
from bot.model.snapshot import StoreIdentity
from tests.contract.cluster_harness import Harness, eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SECOND = StoreIdentity("first", NOW, 7), StoreIdentity("second", NOW, 1)


@pytest.fixture
async def fresh(harness: Harness) -> AsyncIterator[Harness]:
    await harness.observer.delete(LEASE, STORE_LEASE, ACCOUNT_NAMESPACE)
    yield harness
    await harness.observer.delete(LEASE, STORE_LEASE, ACCOUNT_NAMESPACE)


async def test_shipped_rights_suffice(fresh: Harness) -> None:
    assert await missing_rights(fresh.api, STORE_RIGHTS, ACCOUNT_NAMESPACE) == []


async def test_store_holds_the_lease_until_it_expires(fresh: Harness) -> None:
    first, second = StoreLease(fresh.api), StoreLease(fresh.api)
    assert await first.look(FIRST.id) is None
    await first.take(FIRST)
    held = await second.look(SECOND.id)
    assert held is not None
    assert (held.id, held.token) == ("first", 7)
    assert held.seconds == pytest.approx(LEASE_SECONDS)
    written, seen_at = second._seen
    second._seen = (written, seen_at - LEASE_SECONDS)
    assert await second.look(SECOND.id) == Holder("first", 7, 0)
    await second.take(SECOND)
    lost = await first.look(FIRST.id)
    assert lost is not None
    assert lost.id == "second"
    body = await fresh.observer.get(LEASE, STORE_LEASE, ACCOUNT_NAMESPACE)
    assert body["spec"]["leaseTransitions"] == 2


async def test_replicas_of_a_store_share_the_lease_and_release_ends_it(fresh: Harness) -> None:
    first, two, other = StoreLease(fresh.api), StoreLease(fresh.api), StoreLease(fresh.api)
    await first.look(FIRST.id)
    await first.take(FIRST)
    assert await two.look(FIRST.id) == Holder("first", 7, 0)
    await two.take(FIRST)
    await two.look(FIRST.id)
    await two.take(FIRST, released=True)
    assert await other.look(SECOND.id) == Holder("first", 7, 0)


async def test_only_one_of_two_stores_takes_a_free_lease(fresh: Harness) -> None:
    first, two = StoreLease(fresh.api), StoreLease(fresh.api)
    await first.look(FIRST.id)
    await two.look(SECOND.id)
    await first.take(FIRST)
    with pytest.raises(Unavailable):
        await two.take(SECOND)
    await first.look(FIRST.id)
    await two.look(SECOND.id)
    await first.take(FIRST)
    with pytest.raises(Unavailable):
        await two.take(SECOND)


async def test_missing_right_is_named_with_advice(fresh: Harness) -> None:
    await fresh.observer.delete(ROLE_BINDING, STORE_LEASE, ACCOUNT_NAMESPACE)
    try:

        async def refused() -> bool:
            try:
                async with await connect(fresh.kubeconfig) as api:
                    await StoreLease(api).look(FIRST.id)
            except Rejected as error:
                return "Apply deploy/base/rights.yaml" in str(error)
            return False

        await eventually(refused)
    finally:
        [binding] = [body for body in rights() if body["kind"] == "RoleBinding"]
        await fresh.observer.create(ROLE_BINDING, binding, ACCOUNT_NAMESPACE)
