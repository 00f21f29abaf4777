"""A claim that pods still use is not deleted under them."""

from bot.embedded.kubernetes.background.work import Pending
from bot.embedded.kubernetes.objects import Object, dig, is_deleting, name_of, namespace_of, rows
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Target, Write
from bot.embedded.kubernetes.registry.strategy import CLAIM_PROTECTION
from bot.embedded.kubernetes.resources import resource_of
from bot.embedded.kubernetes.storage.store import Event

_Key = tuple[str, str]


class ClaimProtection:
    """Takes the protecting finalizer off claims that are being deleted once no running pod mounts them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._claims, self._pods = resource_of("persistentvolumeclaims"), resource_of("pods")
        self._pending: Pending[_Key] = Pending(self._look)
        registry.store.listen(self._seen, self._claims)
        registry.store.listen(self._seen, self._pods)

    def _seen(self, event: Event) -> None:
        names = [name_of(event.obj)] if event.resource is self._claims else _mounted(event.obj)
        for name in names:
            self._pending.add((namespace_of(event.obj), name))

    def _look(self, key: _Key) -> None:
        namespace, name = key
        claim = self._registry.store.get(self._claims, namespace, name)
        if (
            claim is None
            or not is_deleting(claim)
            or CLAIM_PROTECTION not in rows(claim, "metadata", "finalizers")
        ):
            return
        pods = self._registry.store.select(self._pods, namespace)
        if not any(name in _mounted(pod) for pod in pods if _is_running(pod)):
            self._registry.edit(
                Target(self._claims, namespace, name), _unprotected, Write(manager="pvc-protection")
            )


def _mounted(pod: Object) -> list[str]:
    volumes = [dig(volume, "persistentVolumeClaim", "claimName") for volume in rows(pod, "spec", "volumes")]
    return [name for name in volumes if name]


def _is_running(pod: Object) -> bool:
    return bool(dig(pod, "spec", "nodeName")) and dig(pod, "status", "phase") not in {"Succeeded", "Failed"}


def _unprotected(claim: Object) -> Object:
    finalizers = [
        finalizer for finalizer in rows(claim, "metadata", "finalizers") if finalizer != CLAIM_PROTECTION
    ]
    claim["metadata"]["finalizers"] = finalizers
    return claim
