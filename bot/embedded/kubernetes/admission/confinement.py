"""The policy of deploy/base/policy.yaml in Python: this server does not evaluate CEL.

The tests on a real control plane decide what the policy does; where this differs, this is wrong.
"""

from bot.embedded.kubernetes.admission.plugin import Plugin
from bot.embedded.kubernetes.errors import forbidden
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of, rows, table
from bot.embedded.kubernetes.rbac import ACCOUNT, User
from bot.embedded.kubernetes.registry.requests import Target, Write
from bot.embedded.kubernetes.resources import Resource, resource_of
from bot.embedded.kubernetes.storage.store import Store

_DENIED = "ValidatingAdmissionPolicy 'greenroom' with binding 'greenroom' denied request:"
_MANAGED_BY, _APP = "app.kubernetes.io/managed-by", "greenroom.dev/app"
_ENVIRONMENT, _ENFORCE = "greenroom.dev/environment", "pod-security.kubernetes.io/enforce"


class Confinement(Plugin):
    """Confines one account to the namespaces of its App; none before `confine` is called."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._account = ""
        self._app = ""

    def confine(self, account: str, app_id: int) -> None:
        """Confine an account, given as NAMESPACE:NAME."""
        self._account, self._app = f"{ACCOUNT}{account}", str(app_id)

    def check(self, resource: Resource, obj: Object, live: Object | None, write: Write) -> None:
        if write.user.name != self._account or self._is_store_lease(resource, obj):
            return
        name, of_namespace = name_of(obj), resource.qualified == "namespaces"
        before = (live or obj) if of_namespace else self._namespace(namespace_of(obj))
        claims = (
            of_namespace and live is not None and _ENVIRONMENT in _labels(live) and _APP not in _labels(live)
        )
        self._check_labels(resource, name, _labels(before), claims=claims)
        if of_namespace:
            self._check_namespace(resource, name, _labels(obj))
        if resource.qualified == "rolebindings.rbac.authorization.k8s.io":
            self._check_binding(resource, obj)

    def check_deletion(self, user: User, target: Target) -> None:
        """Raise a 403 for an object that the account must not delete."""
        exists = self._store.get(target.resource, target.namespace, target.name) is not None
        if user.name == self._account and exists:
            name = target.name if target.resource.qualified == "namespaces" else target.namespace
            self._check_labels(target.resource, target.name, _labels(self._namespace(name)))

    def _is_store_lease(self, resource: Resource, obj: Object) -> bool:
        """Which store works: the one write in the account's own namespace."""
        own, _, _ = self._account.removeprefix(ACCOUNT).partition(":")
        lease = (resource.qualified, namespace_of(obj), name_of(obj))
        return lease == ("leases.coordination.k8s.io", own, "greenroom-store")

    def _namespace(self, name: str) -> Object | None:
        return self._store.get(resource_of("namespaces"), "", name)

    def _check_labels(self, resource: Resource, name: str, labels: Object, *, claims: bool = False) -> None:
        own = labels.get(_MANAGED_BY) == "greenroom" and (labels.get(_APP) == self._app or claims)
        if not own:
            self._refuse(resource, name, "the namespace does not belong to this App of Greenroom")

    def _check_namespace(self, resource: Resource, name: str, labels: Object) -> None:
        enforced = labels.get(_ENFORCE) in {"baseline", "restricted"}
        if (labels.get(_MANAGED_BY), labels.get(_APP), enforced) != ("greenroom", self._app, True):
            self._refuse(
                resource, name, "a namespace of Greenroom keeps its labels and enforces Pod Security"
            )

    def _check_binding(self, resource: Resource, binding: Object) -> None:
        reference = binding["roleRef"]
        subjects = {
            f"{ACCOUNT}{subject.get('namespace')}:{subject['name']}"
            if subject["kind"] == "ServiceAccount"
            else ""
            for subject in rows(binding, "subjects")
        }
        own = reference["name"] == "greenroom-environment" and subjects <= {self._account}
        if reference["kind"] != "Role" and not own:
            self._refuse(
                resource,
                name_of(binding),
                "a RoleBinding of Greenroom refers to a Role of its namespace, "
                "or gives the bot its own role there",
            )

    def _refuse(self, resource: Resource, name: str, message: str) -> None:
        raise forbidden(resource, name, f"{_DENIED} {message}")


def _labels(obj: Object | None) -> Object:
    return table(obj, "metadata", "labels")
