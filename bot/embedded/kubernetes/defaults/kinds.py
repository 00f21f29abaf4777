"""Defaults of each kind."""

from base64 import b64encode
from collections.abc import Callable

from bot.embedded.kubernetes.defaults.pods import default_pod, default_template, fill
from bot.embedded.kubernetes.objects import Object, rows, table

_GATEWAY = "gateway.networking.k8s.io"


def apply_defaults(obj: Object) -> None:
    """Fill the defaults of its kind into an object that was just decoded."""
    filler = _FILLERS.get((obj["apiVersion"], obj["kind"]))
    if filler is not None:
        filler(obj)


def _deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")
    default_template(spec.setdefault("template", {}))


def _replica_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, replicas=1)
    default_template(spec.setdefault("template", {}))


def _stateful_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", serviceName="")
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), partition=0, maxUnavailable=1)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    fill(retention, whenDeleted="Retain", whenScaled="Retain")
    for claim in rows(spec, "volumeClaimTemplates"):
        fill(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        fill(claim.setdefault("spec", {}), volumeMode="Filesystem")
        fill(claim.setdefault("status", {}), phase="Pending")
    default_template(spec.setdefault("template", {}))


def _job_spec(spec: Object) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    replacement = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    fill(
        spec,
        parallelism=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy=replacement,
    )
    for rule in rows(spec, "podFailurePolicy", "rules"):
        for pattern in rows(rule, "onPodConditions"):
            fill(pattern, status="True")
    default_template(spec.setdefault("template", {}))


def _job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _job_spec(spec)
    fill(spec, manualSelector=False)


def _cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill(
        spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1
    )
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    # Defaults of the jobs that it makes wait until they are made; only the pod template is filled.
    default_template(template.setdefault("spec", {}).setdefault("template", {}))


def _service(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        fill(spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}), timeoutSeconds=10800)
    if spec["type"] != "ExternalName":
        fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
    for port in rows(spec, "ports"):
        fill(port, protocol="TCP")
        if "port" in port and port.get("targetPort") in {None, 0, ""}:
            port["targetPort"] = port["port"]


def _secret(obj: Object) -> None:
    fill(obj, type="Opaque")
    for name, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[name] = b64encode(text.encode()).decode()


def _claim(obj: Object) -> None:
    fill(obj.setdefault("spec", {}), volumeMode="Filesystem")
    fill(obj.setdefault("status", {}), phase="Pending")


def _namespace(obj: Object) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
    obj.setdefault("spec", {})
    fill(obj.setdefault("status", {}), phase="Active")


def _network_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    fill(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in [*rows(spec, "ingress"), *rows(spec, "egress")]:
        for port in rows(rule, "ports"):
            fill(port, protocol="TCP")


def _autoscaler(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [{"type": "Resource", "resource": cpu}]


def _binding(obj: Object) -> None:
    if reference := table(obj, "roleRef"):
        fill(reference, apiGroup="rbac.authorization.k8s.io")
    for subject in rows(obj, "subjects"):
        if subject.get("kind") in {"User", "Group"}:
            fill(subject, apiGroup="rbac.authorization.k8s.io")


def _endpoint_slice(obj: Object) -> None:
    for endpoint in rows(obj, "endpoints"):
        fill(endpoint, conditions={})
    for port in rows(obj, "ports"):
        fill(port, name="", protocol="TCP")


def _limit_range(obj: Object) -> None:
    for item in rows(obj, "spec", "limits"):
        if item.get("type") != "Container":
            continue
        defaults, requests = item.setdefault("default", {}), item.setdefault("defaultRequest", {})
        for name, value in table(item, "max").items():
            defaults.setdefault(name, value)
        for name, value in defaults.items():
            requests.setdefault(name, value)
        for name, value in table(item, "min").items():
            requests.setdefault(name, value)
        for name in ("default", "defaultRequest"):
            if not item[name]:
                del item[name]


def _http_route(obj: Object) -> None:
    for rule in obj.setdefault("spec", {}).setdefault("rules", [{}]):
        rule.setdefault("matches", [{"path": {"type": "PathPrefix", "value": "/"}}])
        for match in rule["matches"]:
            fill(match.setdefault("path", {}), type="PathPrefix", value="/")
            for parameter in rows(match, "queryParams"):
                fill(parameter, type="Exact")
    _route(obj)


def _route(obj: Object) -> None:
    """Sets what HTTPRoutes and GRPCRoutes have in common."""
    spec = obj.setdefault("spec", {})
    parents = [parent.get("parentRef", {}) for parent in rows(obj, "status", "parents")]
    for parent in (*rows(spec, "parentRefs"), *parents):
        fill(parent, group=_GATEWAY, kind="Gateway")
    for rule in rows(spec, "rules"):
        for match in rows(rule, "matches"):
            if "method" in match and isinstance(match["method"], dict):
                fill(match["method"], type="Exact")
            for header in rows(match, "headers"):
                fill(header, type="Exact")
        for backend in rows(rule, "backendRefs"):
            fill(backend, group="", kind="Service", weight=1)


def _gateway(obj: Object) -> None:
    for listener in rows(obj, "spec", "listeners"):
        fill(listener.setdefault("allowedRoutes", {}).setdefault("namespaces", {}), **{"from": "Same"})
    obj.setdefault("status", {"conditions": _waiting_conditions()})


def _gateway_class(obj: Object) -> None:
    obj.setdefault("status", {"conditions": [_waiting("Accepted", "Waiting for controller")]})


def _waiting(kind: str, message: str) -> Object:
    times = {"lastTransitionTime": "1970-01-01T00:00:00Z"}
    return {**times, "type": kind, "status": "Unknown", "reason": "Pending", "message": message}


def _waiting_conditions() -> list[Object]:
    return [_waiting(kind, "Waiting for controller") for kind in ("Accepted", "Programmed")]


_FILLERS: dict[tuple[str, str], Callable[[Object], None]] = {
    ("v1", "Pod"): default_pod,
    ("v1", "Service"): _service,
    ("v1", "Secret"): _secret,
    ("v1", "PersistentVolumeClaim"): _claim,
    ("v1", "Namespace"): _namespace,
    ("v1", "LimitRange"): _limit_range,
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "ReplicaSet"): _replica_set,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("batch/v1", "Job"): _job,
    ("batch/v1", "CronJob"): _cron_job,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): _autoscaler,
    ("networking.k8s.io/v1", "NetworkPolicy"): _network_policy,
    ("discovery.k8s.io/v1", "EndpointSlice"): _endpoint_slice,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): _binding,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): _binding,
    (f"{_GATEWAY}/v1", "GRPCRoute"): _route,
    (f"{_GATEWAY}/v1", "HTTPRoute"): _http_route,
    (f"{_GATEWAY}/v1", "Gateway"): _gateway,
    (f"{_GATEWAY}/v1", "GatewayClass"): _gateway_class,
}
