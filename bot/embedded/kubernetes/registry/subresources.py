"""Scale, binding and deletion of collections."""

from typing import Any

from bot.embedded.kubernetes.errors import ApiError, Cause, bad_request, conflict, invalid
from bot.embedded.kubernetes.objects import Object, dig, name_of, namespace_of, rows, table, timestamp, uid_of
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Deletion, Target, Write
from bot.embedded.kubernetes.resources import Resource, resource_of

_BINDING = Resource("", "v1", "pods/binding", "Binding")
_SCALE = Resource("autoscaling", "v1", "Scale", "Scale")


def scale_of(obj: Object) -> Object:
    """autoscaling/v1 Scale of a workload."""
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = table(obj, "spec", "selector", "matchLabels")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in names if name in obj["metadata"]},
        "spec": {"replicas": replicas} if (replicas := dig(obj, "spec", "replicas")) else {},
        "status": {
            "replicas": dig(obj, "status", "replicas") or 0,
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def set_scale(registry: Registry, target: Target, scale: Any, write: Write) -> Object:
    """Give a workload the replicas of a Scale; returns its new Scale."""
    replicas = dig(scale, "spec", "replicas") or 0
    if not isinstance(replicas, int) or replicas < 0:
        cause = Cause(
            "FieldValueInvalid",
            f"Invalid value: {replicas}: must be greater than or equal to 0",
            "spec.replicas",
        )
        raise invalid(target.resource, target.name, [cause])
    version = dig(scale, "metadata", "resourceVersion")

    def edit(obj: Object) -> Object:
        obj["spec"]["replicas"] = replicas
        if version:
            obj["metadata"]["resourceVersion"] = version
        return obj

    return scale_of(registry.edit(target, edit, write))


def bind(registry: Registry, target: Target, binding: Any, write: Write) -> None:
    """Put a pod on the node that a Binding names."""
    node = dig(binding, "target", "name")
    if not node:
        raise ApiError(500, "", "target.name: Required value")
    pods = resource_of("pods")
    pod = registry.get(Target(pods, target.namespace, target.name))
    current = dig(pod, "spec", "nodeName")
    if pod["metadata"].get("deletionTimestamp"):
        raise conflict(
            _BINDING, target.name, f"pod {target.name} is being deleted, cannot be assigned to a host"
        )
    if current:
        raise conflict(_BINDING, target.name, f'pod {target.name} is already assigned to node "{current}"')
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": timestamp(registry.clock()),
    }
    status = dict(pod.get("status") or {})
    others = [condition for condition in rows(status, "conditions") if condition["type"] != "PodScheduled"]
    status["conditions"] = [*others, scheduled]
    if not write.dry_run:
        registry.store.put(pods, {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status})


def finalize(registry: Registry, target: Target, body: Any) -> Object:
    """Replace the finalizers in a namespace's spec; without any left it goes."""
    live = registry.get(Target(target.resource, "", target.name))
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type Namespace)")
    uid = dig(body, "metadata", "uid")
    if uid and uid != uid_of(live):
        raise conflict(target.resource, target.name, "the object has been replaced")
    finalizers = rows(body, "spec", "finalizers")
    spec = {**live["spec"], "finalizers": finalizers} if finalizers else {}
    changed = {**live, "spec": spec}
    if (
        changed["metadata"].get("deletionTimestamp")
        and not finalizers
        and not rows(changed, "metadata", "finalizers")
    ):
        return registry.store.remove(target.resource, changed)
    return registry.store.put(target.resource, changed)


def delete_all(registry: Registry, target: Target, doomed: list[Object], options: Deletion) -> None:
    """Delete each of these objects as one delete would."""
    for obj in doomed:
        item = Target(target.resource, namespace_of(obj), name_of(obj))
        if registry.store.get(item.resource, item.namespace, item.name) is not None:
            registry.delete(item, options)
