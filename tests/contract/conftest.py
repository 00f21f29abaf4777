"""The cluster's contract tests run on the embedded API server and on a real control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.cluster_harness import Harness, Running, embedded_kubeconfig, harness_on, running_on


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """An environment's namespace on a cluster without nodes."""
    if request.param == "real":
        async with harness_on(request.getfixturevalue("real_kubeconfig"), None) as made:
            yield made
    else:
        async with (
            embedded_kubeconfig(tmp_path) as (kubeconfig, server),
            harness_on(kubeconfig, server) as made,
        ):
            yield made


@pytest.fixture
async def running(harness: Harness, tmp_path: Path) -> AsyncIterator[Running]:
    """The same, with a node and a gateway."""
    async with running_on(harness, tmp_path) as made:
        yield made
