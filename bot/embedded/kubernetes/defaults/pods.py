"""Defaults of pods and of the pod templates inside workloads."""

from typing import Any

from bot.embedded.kubernetes.objects import Object, rows, table
from bot.embedded.kubernetes.schema.quantity import canonical

_FILE_MODE = 0o644
_VOLUMES_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")


def fill(target: Object, **values: Any) -> None:
    """Set each value that is missing."""
    for name, value in values.items():
        target.setdefault(name, value)


def default_template(template: Object) -> None:
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Object) -> None:
    fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if account := spec.get("serviceAccountName"):
        spec["serviceAccount"] = account
    elif account := spec.get("serviceAccount"):
        spec["serviceAccountName"] = account
    for volume in rows(spec, "volumes"):
        _default_volume(volume)
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in rows(spec, group):
            _default_container(container, bool(spec.get("hostNetwork")))


def default_pod(pod: Object) -> None:
    """Defaults of pods only, not of pod templates."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    fill(spec, enableServiceLinks=True)
    for container in [*rows(spec, "initContainers"), *rows(spec, "containers")]:
        resources = container["resources"]
        for name, value in table(resources, "limits").items():
            resources.setdefault("requests", {}).setdefault(name, value)


def _default_container(container: Object, host_network: bool) -> None:
    fill(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=_pull_policy(str(container.get("image", ""))),
        resources={},
    )
    for port in rows(container, "ports"):
        fill(port, protocol="TCP")
        if host_network and "containerPort" in port:
            fill(port, hostPort=port["containerPort"])
    for variable in rows(container, "env"):
        if reference := table(variable, "valueFrom", "fieldRef"):
            fill(reference, apiVersion="v1")
        if reference := table(variable, "valueFrom", "resourceFieldRef"):
            fill(reference, divisor=canonical("0"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(name):
            fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            _default_handler(probe)
    for handler in table(container, "lifecycle").values():
        if isinstance(handler, dict):
            _default_handler(handler)


def _default_handler(handler: Object) -> None:
    if (request := handler.get("httpGet")) is not None:
        fill(request, path="/", scheme="HTTP")
    if (request := handler.get("grpc")) is not None:
        fill(request, service="")


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if tag in {"", "latest"} else "IfNotPresent"


def _default_volume(volume: Object) -> None:
    if not any(name != "name" for name in volume):
        volume["emptyDir"] = {}
    for name in _VOLUMES_WITH_MODE:
        if name in volume:
            fill(volume[name], defaultMode=_FILE_MODE)
    for source in rows(volume, "projected", "sources"):
        if "serviceAccountToken" in source:
            fill(source["serviceAccountToken"], expirationSeconds=3600)
        _default_downward(rows(source, "downwardAPI", "items"))
    _default_downward(rows(volume, "downwardAPI", "items"))
    if "hostPath" in volume:
        fill(volume["hostPath"], type="")
    if template := table(volume, "ephemeral", "volumeClaimTemplate"):
        fill(template.setdefault("spec", {}), volumeMode="Filesystem")


def _default_downward(items: list[Any]) -> None:
    for item in items:
        if "fieldRef" in item:
            fill(item["fieldRef"], apiVersion="v1")
