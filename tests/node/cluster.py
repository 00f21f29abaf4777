"""A real one-node Kubernetes with containers, DNS, NetworkPolicy, a registry, metrics-server and Traefik."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bot.embedded.world import NodeCluster
from tests.node.base_layer import base_layer
from tests.node.registry import NodeRegistry

_SCRIPTS = Path(__file__).parent / "scripts"
_NAMESPACE = Path("/run/netns/greenroom-node")
ADDRESS = "10.213.0.1"
_GATEWAY_ADDRESS = "10.214.0.80:18080"
_GATEWAY_METRICS = "http://10.214.0.80:9100/metrics"
"""For a bot outside of pods, which cannot resolve the headless Service. There is one pod."""
_GATEWAY_PODS = "traefik/app=traefik"
_REGISTRY = f"{ADDRESS}:25000"


@contextlib.contextmanager
def node_cluster() -> Iterator[NodeCluster]:
    """Starts the cluster, and removes it at the end. The process must be in its network namespace."""
    if not _NAMESPACE.exists() or not _NAMESPACE.samefile("/proc/self/ns/net"):
        raise RuntimeError("Tests on the node run in its network namespace: use make test-node.")
    layer = base_layer()
    subprocess.run([_SCRIPTS / "down"], check=True)  # what a killed run left
    try:
        up = subprocess.run([_SCRIPTS / "up"], check=True, text=True, stdout=subprocess.PIPE)
        kubeconfig = Path(up.stdout.strip())
        registry = NodeRegistry(_REGISTRY, kubeconfig.with_name("ca.crt"))
        yield NodeCluster(
            kubeconfig, ADDRESS, _GATEWAY_ADDRESS, _GATEWAY_METRICS, _GATEWAY_PODS, registry, layer
        )
    finally:
        subprocess.run([_SCRIPTS / "down", "--keep-logs"], check=True)
