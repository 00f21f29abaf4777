"""The operator's settings that apply to objects of all environments."""

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
    """Whether manifests may contain Services of type LoadBalancer and NodePort."""
    hosts: tuple[str, ...] = ()
    """Hosts outside of the domain that stages may use."""
    fork_domain: Domain | None = None
    """Domain of previews of forks; None when it is the same."""

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
