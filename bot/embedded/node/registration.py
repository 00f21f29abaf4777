"""The Node object: what the cluster knows of this node, and that it is alive."""

import asyncio
import os
import platform
from datetime import UTC, datetime

import httpx

from bot.embedded.client import ApiError, Client, Object
from bot.embedded.client.resources import LEASES, NODES
from bot.embedded.node.status import now

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


async def register(client: Client, name: str, port: int) -> Object:
    """Make the Node, or take it over, and call it ready; the object as it is then."""
    try:
        await client.create(NODES, node_object(name))
    except ApiError as error:
        if not error.exists:
            raise
    return await client.patch_status(NODES, name, node_status(name, port))


async def keep_alive(client: Client, name: str) -> None:
    """Renew the node's lease until cancelled. A cluster without the namespace for leases needs none."""
    while True:
        try:
            await _renew(client, name)
        except (ApiError, httpx.TransportError) as error:
            if isinstance(error, ApiError) and error.not_found:
                return
        await asyncio.sleep(_RENEW_SECONDS)


async def _renew(client: Client, name: str) -> None:
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": _LEASE_NAMESPACE},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": time},
    }
    try:
        await client.patch(LEASES, name, {"spec": lease["spec"]}, _LEASE_NAMESPACE)
    except ApiError as error:
        if not error.not_found:
            raise
        await client.create(LEASES, lease)
