"""What every pod is given: its service account, its priority, its tolerations."""

from __future__ import annotations

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import forbidden
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of, rows
from bot.embedded.kubernetes.resources import Resource, known

_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class PodCompletion(Plugin):
    def admit(self, resource: Resource, obj: Object, live: Object | None) -> None:
        if resource.plural != "pods" or live is not None:
            return
        spec = obj["spec"]
        account = spec.setdefault("serviceAccountName", "default")
        spec["serviceAccount"] = account
        if self._store.get(known("serviceaccounts"), namespace_of(obj), account) is None:
            where = f"{namespace_of(obj)}/{account}"
            why = f'error looking up service account {where}: serviceaccount "{account}" not found'
            raise forbidden(resource, name_of(obj), why)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        tolerations = rows(spec, "tolerations")
        for key in _TOLERATED:
            if not any(
                each.get("key") in {key, None} and each.get("effect") in {"NoExecute", None}
                for each in tolerations
            ):
                added = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                tolerations = [*tolerations, added]
        spec["tolerations"] = tolerations
