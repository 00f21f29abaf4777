"""Namespaces, service accounts and Pod Security: whether a namespace takes an object."""

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.admission.standards import violations
from bot.embedded.kubernetes.errors import Cause, forbidden, not_found
from bot.embedded.kubernetes.objects import Object, is_deleting, name_of, namespace_of, rows, table
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource, resource_of


class NamespaceLifecycle(Plugin):
    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        if live is not None or not resource.namespaced:
            return
        namespace = namespace_of(obj)
        value = self._store.get(resource_of("namespaces"), "", namespace)
        if value is None:
            raise not_found(resource_of("namespaces"), namespace)
        if is_deleting(value):
            reason = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause(
                "NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace"
            )
            raise forbidden(resource, name_of(obj), reason, [cause])


_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class PodCompletion(Plugin):
    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        if resource.plural != "pods" or live is not None:
            return
        spec = obj["spec"]
        account = spec.setdefault("serviceAccountName", "default")
        spec["serviceAccount"] = account
        if self._store.get(resource_of("serviceaccounts"), namespace_of(obj), account) is None:
            where = f"{namespace_of(obj)}/{account}"
            reason = f'error looking up service account {where}: serviceaccount "{account}" not found'
            raise forbidden(resource, name_of(obj), reason)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        tolerations = rows(spec, "tolerations")
        for key in _TOLERATED:
            if not any(
                toleration.get("key") in {key, None} and toleration.get("effect") in {"NoExecute", None}
                for toleration in tolerations
            ):
                added = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                tolerations = [*tolerations, added]
        spec["tolerations"] = tolerations


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
        namespace = self._store.get(resource_of("namespaces"), "", namespace_of(obj))
        labels = table(namespace, "metadata", "labels")
        level: str = labels.get(f"{_LABEL}enforce", "")
        version = labels.get(f"{_LABEL}enforce-version", "latest")
        if resource.plural == "pods" and (value := violations(spec, level)):
            raise forbidden(
                resource, name_of(obj), f'violates PodSecurity "{level}:{version}": {", ".join(value)}'
            )
        if resource.plural == "pods" and f"{_LABEL}warn" not in labels:
            return
        # Without a level of its own, the warning about what makes pods follows the enforced one.
        level, version = labels.get(f"{_LABEL}warn", level), labels.get(f"{_LABEL}warn-version", version)
        if value := violations(spec, level):
            write.warnings.append(f'would violate PodSecurity "{level}:{version}": {", ".join(value)}')
