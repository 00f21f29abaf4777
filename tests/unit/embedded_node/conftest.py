"""Every test here runs on the embedded API server and, where it is marked so, on the real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cluster.client.connection import connect
from tests.kubernetes.world import World, embedded_cluster
from tests.kubernetes.world import world as make_world


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "real":
        kubeconfig = request.getfixturevalue("real_kubeconfig")
        async with (
            await connect(kubeconfig, user_agent="test") as client,
            make_world(client, tmp_path) as made,
        ):
            yield made
    else:
        async with embedded_cluster(tmp_path) as client, make_world(client, tmp_path) as made:
            yield made
