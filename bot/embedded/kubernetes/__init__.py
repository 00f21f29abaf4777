"""A small, faithful Kubernetes API server over HTTP, in memory."""

from bot.embedded.kubernetes.server import KubernetesServer, serve

__all__ = ["KubernetesServer", "serve"]
