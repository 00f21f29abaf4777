"""Authentication by tokens, and authorization: RBAC, and denials that tests switch on."""

import hmac
import secrets
from dataclasses import dataclass, field

from bot.embedded.kubernetes.errors import ApiError, forbidden, unauthorized
from bot.embedded.kubernetes.objects import Object, table
from bot.embedded.kubernetes.rbac import ACCOUNT, Rules, User, request_rule
from bot.embedded.kubernetes.registry.requests import Target
from bot.embedded.kubernetes.resources import REVIEWS


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
        if resource.group in REVIEWS:
            return
        if self.allows(user, verb, plural, resource.group, target.namespace, target.name):
            return
        scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        action = f'User "{user.name}" cannot {verb} resource "{plural}" in API group "{resource.group}"'
        raise forbidden(resource, target.name, f"{action} {scope}")

    def review(self, user: User, body: Object) -> Object:
        """The review of the user, or of one of the user's rights, with its status."""
        if body["kind"] == "SelfSubjectReview":
            return {**body, "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}}}
        attributes = table(body, "spec", "resourceAttributes")
        plural = attributes.get("resource", "")
        if attributes.get("subresource"):
            plural = f"{plural}/{attributes['subresource']}"
        names = ("group", "namespace", "name")
        group, namespace, name = (attributes.get(key, "") for key in names)
        allowed = self.allows(user, attributes.get("verb", ""), plural, group, namespace, name)
        return {**body, "status": {"allowed": allowed}}


def check_impersonation(user: User, name: str) -> None:
    """Raise a 403 unless the user is the superuser."""
    if not user.is_superuser:
        action = f'User "{user.name}" cannot impersonate resource "users" in API group ""'
        message = f'users "{name}" is forbidden: {action} at the cluster scope'
        raise ApiError(403, "Forbidden", message, {"name": name, "kind": "users"})


@dataclass
class Tokens:
    """The users by their tokens: the superuser, and service accounts."""

    users: dict[str, User]

    def user(self, token: str) -> User:
        """Raise a 401 for an unknown token."""
        for valid, user in self.users.items():
            if hmac.compare_digest(valid.encode(), token.encode()):
                return user
        raise unauthorized()

    def revoke(self) -> None:
        """Accept no token of a service account any more."""
        self.users = {token: user for token, user in self.users.items() if user.is_superuser}

    def request(self, target: Target) -> Object:
        """The TokenRequest of a service account with a new token."""
        token = secrets.token_urlsafe(24)
        self.users[token] = User.impersonated(f"{ACCOUNT}{target.namespace}:{target.name}", ())
        status = {"token": token, "expirationTimestamp": "2100-01-01T00:00:00Z"}
        return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "status": status}
