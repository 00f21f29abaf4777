"""Checks of Roles and RoleBindings: no escalation, and only for ServiceAccounts of the namespace."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bot.cluster.guard.walk import Change, Walk
from bot.cluster.node import Finding, Node, shortened

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
_SECRETS = ("", "secrets")
_LONGEST = 200
"""Characters of the names in a note."""
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
    groups = dict.fromkeys(rule["apiGroups"].texts())
    for resource in rule["resources"].items():
        name = resource.text()
        having = _having(groups, name)
        if groups and not having:
            yield resource.finding(
                f"the resource `{name}` of {_group(next(iter(groups)))} is not allowed in a Role"
            )
        for group in having:
            if name == "secrets":
                yield from _secrets(rule, verbs, secrets)
            elif verbs & _WRITING and name not in _WRITABLE.get(group, ()):
                yield rule["verbs"].finding(f"only get, list and watch are allowed for `{name}`")


def divided_rules(role: Node, walk: Walk) -> list[dict[str, Any]]:
    """The rules of a Role, divided by API groups where these have different resources.

    Kubernetes lets the bot grant no `leases` of the core API group, which do not exist.
    """
    return [divided for rule in role["rules"].items() for divided in _divided(rule, walk)]


def _divided(rule: Node, walk: Walk) -> Iterator[dict[str, Any]]:
    resources = list(dict.fromkeys(rule["resources"].texts()))
    had: dict[str, list[str]] = {group: [] for group in rule["apiGroups"].texts()}
    for name in resources:
        having = _having(had, name)
        if not having:  # refused
            return
        for group in having:
            had[group].append(name)
    if all(len(names) == len(resources) for names in had.values()):
        yield rule.value
        return
    for group, names in had.items():
        if names:
            yield {**rule.value, "apiGroups": [group], "resources": names}
        if len(names) < len(resources):
            left_out = shortened(", ".join(f"`{name}`" for name in resources if name not in names), _LONGEST)
            reason = f"a Role cannot contain {left_out} of {_group(group)}"
            walk.changed.append(Change(rule["apiGroups"].finding(reason)))


def _having(groups: Collection[str], resource: str) -> list[str]:
    """The API groups that have the resource, among those of a rule."""
    return [
        group
        for group, readable in _READABLE.items()
        if group in groups and (resource in readable or (group, resource) == _SECRETS)
    ]


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
    yield *_SECRETS, "get"
