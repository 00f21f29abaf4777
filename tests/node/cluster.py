"""A real one-node Kubernetes with containers, CoreDNS, NetworkPolicy and Traefik."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bot.embedded.world import NodeCluster
from tests.node.base_layer import base_layer

_SCRIPTS = Path(__file__).parent / "scripts"
_NAMESPACE = Path("/run/netns/greenroom-node")
_GATEWAY_PORT = 18080


@contextlib.contextmanager
def node_cluster() -> Iterator[NodeCluster]:
    """Starts the cluster, and removes it at the end. The process must be in its network namespace."""
    if not _NAMESPACE.exists() or not _NAMESPACE.samefile("/proc/self/ns/net"):
        raise RuntimeError("Tests on the node run in its network namespace: use make test-node.")
    layer = base_layer()
    subprocess.run([_SCRIPTS / "down"], check=True)  # what a killed run left
    try:
        up = subprocess.run([_SCRIPTS / "up"], check=True, text=True, stdout=subprocess.PIPE)
        yield NodeCluster(Path(up.stdout.strip()), _GATEWAY_PORT, layer)
    finally:
        subprocess.run([_SCRIPTS / "down", "--keep-logs"], check=True)
