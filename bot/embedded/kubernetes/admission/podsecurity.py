"""Pod Security: namespaces that enforce the baseline or the restricted standard."""

from __future__ import annotations

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.admission.standards import violations
from bot.embedded.kubernetes.errors import forbidden
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of, table
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource, known

_LABEL = "pod-security.kubernetes.io/"
_TEMPLATES = frozenset({"deployments", "replicasets", "statefulsets", "jobs"})


class PodSecurity(Plugin):
    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        """Pods are refused or warned about; of the kinds that make pods, a client is only warned."""
        if resource.plural == "pods" and live is None:
            spec = table(obj, "spec")
        elif resource.plural in _TEMPLATES:
            spec = table(obj, "spec", "template", "spec")
        else:
            return
        namespace = self._store.get(known("namespaces"), "", namespace_of(obj))
        labels = table(namespace, "metadata", "labels")
        level: str = labels.get(f"{_LABEL}enforce", "")
        version = labels.get(f"{_LABEL}enforce-version", "latest")
        if resource.plural == "pods" and (found := violations(spec, level)):
            raise forbidden(
                resource, name_of(obj), f'violates PodSecurity "{level}:{version}": {", ".join(found)}'
            )
        if resource.plural == "pods" and f"{_LABEL}warn" not in labels:
            return
        # Without a level of its own, the warning about what makes pods follows the enforced one.
        level, version = labels.get(f"{_LABEL}warn", level), labels.get(f"{_LABEL}warn-version", version)
        if found := violations(spec, level):
            write.warnings.append(f'would violate PodSecurity "{level}:{version}": {", ".join(found)}')
