"""When a delete takes an object away at once, and what it marks when it does not."""

from bot.embedded.kubernetes.errors import conflict
from bot.embedded.kubernetes.objects import Object, dig, is_deleting, name_of, rows, timestamp, uid_of
from bot.embedded.kubernetes.registry.requests import Deletion, Target
from bot.embedded.kubernetes.resources import Resource

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_FINALIZERS = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


def check_preconditions(resource: Resource, obj: Object, options: Deletion) -> None:
    """A 409 when the object is another one, or another version, than the client meant."""
    for name, requested, actual, item in (
        ("UID", options.uid, uid_of(obj), "deleted and then recreated"),
        ("ResourceVersion", options.version, obj["metadata"]["resourceVersion"], "modified"),
    ):
        if requested and requested != actual:
            reason = (
                f"the {name} in the precondition ({requested}) does not match the {name} in record "
                f"({actual}). The object might have been {item}"
            )
            raise conflict(resource, name_of(obj), reason, by_kind=True)


def mismatched_uid(target: Target, new: Object, live: Object) -> str:
    """The storage error of Kubernetes for an update of another object of the same name."""
    place = "/".join(part for part in (target.resource.plural, target.namespace, target.name) if part)
    uids = f"UID in precondition: {uid_of(new)}, UID in object meta: {uid_of(live)}"
    return (
        f"StorageError: invalid object, Code: 4, Key: /registry/{place}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: {uids}"
    )


def marked(resource: Resource, obj: Object, options: Deletion, now: float) -> Object:
    """The object with its deletion begun: finalizers of the chosen policy, time, grace period."""
    metadata = dict(obj["metadata"])
    finalizers = _finalizers(resource, rows(metadata, "finalizers"), options.policy)
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    grace = grace_period(resource, obj, options)
    before = metadata.get("deletionGracePeriodSeconds")
    if not is_deleting(obj):
        metadata |= {"deletionTimestamp": timestamp(now + grace), "deletionGracePeriodSeconds": grace}
        if metadata.get("generation"):
            metadata["generation"] += 1
    elif before is not None and grace < before and options.grace is not None:
        metadata |= {"deletionTimestamp": timestamp(now + grace), "deletionGracePeriodSeconds": grace}
    return {**obj, "metadata": metadata}


def grace_period(resource: Resource, obj: Object, options: Deletion) -> int:
    """Seconds until the object may go; only pods that a node holds are given any."""
    if resource.plural != "pods" or resource.group:
        return 0
    if not dig(obj, "spec", "nodeName") or dig(obj, "status", "phase") in {"Succeeded", "Failed"}:
        return 0
    requested = (
        options.grace if options.grace is not None else obj["spec"].get("terminationGracePeriodSeconds", 30)
    )
    return int(requested) if requested >= 0 else 1


def may_go(obj: Object) -> bool:
    """Whether a marked object has nothing left to wait for."""
    return not obj["metadata"].get("finalizers") and not obj["metadata"].get("deletionGracePeriodSeconds")


def _finalizers(resource: Resource, present: list[str], policy: str) -> list[str]:
    if not policy and (resource.group, resource.plural) == ("batch", "jobs"):
        # Kubernetes keeps the pods of a job unless the client asks otherwise.
        policy = "" if {ORPHAN, FOREGROUND} & set(present) else "Orphan"
    if not policy:
        return present
    kept = [item for item in present if item not in {ORPHAN, FOREGROUND}]
    return [*kept, _FINALIZERS[policy]] if policy in _FINALIZERS else kept
