"""What the operator decides for all environments."""

from __future__ import annotations

from dataclasses import dataclass

from bot.settings import Domain, PodSecurity, Settings


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    gateway_namespace: str
    gateway_name: str
    domain: Domain
    pod_security: PodSecurity = PodSecurity.RESTRICTED
    node_ports: bool = False
    """Whether manifests may ask for Services of type LoadBalancer and NodePort."""
    hosts: tuple[str, ...] = ()
    """Those that stages may have instead of a name of the domain."""
    fork_domain: Domain | None = None
    """Of the previews of forks, where it is another one."""

    @classmethod
    def of(cls, settings: Settings) -> ClusterPolicy:
        return cls(
            gateway_namespace=settings.gateway_namespace,
            gateway_name=settings.gateway_name,
            domain=settings.base_domain,
            hosts=tuple(host for hosts in settings.hosts.values() for host in hosts),
            fork_domain=settings.fork_base_domain,
            pod_security=settings.pod_security,
        )

    def domain_of(self, fork: bool) -> Domain:
        return self.fork_domain if fork and self.fork_domain is not None else self.domain

    @property
    def restricted(self) -> bool:
        return self.pod_security is PodSecurity.RESTRICTED
