"""Checks of Roles and RoleBindings: no escalation, and only for ServiceAccounts of the namespace."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.cluster.node import Finding, Node

_READING = frozenset(("get", "list", "watch"))
_READABLE = {
    "": frozenset(
        [
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "persistentvolumeclaims",
            "pods",
            "pods/log",
            "pods/status",
            "replicationcontrollers",
            "resourcequotas",
            "serviceaccounts",
            "services",
            "services/status",
        ]
    ),
    "apps": frozenset(
        [
            "controllerrevisions",
            "daemonsets",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "replicasets",
            "statefulsets",
            "statefulsets/scale",
            "statefulsets/status",
        ]
    ),
    "autoscaling": frozenset(("horizontalpodautoscalers",)),
    "batch": frozenset(("cronjobs", "jobs", "jobs/status")),
    "coordination.k8s.io": frozenset(("leases",)),
    "discovery.k8s.io": frozenset(("endpointslices",)),
    "events.k8s.io": frozenset(("events",)),
    "gateway.networking.k8s.io": frozenset(
        ("grpcroutes", "grpcroutes/status", "httproutes", "httproutes/status")
    ),
    "networking.k8s.io": frozenset(("ingresses", "networkpolicies")),
    "policy": frozenset(("poddisruptionbudgets",)),
}
_WRITING = frozenset(("create", "update", "patch", "delete"))
_WRITABLE = {
    "": frozenset(("configmaps", "events")),
    "coordination.k8s.io": frozenset(("leases",)),
    "events.k8s.io": frozenset(("events",)),
}


def role_findings(role: Node, secrets: Collection[str]) -> Iterator[Finding]:
    """Checks a Role; `secrets` are the names of the Secrets in the manifests."""
    for rule in role["rules"].items():
        yield from _rule(rule, secrets)


def _rule(rule: Node, secrets: Collection[str]) -> Iterator[Finding]:
    if rule["nonResourceURLs"]:
        yield rule["nonResourceURLs"].finding("a Role can only contain resources; remove this field")
    verbs = set(rule["verbs"].texts())
    if not verbs <= _READING | _WRITING:
        yield rule["verbs"].finding(f"allowed verbs: {', '.join(sorted(_READING | _WRITING))}")
        return
    for group in rule["apiGroups"].texts():
        for resource in rule["resources"].items():
            name = resource.text()
            if (group, name) == ("", "secrets"):
                yield from _secrets(rule, verbs, secrets)
            elif name not in _READABLE.get(group, ()):
                yield resource.finding(f"the resource `{name}` of {_group(group)} is not allowed in a Role")
            elif verbs & _WRITING and name not in _WRITABLE.get(group, ()):
                yield rule["verbs"].finding(f"only get, list and watch are allowed for `{name}`")


def _group(name: str) -> str:
    return f"API group `{name}`" if name else "the core API group"


def _secrets(rule: Node, verbs: set[str], secrets: Collection[str]) -> Iterator[Finding]:
    names = rule["resourceNames"].texts()
    if verbs != {"get"} or not names or not set(names) <= set(secrets):
        yield rule.finding(
            "a Role may only `get` Secrets of the same manifests; list them in `resourceNames`"
        )


def binding_findings(binding: Node, namespace: str, roles: Collection[str]) -> Iterator[Finding]:
    """Checks a RoleBinding; `roles` are the names of the Roles in the manifests."""
    reference = binding["roleRef"]
    if reference["kind"].value != "Role" or reference["name"].text() not in roles:
        yield reference.finding("`roleRef` must name a Role of the same manifests")
    for subject in binding["subjects"].items():
        if subject["kind"].value != "ServiceAccount":
            yield subject.finding("a RoleBinding may only have ServiceAccounts as subjects")
        if subject["namespace"].text() not in ("", namespace):
            yield subject["namespace"].finding(
                "a subject must be a ServiceAccount of this environment; remove this field"
            )


def grantable() -> Iterator[tuple[str, str, str]]:
    """Every right that a Role may contain: API group, resource, verb.

    Kubernetes lets the bot create a Role only with rights that the bot holds.
    """
    for table, verbs in ((_READABLE, _READING), (_WRITABLE, _WRITING)):
        for group, resources in table.items():
            for resource in resources:
                yield from ((group, resource, verb) for verb in verbs)
    yield "", "secrets", "get"
