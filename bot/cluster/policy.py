"""What the operator decides for all environments."""

from __future__ import annotations

from dataclasses import dataclass

from bot.settings import Domain, PodSecurity


@dataclass(frozen=True, slots=True)
class Policy:
    gateway_namespace: str
    gateway_name: str
    domain: Domain
    pod_security: PodSecurity = PodSecurity.RESTRICTED
    node_ports: bool = False
    """Whether manifests may ask for Services of type LoadBalancer and NodePort."""

    @property
    def restricted(self) -> bool:
        return self.pod_security is PodSecurity.RESTRICTED
