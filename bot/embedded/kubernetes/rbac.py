"""RBAC rules: what a user may do, and whether one set of rules covers another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from bot.embedded.kubernetes.objects import Object, namespace_of, rows
from bot.embedded.kubernetes.resources import resource_of
from bot.embedded.kubernetes.storage.store import Store

GROUP = "rbac.authorization.k8s.io"
_EVERYTHING: Object = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
_EVERY_URL: Object = {"nonResourceURLs": ["*"], "verbs": ["*"]}
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class User:
    """The identity behind a request. Members of `system:masters` may do everything."""

    name: str
    groups: tuple[str, ...]

    @classmethod
    def impersonated(cls, name: str, groups: Iterable[str]) -> User:
        """The user of the Impersonate-User and Impersonate-Group headers."""
        account = name.removeprefix(ACCOUNT).split(":") if name.startswith(ACCOUNT) else []
        added = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}") if account else ()
        return cls(name, (*groups, *added, "system:authenticated"))

    @property
    def is_superuser(self) -> bool:
        return "system:masters" in self.groups


SUPERUSER = User("greenroom", ("system:masters", "system:authenticated"))


@dataclass(frozen=True)
class Rules:
    """Resolves the rules of users and role references from the stored roles and bindings."""

    store: Store

    def of_user(self, user: User, namespace: str) -> list[Object]:
        """Cluster-wide rules, and those of the namespace unless it is empty."""
        if user.is_superuser:
            return [_EVERYTHING, _EVERY_URL]
        bindings = list(self.store.select(resource_of("clusterrolebindings", GROUP)))
        if namespace:
            bindings += self.store.select(resource_of("rolebindings", GROUP), namespace)
        return [
            rule
            for binding in bindings
            if any(_is_subject(subject, user, binding) for subject in rows(binding, "subjects"))
            for rule in self.of_reference(binding["roleRef"], namespace_of(binding)) or ()
        ]

    def of_reference(self, reference: Object, namespace: str) -> list[Object] | None:
        """The rules of a role, or nothing when it does not exist."""
        in_cluster = reference.get("kind") == "ClusterRole"
        resource = resource_of("clusterroles" if in_cluster else "roles", GROUP)
        role = self.store.get(resource, "" if in_cluster else namespace, reference.get("name", ""))
        return None if role is None else rows(role, "rules")

    def allow(self, user: User, namespace: str, request: Object) -> bool:
        """Whether the user holds a right, which is given as a rule with one verb on one resource."""
        return any(_covers(rule, request) for rule in self.of_user(user, namespace))


def request_rule(verb: str, group: str, resource: str, name: str = "") -> Object:
    """A request as a rule."""
    rule = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
    return {**rule, "resourceNames": [name]} if name else rule


def missing(owned: list[Object], rules: list[Object]) -> list[str]:
    """Descriptions of the rights in `rules` that `owned` does not cover, as the API server writes them."""
    verbs: dict[str, list[str]] = {}
    for right in (right for rule in rules for right in _split(rule)):
        if not any(_covers(rule, right) for rule in owned):
            verbs.setdefault(_described(right), []).extend(right["verbs"])
    return sorted(f"{{{scope}, Verbs:{_quoted(names)}}}" for scope, names in verbs.items())


def _split(rule: Object) -> Iterator[Object]:
    """One rule for each combination of group, resource, name and verb."""
    names = [{"resourceNames": [name]} for name in rows(rule, "resourceNames")] or [{}]
    for group, resource, name, verb in product(
        rows(rule, "apiGroups"), rows(rule, "resources"), names, rows(rule, "verbs")
    ):
        yield {"verbs": [verb], "apiGroups": [group], "resources": [resource], **name}
    for url, verb in product(rows(rule, "nonResourceURLs"), rows(rule, "verbs")):
        yield {"verbs": [verb], "nonResourceURLs": [url]}


def _covers(owned: Object, right: Object) -> bool:
    """Whether a rule covers a right, which has one item in each of its lists."""
    names, requested = rows(owned, "resourceNames"), rows(right, "resourceNames")
    return (
        _matches(owned, right, "verbs")
        and _matches(owned, right, "apiGroups")
        and _covers_resource(rows(owned, "resources"), rows(right, "resources"))
        and all(_covers_url(rows(owned, "nonResourceURLs"), url) for url in rows(right, "nonResourceURLs"))
        and (not names or (bool(requested) and set(requested) <= set(names)))
    )


def _matches(owned: Object, right: Object, field: str) -> bool:
    return "*" in rows(owned, field) or set(rows(right, field)) <= set(rows(owned, field))


def _covers_resource(owned: list[str], resources: list[str]) -> bool:
    return all(
        resource in owned or "*" in owned or ("/" in resource and f"*/{resource.partition('/')[2]}" in owned)
        for resource in resources
    )


def _covers_url(owned: list[str], url: str) -> bool:
    return any(url == item or (item.endswith("*") and url.startswith(item[:-1])) for item in owned)


def _described(right: Object) -> str:
    labels = {
        "APIGroups": "apiGroups",
        "Resources": "resources",
        "NonResourceURLs": "nonResourceURLs",
        "ResourceNames": "resourceNames",
    }
    return ", ".join(f"{label}:{_quoted(right[name])}" for label, name in labels.items() if name in right)


def _quoted(values: Iterable[str]) -> str:
    """A list of strings as Go's %q writes it."""
    return f"[{' '.join(json.dumps(value) for value in values)}]"


def _is_subject(subject: Object, user: User, binding: Object) -> bool:
    match subject.get("kind"):
        case "User":
            return subject.get("name") == user.name
        case "Group":
            return subject.get("name") in user.groups
        case "ServiceAccount":
            namespace = subject.get("namespace") or namespace_of(binding)
            return user.name == f"{ACCOUNT}{namespace}:{subject.get('name')}"
    return False
