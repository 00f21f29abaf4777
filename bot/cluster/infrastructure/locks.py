"""The locks of Terraform states, which are Leases, and the runs that may hold them."""

from __future__ import annotations

import structlog

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import JOB, LEASE, POD
from bot.cluster.infrastructure.objects import STATE
from bot.environments.ports import Fence
from bot.model.errors import Unavailable
from bot.model.infrastructure import DRIFT_SLOT, slot_suffix

log = structlog.get_logger()

_ENDED_PHASES = ("Succeeded", "Failed")
_ENDED = ("Complete", "Failed")


async def release_locks(api: KubernetesApi, namespace: str, fence: Fence) -> None:
    """Releases locks of killed runs, only while no pod exists that could still hold them."""
    leases = (await api.list(LEASE, namespace)).items
    held = [lease for lease in leases if (lease.get("spec") or {}).get("holderIdentity")]
    if not held:
        return
    pods = (await api.list(POD, namespace)).items
    alive = [
        pod["metadata"]["name"] for pod in pods if (pod.get("status") or {}).get("phase") not in _ENDED_PHASES
    ]
    if alive:
        raise Unavailable(f"The Terraform state is locked, and the pod {alive[0]} has not ended.")
    for lease in held:
        metadata = lease["metadata"]
        await fence()
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        await api.delete(LEASE, metadata["name"], namespace, preconditions=preconditions)
        log.warning("stale lock released", namespace=namespace, lease=metadata["name"])


async def require_idle(api: KubernetesApi, namespace: str) -> None:
    """Raises Unavailable while another run is under way, or while someone holds the lock of the state."""
    for job in (await api.list(JOB, namespace)).items:
        conditions = (job.get("status") or {}).get("conditions") or ()
        if not any(item["type"] in _ENDED and item["status"] == "True" for item in conditions):
            raise Unavailable(f"The Terraform run {job['metadata']['name']} has not ended.")
    for lease in (await api.list(LEASE, namespace, fields=f"metadata.name=lock-{STATE}")).items:
        if (lease.get("spec") or {}).get("holderIdentity"):
            raise Unavailable("The Terraform state is locked.")


async def end_comparisons(api: KubernetesApi, namespace: str, fence: Fence) -> None:
    """Deletes the Jobs of comparisons, which hold no lock."""
    for job in (await api.list(JOB, namespace)).items:
        if job["metadata"]["name"].endswith(slot_suffix(DRIFT_SLOT)):
            await fence()
            await api.delete(JOB, job["metadata"]["name"], namespace)
