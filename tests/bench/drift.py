"""Calls of the API server for one comparison of a stage."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD_DISRUPTION_BUDGET
from bot.cluster.drift import COMPARED, KubernetesDrift
from tests.bench.figures import Figures, Goal
from tests.contract.cluster_harness import embedded_kubeconfig, eventually, harness_on
from tests.contract.test_cluster_drift import SCALER_OF_OTHER, Calls, Deployed

_KINDS = len(COMPARED) + 1
"""The namespace is read as well."""
_CHANGES = (
    (DEPLOYMENT, {"spec": {"replicas": 5}}),
    (HORIZONTAL_POD_AUTOSCALER, {"spec": {"maxReplicas": 30}}),
    (POD_DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 2}}),
)


async def bench() -> Figures:
    figures = Figures("Calls for one comparison of a stage", ("changed objects", "reads", "dry runs"))
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded_kubeconfig(Path(folder)) as (kubeconfig, server),
            harness_on(kubeconfig, server) as harness,
        ):
            calls = Calls()
            async with await connect(harness.kubeconfig, calls) as api:
                client = KubernetesDrift(api, harness.namespaces)
                deployed = await Deployed.of(harness, client, calls, SCALER_OF_OTHER)
                most = await _measure(deployed, figures)
    figures.goals.append(Goal("calls beyond one per kind and one per changed object", most, 0))
    return figures


async def _measure(deployed: Deployed, figures: Figures) -> float:
    """The most calls above one per kind and one per changed object."""

    async def unchanged() -> bool:
        """Controllers change annotations until they have seen all objects."""
        deployed.calls.writes = 0
        await deployed.findings()
        return deployed.calls.writes == 0

    await eventually(unchanged)
    excess = 0.0
    for count in range(len(_CHANGES) + 1):
        if count:
            kind, patch = _CHANGES[count - 1]
            await deployed.harness.observer.patch(kind, "shop", patch, deployed.harness.namespace)
        deployed.calls.reads = deployed.calls.writes = 0
        assert len(await deployed.findings()) == count
        reads, writes = deployed.calls.reads, deployed.calls.writes
        figures.rows.append((str(count), str(reads), str(writes)))
        excess = max(excess, reads + writes - _KINDS - count)
    return excess
