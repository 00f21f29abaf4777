"""The operator's settings that apply to objects of all environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.model.repository import Repository
from bot.settings import CustomKind, Domain, GatewaySource, ManifestSettings, PodSecurity

EXTERNAL_SECRET = CustomKind("externalsecrets", "external-secrets.io", "v1", "ExternalSecret")
SECRET_PROVIDER_CLASS = CustomKind(
    "secretproviderclasses", "secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass"
)
CSI = "csi"
"""The way of GREENROOM_RUNTIME_SECRETS that needs objects of this kind."""


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    gateway_namespace: str
    gateway_name: str
    domain: Domain
    pod_security: PodSecurity = PodSecurity.BASELINE
    hosts: tuple[str, ...] = ()
    """Hosts outside of the domain that stages may use."""
    fork_domain: Domain | None = None
    """Domain of previews of forks; None when it is the same."""
    allowed_annotations: tuple[str, ...] = ()
    """Keys of labels and annotations besides the harmless ones; prefixes end with `/`."""
    allowed_fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Allowed values by `TYPE.FIELD`, for fields that are otherwise removed or refused; empty for any."""
    allowed_kinds: tuple[CustomKind, ...] = ()
    """Kinds of the operator's cluster besides those of Kubernetes."""
    allowed_storage_classes: tuple[str, ...] = ()
    allowed_networks: tuple[str, ...] = ()
    """Private networks that NetworkPolicies in manifests may open."""
    gateway_pods: tuple[GatewaySource, ...] = ()
    """Where the gateway's requests come from; empty for the namespace of the Gateway."""
    egress_networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Private networks by repository or `OWNER/*`, in lower case."""
    pull_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The operator's Secrets as `NAMESPACE/NAME`, by repository or `OWNER/*`, in lower case."""
    withheld_pull_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Those that an environment of a fork would have, and does not get."""
    secret_stores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """ClusterSecretStores by repository or `OWNER/*`, in lower case."""
    runtime_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """How applications may read secrets themselves, by repository or `OWNER/*`, in lower case."""
    allowed_resources: Mapping[str, str] = field(default_factory=dict)
    """Extended resources, such as GPUs, with their quota for one environment."""
    longest_grace_seconds: int = 300
    for_fork: bool = False
    """Whether the environment runs code of a fork."""

    @classmethod
    def of(cls, settings: ManifestSettings) -> ClusterPolicy:
        return cls(
            gateway_namespace=settings.gateway_namespace,
            gateway_name=settings.gateway_name,
            domain=settings.base_domain,
            hosts=tuple(host for hosts in settings.hosts.values() for host in hosts),
            fork_domain=settings.fork_base_domain,
            pod_security=settings.pod_security,
            allowed_annotations=settings.allowed_annotations,
            allowed_fields=settings.allowed_fields,
            allowed_kinds=_kinds(settings),
            allowed_storage_classes=settings.allowed_storage_classes,
            allowed_networks=settings.allowed_networks,
            gateway_pods=settings.gateway_pods,
            egress_networks=settings.egress_networks,
            pull_secrets=settings.pull_secrets,
            secret_stores=settings.secret_stores,
            runtime_secrets=settings.runtime_secrets,
            allowed_resources=settings.allowed_resources,
            longest_grace_seconds=int(settings.longest_grace_period.total_seconds()),
        )

    def within(self, fork: bool) -> ClusterPolicy:
        """The policy for an environment.

        Code of a fork is always restricted, and gets neither private networks nor credentials for registries.
        """
        if not fork:
            return self
        return replace(
            self,
            pod_security=PodSecurity.RESTRICTED,
            allowed_networks=(),
            egress_networks={},
            pull_secrets={},
            secret_stores={},
            runtime_secrets={},
            withheld_pull_secrets=self.pull_secrets,
            for_fork=True,
        )

    def networks_of(self, repository: Repository) -> tuple[str, ...]:
        """The private networks that environments of the repository may reach."""
        return granted(self.egress_networks, repository)

    def pull_secrets_of(self, repository: Repository) -> tuple[str, ...]:
        """The operator's Secrets with which environments of the repository pull images."""
        return granted(self.pull_secrets, repository)

    def stores_of(self, repository: Repository) -> tuple[str, ...]:
        """The ClusterSecretStores from which environments of the repository may read."""
        return granted(self.secret_stores, repository)

    @property
    def all_stores(self) -> tuple[str, ...]:
        """The ClusterSecretStores that any repository may read from."""
        return tuple(sorted({name for names in self.secret_stores.values() for name in names}))

    def runtime_of(self, repository: Repository) -> tuple[str, ...]:
        """How applications of the repository may read secrets themselves."""
        return granted(self.runtime_secrets, repository)

    def withholds_pull_secrets(self, repository: Repository) -> bool:
        """Whether environments of the repository get none because they are of a fork."""
        return bool(granted(self.withheld_pull_secrets, repository))

    @property
    def gateway_sources(self) -> tuple[GatewaySource, ...]:
        return self.gateway_pods or (GatewaySource(self.gateway_namespace),)

    def domain_of(self, fork: bool) -> Domain:
        return self.fork_domain if fork and self.fork_domain is not None else self.domain

    @property
    def restricted(self) -> bool:
        return self.pod_security is PodSecurity.RESTRICTED


def _kinds(settings: ManifestSettings) -> tuple[CustomKind, ...]:
    """The operator's kinds, with those that other settings need.

    Greenroom makes ExternalSecrets where a store is granted, and volumes of the Secrets Store CSI driver need
    a SecretProviderClass.
    """
    needed = {
        EXTERNAL_SECRET: bool(settings.secret_stores),
        SECRET_PROVIDER_CLASS: any(CSI in ways for ways in settings.runtime_secrets.values()),
    }
    added = [kind for kind, is_needed in needed.items() if is_needed and kind not in settings.allowed_kinds]
    return (*settings.allowed_kinds, *added)


def granted(grants: Mapping[str, tuple[str, ...]], repository: Repository) -> tuple[str, ...]:
    """What the repository and its owner are granted, without repetitions."""
    names = (repository.full_name.lower(), f"{repository.owner.lower()}/*")
    return tuple(dict.fromkeys(value for name in names for value in grants.get(name, ())))
