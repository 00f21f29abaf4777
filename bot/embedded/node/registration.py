"""The Node object: what the cluster knows of this node, and that it is alive."""

import asyncio
import logging
import os
import platform
from datetime import UTC, datetime

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import LEASE, NODE
from bot.embedded.node.status import now
from bot.model.errors import Unavailable

log = logging.getLogger(__name__)

LEASE_SECONDS = 40
_RENEW_SECONDS = 10
_LEASE_NAMESPACE = "kube-node-lease"
_MOST_PODS = 250


def node_object(name: str) -> Object:
    """The node as it is registered. Pure but for the machine's name."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64"),
        "greenroom.dev/node": name,
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def node_status(name: str, port: int) -> Object:
    """Its status while it runs; `port` is where it serves logs."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    room = {"cpu": str(os.cpu_count() or 1), "memory": f"{pages}Ki", "pods": str(_MOST_PODS)}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [ready],
        "addresses": addresses,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }


async def register(client: KubernetesApi, name: str, port: int) -> Object:
    """Make the Node, or take it over, and call it ready; the object as it is then."""
    try:
        await client.create(NODE, node_object(name))
    except Refused as error:
        if not error.already_exists:
            raise
    return await client.patch_status(NODE, name, node_status(name, port))


async def keep_alive(client: KubernetesApi, name: str) -> None:
    """Renew the node's lease until cancelled. A cluster without the namespace for leases needs none."""
    while True:
        try:
            await _renew(client, name)
        except Refused as error:
            if error.not_found:
                return
        except Unavailable as error:
            log.debug("lease of %s: %s", name, error)
        await asyncio.sleep(_RENEW_SECONDS)


async def _renew(client: KubernetesApi, name: str) -> None:
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": _LEASE_NAMESPACE},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": time},
    }
    try:
        await client.patch(LEASE, name, {"spec": lease["spec"]}, _LEASE_NAMESPACE)
    except Refused as error:
        if not error.not_found:
            raise
        await client.create(LEASE, lease)
