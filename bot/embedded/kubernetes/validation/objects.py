"""The checks of every kind, on create and on update."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from bot.embedded.kubernetes.errors import Cause, forbidden_field, required, unsupported
from bot.embedded.kubernetes.objects import Object, is_deleting
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.schema.decode import missing_fields, wrong_choices
from bot.embedded.kubernetes.schema.types import type_of
from bot.embedded.kubernetes.validation import configuration, pods, workloads
from bot.embedded.kubernetes.validation.names import check_metadata

Checks = Callable[[Object], Iterable[Cause]]
ChangeChecks = Callable[[Object, Object], Iterable[Cause]]

_CHECKS: dict[str, Checks] = {
    "namespaces": configuration.check_security_levels,
    "pods": pods.check_pod,
    "deployments": workloads.check_workload,
    "replicasets": workloads.check_workload,
    "statefulsets": workloads.check_workload,
    "jobs": workloads.check_job,
    "cronjobs": workloads.check_cron_job,
    "services": configuration.check_service,
    "configmaps": configuration.check_data,
    "secrets": configuration.check_data,
    "persistentvolumeclaims": configuration.check_claim,
    "resourcequotas": configuration.check_quota,
}
_CHANGE_CHECKS: dict[str, ChangeChecks] = {
    "pods": pods.check_pod_change,
    "deployments": workloads.check_selector_change,
    "replicasets": workloads.check_selector_change,
    "statefulsets": workloads.check_stateful_set_change,
    "jobs": workloads.check_job_change,
    "services": configuration.check_service_change,
    "configmaps": configuration.check_immutable,
    "secrets": configuration.check_secret_change,
    "persistentvolumeclaims": configuration.check_claim_change,
    "rolebindings": configuration.check_role_reference,
    "clusterrolebindings": configuration.check_role_reference,
}


def check_create(resource: Resource, obj: Object) -> list[Cause]:
    return list(_checked(resource, obj))


def check_update(resource: Resource, live: Object, new: Object) -> list[Cause]:
    changes = _CHANGE_CHECKS.get(resource.plural)
    return list(chain(_finalizers(live, new), _checked(resource, new), changes(live, new) if changes else ()))


def check_status(resource: Resource, new: Object) -> list[Cause]:
    return (
        list(workloads.check_replica_counts(new)) if resource.plural in {"deployments", "replicasets"} else []
    )


def _checked(resource: Resource, obj: Object) -> Iterator[Cause]:
    checks = _CHECKS.get(resource.plural)
    special = [*check_metadata(resource, obj), *(checks(obj) if checks is not None else ())]
    yield from special
    # The schemas list every required field; the message of a special check is more precise.
    reported = {cause.field for cause in special}
    for path in missing_fields(obj, type_of(resource)):
        if path not in reported and not path.startswith("status"):
            yield required(path)
    if resource.custom:
        yield from (unsupported(*choice) for choice in wrong_choices(obj, type_of(resource)))


def _finalizers(live: Object, new: Object) -> Iterator[Cause]:
    if not is_deleting(live):
        return
    before = live["metadata"].get("finalizers") or []
    added = [finalizer for finalizer in new["metadata"].get("finalizers") or [] if finalizer not in before]
    if added:
        message = ", ".join(f'"{item}"' for item in added)
        words = (
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{"
        )
        yield forbidden_field("metadata.finalizers", f"{words}{message}}}")
