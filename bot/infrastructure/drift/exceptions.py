"""What is not drift: fields and objects that the cluster and well-known controllers write. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.config.patterns import any_path_matcher
from bot.infrastructure.drift.fields import Path, path_text

WELL_KNOWN: Sequence[str] = (
    # Kubernetes
    "ConfigMap/kube-root-ca.crt",
    "Secret/default-token-*",
    "*:metadata.finalizers[*kubernetes.io/**]",
    "*:metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
    "*:spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]",
    "Deployment:metadata.annotations[deployment.kubernetes.io/**]",
    "Job:metadata.annotations[batch.kubernetes.io/**]",
    "Job:spec.template.metadata.labels**",
    "Job:spec.selector**",
    "Namespace:metadata.annotations[**]",
    "Namespace:metadata.labels[kubernetes.io/metadata.name]",
    "PersistentVolumeClaim:metadata.annotations[pv.kubernetes.io/**]",
    "PersistentVolumeClaim:metadata.annotations[volume.*kubernetes.io/**]",
    "PersistentVolumeClaim:spec.volumeName",
    # Authorities of certificates
    "ConfigMap/openshift-service-ca.crt",
    "ConfigMap/istio-ca-root-cert",
    "ConfigMap/istio-ca-crl",
    "ConfigMap/linkerd-identity-trust-roots",
    "ConfigMap:metadata.annotations[service.beta.openshift.io/**]",
    "ConfigMap:data[ca-bundle.crt]",
    "ConfigMap:data[service-ca.crt]",
    # Clouds and distributions
    "Service:metadata.annotations[cloud.google.com/**]",
    "Service:metadata.annotations[service.kubernetes.io/**]",
    "*:metadata.annotations[field.cattle.io/**]",
    "*:metadata.annotations[autoscaling.alpha.kubernetes.io/**]",
    "ServiceAccount:secrets**",
    "ServiceAccount:imagePullSecrets[*-dockercfg-*]",
    "ServiceAccount:metadata.annotations[openshift.io/**]",
    "ServiceAccount/builder",
    "ServiceAccount/deployer",
    "Secret/*-dockercfg-*",
    "RoleBinding/system:*",
    "Pod:spec.volumes[kube-api-access-*]",
    "Pod:spec.*ontainers[*].volumeMounts[/var/run/secrets/kubernetes.io/**]",
    # Sidecars and settings that admission webhooks add to pods
    "Pod:spec.containers[istio-proxy]",
    "Pod:spec.initContainers[istio-init]",
    "Pod:spec.initContainers[istio-proxy]",
    "Pod:spec.initContainers[istio-validation]",
    "Pod:spec.containers[linkerd-proxy]",
    "Pod:spec.initContainers[linkerd-init]",
    "Pod:spec.initContainers[linkerd-proxy]",
    "Pod:spec.containers[vault-agent]",
    "Pod:spec.initContainers[vault-agent-init]",
    "Pod:spec.containers[cloud-sql-proxy]",
)
"""Objects as `KIND/NAME`, fields as `KIND:PATH`; `*` matches within a name, `**` also slashes."""


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Rules for what is not drift."""

    rules: Sequence[str] = WELL_KNOWN

    @classmethod
    def with_more(cls, rules: Iterable[str]) -> Exceptions:
        """The well-known ones, and those of the operator."""
        return cls((*WELL_KNOWN, *rules))

    def allow_object(self, kind: str, name: str) -> bool:
        return self._matches(f"{kind}/{name}", is_field=False)

    def allow_field(self, kind: str, path: Path) -> bool:
        """Whether the field, or something that contains it, is excepted."""
        return any(
            self._matches(f"{kind}:{path_text(path[:end])}", is_field=True) for end in range(1, len(path) + 1)
        )

    def _matches(self, text: str, *, is_field: bool) -> bool:
        rules = tuple(rule for rule in self.rules if is_field_rule(rule) is is_field)
        return any_path_matcher(rules).fullmatch(text) is not None


def is_field_rule(rule: str) -> bool:
    """Whether a rule names fields; the name of an object may contain a colon."""
    kind = rule.partition("/")[0]
    return ":" in kind
