"""Roles and bindings may grant only rights that their author holds, or may pass on."""

import json

from bot.embedded.kubernetes.access import Access
from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import forbidden, not_found
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of, rows
from bot.embedded.kubernetes.rbac import GROUP, User, missing
from bot.embedded.kubernetes.registry.requests import Write
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.storage.store import Store


class EscalationCheck(Plugin):
    """The check that Kubernetes makes when it stores a role or a binding."""

    def __init__(self, store: Store, access: Access) -> None:
        super().__init__(store)
        self._access = access

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        if resource.group != GROUP:
            return
        if resource.plural in {"roles", "clusterroles"}:
            if live is None or rows(live, "rules") != rows(obj, "rules"):
                self._check_role(resource, obj, write.user)
        else:
            self._check_binding(resource, obj, write.user)

    def _check_role(self, resource: Resource, role: Object, user: User) -> None:
        namespace = namespace_of(role)
        if not self._access.allows(user, "escalate", resource.plural, GROUP, namespace, name_of(role)):
            self._confirm(resource, role, user, rows(role, "rules"))

    def _check_binding(self, resource: Resource, binding: Object, user: User) -> None:
        reference, namespace = binding["roleRef"], namespace_of(binding)
        plural = f"{reference['kind'].lower()}s"
        if not self._access.allows(user, "bind", plural, GROUP, namespace, reference["name"]):
            rules = self._access.rules.of_reference(reference, namespace)
            if rules is None:
                raise not_found(resource, reference["name"])  # Kubernetes names the kind of the request, too
            self._confirm(resource, binding, user, rules)

    def _confirm(self, resource: Resource, obj: Object, user: User, rules: list[Object]) -> None:
        owned = self._access.rules.of_user(user, namespace_of(obj))
        if lacking := missing(owned, rules):
            groups = " ".join(json.dumps(group) for group in user.groups)
            raise forbidden(
                resource,
                name_of(obj),
                f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions '
                "not currently held:\n" + "\n".join(lacking),
            )
