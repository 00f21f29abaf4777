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
    fork_domain: Domain | None = None
    """Of the previews of forks, where it is another one."""

    def domain_of(self, fork: bool) -> Domain:
        return self.fork_domain if fork and self.fork_domain is not None else self.domain

    @property
    def restricted(self) -> bool:
        return self.pod_security is PodSecurity.RESTRICTED
