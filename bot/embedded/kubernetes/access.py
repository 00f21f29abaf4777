"""Authentication by one token, and authorization: RBAC, and denials that tests switch on."""

import hmac
from dataclasses import dataclass, field

from bot.embedded.kubernetes.errors import forbidden, unauthorized
from bot.embedded.kubernetes.objects import Object, table
from bot.embedded.kubernetes.rbac import Rules, User, request_rule
from bot.embedded.kubernetes.registry.requests import Target


@dataclass(frozen=True)
class Denial:
    """A kind of request that is refused; `*` matches anything. `resource` is `pods` or `pods/log`."""

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
        return all(own in {"*", requested} for own, requested in pairs)


@dataclass
class Access:
    """Decides what a user may do. Denials apply to everybody, also to the superuser."""

    rules: Rules
    denials: list[Denial] = field(default_factory=list)

    def allows(
        self, user: User, verb: str, resource: str, group: str, namespace: str, name: str = ""
    ) -> bool:
        if any(denial.covers(verb, resource, group, namespace) for denial in self.denials):
            return False
        return user.is_superuser or self.rules.allow(
            user, namespace, request_rule(verb, group, resource, name)
        )

    def check(self, user: User, verb: str, target: Target) -> None:
        """Raise a 403, worded as RBAC words it, when the request is denied."""
        resource = target.resource
        plural = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
        if resource.group == "authorization.k8s.io":
            return
        if self.allows(user, verb, plural, resource.group, target.namespace, target.name):
            return
        scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        action = f'User "{user.name}" cannot {verb} resource "{plural}" in API group "{resource.group}"'
        raise forbidden(resource, target.name, f"{action} {scope}")

    def review(self, user: User, body: Object) -> Object:
        """The SelfSubjectAccessReview with its status."""
        attributes = table(body, "spec", "resourceAttributes")
        plural = attributes.get("resource", "")
        if attributes.get("subresource"):
            plural = f"{plural}/{attributes['subresource']}"
        names = ("group", "namespace", "name")
        group, namespace, name = (attributes.get(key, "") for key in names)
        allowed = self.allows(user, attributes.get("verb", ""), plural, group, namespace, name)
        return {**body, "status": {"allowed": allowed}}


def check_token(header: str, token: str) -> None:
    """Raise a 401 unless the Authorization header carries this token."""
    if not hmac.compare_digest(header.encode(), f"Bearer {token}".encode()):
        raise unauthorized()
