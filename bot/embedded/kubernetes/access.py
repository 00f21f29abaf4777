"""Who may do what: everything, except what the operator of this server denies."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from bot.embedded.kubernetes.errors import forbidden, unauthorized
from bot.embedded.kubernetes.objects import Object, table
from bot.embedded.kubernetes.registry.requests import Target

USER = "greenroom"


@dataclass(frozen=True)
class Denial:
    """What is refused; `*` stands for anything. `resource` is `pods`, or `pods/log` for a subresource."""

    verb: str = "*"
    resource: str = "*"
    group: str = "*"
    namespace: str = "*"

    def covers(self, verb: str, resource: str, group: str, namespace: str) -> bool:
        pairs = (
            (self.verb, verb),
            (self.resource, resource),
            (self.group, group),
            (self.namespace, namespace),
        )
        return all(mine in {"*", asked} for mine, asked in pairs)


@dataclass
class Access:
    denials: list[Denial] = field(default_factory=list)

    def allows(self, verb: str, resource: str, group: str, namespace: str) -> bool:
        return not any(each.covers(verb, resource, group, namespace) for each in self.denials)

    def check(self, verb: str, target: Target) -> None:
        """A 403 in the words of RBAC when the request is denied."""
        resource = target.resource
        plural = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
        if not self.denials or self.allows(verb, plural, resource.group, target.namespace):
            return
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        why = f'User "{USER}" cannot {verb} resource "{plural}" in API group "{resource.group}" {where}'
        raise forbidden(resource, target.name, why)

    def review(self, body: Object) -> Object:
        """SelfSubjectAccessReview with its status."""
        asked = table(body, "spec", "resourceAttributes")
        plural = asked.get("resource", "")
        if asked.get("subresource"):
            plural = f"{plural}/{asked['subresource']}"
        allowed = self.allows(
            asked.get("verb", ""), plural, asked.get("group", ""), asked.get("namespace", "")
        )
        return {**body, "status": {"allowed": allowed}}

    def rules(self, body: Object) -> Object:
        """SelfSubjectRulesReview with its status; incomplete once anything is denied, as rules only allow."""
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        status = {
            "resourceRules": [everything],
            "nonResourceRules": [paths],
            "incomplete": bool(self.denials),
        }
        return {**body, "status": status}


def check_token(header: str, token: str) -> None:
    """A 401 unless the Authorization header carries this token."""
    if not hmac.compare_digest(header.encode(), f"Bearer {token}".encode()):
        raise unauthorized()
