"""A small, faithful Kubernetes API server over HTTP, in memory."""

from bot.embedded.kubernetes.access import Denial
from bot.embedded.kubernetes.faults import Fault
from bot.embedded.kubernetes.server import KubernetesServer

__all__ = ["Denial", "Fault", "KubernetesServer"]
