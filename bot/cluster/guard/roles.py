"""Roles that cannot be used to gain more rights, bound to accounts of this namespace only."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.cluster.guard.node import Finding, Node

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
    "gateway.networking.k8s.io": frozenset(("httproutes", "httproutes/status")),
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
    """`secrets` are the names of the Secrets that the manifests bring themselves."""
    for rule in role["rules"].items():
        yield from _rule(rule, secrets)


def _rule(rule: Node, secrets: Collection[str]) -> Iterator[Finding]:
    if rule["nonResourceURLs"]:
        yield rule["nonResourceURLs"].finding("a Role names resources only")
    verbs = set(rule["verbs"].texts())
    if not verbs <= _READING | _WRITING:
        yield rule["verbs"].finding(f"allowed are the verbs {', '.join(sorted(_READING | _WRITING))}")
        return
    for group in rule["apiGroups"].texts():
        for resource in rule["resources"].items():
            name = resource.text()
            if (group, name) == ("", "secrets"):
                yield from _secrets(rule, verbs, secrets)
            elif name not in _READABLE.get(group, ()):
                yield resource.finding(f"a Role may not name {name!r} of API group {group!r}")
            elif verbs & _WRITING and name not in _WRITABLE.get(group, ()):
                yield rule["verbs"].finding(f"{name!r} may be read only: get, list and watch")


def _secrets(rule: Node, verbs: set[str], secrets: Collection[str]) -> Iterator[Finding]:
    names = rule["resourceNames"].texts()
    if verbs != {"get"} or not names or not set(names) <= set(secrets):
        yield rule.finding(
            "of Secrets, a Role may only `get` those that the manifests bring themselves, each by its "
            "`resourceNames`"
        )


def binding_findings(binding: Node, namespace: str, roles: Collection[str]) -> Iterator[Finding]:
    """`roles` are the names of the Roles that the manifests bring themselves."""
    reference = binding["roleRef"]
    if reference["kind"].value != "Role" or reference["name"].text() not in roles:
        yield reference.finding("only a Role of the same manifests may be bound")
    for subject in binding["subjects"].items():
        if subject["kind"].value != "ServiceAccount":
            yield subject.finding("rights may be given to ServiceAccounts only")
        if subject["namespace"].text() not in ("", namespace):
            yield subject["namespace"].finding("rights may be given to accounts of this environment only")
