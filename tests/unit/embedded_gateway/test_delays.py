"""A gateway that follows the cluster late, as real ones do."""

from __future__ import annotations

import httpx
import pytest

from bot.cluster.client.kinds import DEPLOYMENT, POD
from tests.kubernetes.world import eventually
from tests.unit.embedded_gateway.conftest import GatewayHarness

TO_SHOP = {"backendRefs": [{"name": "shop", "port": 80}]}


async def test_accepted_route_carries_traffic_late(harness: GatewayHarness) -> None:
    await harness.shop("shop")
    harness.gateway.delays.route = 4.0
    await harness.route("late", TO_SHOP)
    assert (await harness.request("late")).status_code == 404
    await harness.opened("late")


async def test_request_to_a_pod_that_ended_hangs(harness: GatewayHarness) -> None:
    await harness.shop("shop")
    await harness.route("shop", TO_SHOP)
    await harness.opened("shop")
    harness.gateway.delays.service, harness.gateway.delays.vanished = 4.0, 30.0
    await harness.world.client.delete(DEPLOYMENT, "shop", harness.world.namespace)

    async def gone() -> bool:
        return not (await harness.world.client.list(POD, harness.world.namespace)).items

    await eventually(gone)
    with pytest.raises(httpx.ReadTimeout):
        await harness.request("shop", timeout=0.5)

    async def unavailable() -> bool:
        try:
            return (await harness.request("shop", timeout=0.5)).status_code == 503
        except httpx.ReadTimeout:
            return False

    await eventually(unavailable)
