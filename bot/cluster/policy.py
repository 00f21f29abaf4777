"""What the operator decides for all environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bot.settings import Domain, PodSecurity

_QUOTA = MappingProxyType(
    {
        "requests.cpu": "4",
        "requests.memory": "8Gi",
        "requests.storage": "20Gi",
        "pods": "40",
        "persistentvolumeclaims": "10",
        "count/jobs.batch": "60",
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    gateway_namespace: str
    gateway_name: str
    domain: Domain
    pod_security: PodSecurity = PodSecurity.RESTRICTED
    node_ports: bool = False
    """Whether manifests may ask for Services of type LoadBalancer and NodePort."""
    quota: Mapping[str, str] = field(default_factory=lambda: _QUOTA)
    """Hard limits of each namespace's ResourceQuota.

    Only of what is made when the quota has long been counted: Kubernetes refuses the rest until then.
    """

    @property
    def restricted(self) -> bool:
        return self.pod_security is PodSecurity.RESTRICTED
