"""Rules for `metadata`, the outer one and those of templates: names, labels, annotations, finalizers."""

from __future__ import annotations

from collections.abc import Collection

from bot.cluster.guard.decisions import Fixed, Outcome, Refuse, Remove, Scope, fields, key_of, refuse, remove
from bot.cluster.guard.runtime_secrets import VAULT_AGENT, agent_outcome
from bot.cluster.names import MANAGED_BY, MANAGER, PREFIX, is_reserved_name
from bot.cluster.node import Node, shortened
from bot.cluster.policy import ClusterPolicy

LABELS = ("app.kubernetes.io/", "helm.sh/")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
ANNOTATIONS = (
    *LABELS,
    "checksum/",
    "config.kubernetes.io/",
    "meta.helm.sh/",
    "controller.kubernetes.io/pod-deletion-cost",
    "kubectl.kubernetes.io/default-container",
    "kubectl.kubernetes.io/default-logs-container",
    "kubectl.kubernetes.io/restartedAt",
    "kubernetes.io/change-cause",
    "kubernetes.io/description",
    "sealedsecrets.bitnami.com/cluster-wide",
    "sealedsecrets.bitnami.com/namespace-wide",
    _APPARMOR,
)
"""Allowed besides plain keys. An entry that ends with `/` is a prefix."""
OBEYED_KEYS = ("aadpodidbinding", "istio")
"""Keys without a domain on which controllers of the whole cluster act."""
OBEYED_PREFIXES = (
    "alertmanager_",
    "grafana_",
    "istio_",
    "k8s_sidecar_",
    "loki_",
    "prometheus_",
    "sidecar_",
    "thanos_",
)
"""Beginnings of such keys; `-` counts as `_`."""
_OBEYED_SUFFIX = "jenkins_config"

_OBEYED = "other controllers may act on it; the operator can allow it with `GREENROOM_ALLOWED_ANNOTATIONS`"
_BLOCKS_DELETION = "this could block the deletion of the environment; remove this field"
_OWNERS = "owners are set by controllers; remove this field"
_SERVER = "the API server sets this field"


def _label(node: Node, scope: Scope) -> Outcome:
    value = node.text()
    if is_reserved_label(key_of(node)):
        return Refuse(_reserved())
    if (key_of(node), value) == (MANAGED_BY, MANAGER):
        return Refuse("this label value is reserved; remove this label")
    return None if is_allowed_label(key_of(node), scope.policy) else Remove(_OBEYED)


def is_allowed_label(key: str, policy: ClusterPolicy) -> bool:
    """Whether objects keep a label with this key."""
    return _listed(key, (*LABELS, *policy.allowed_annotations)) is None


def is_reserved_label(key: str) -> bool:
    """Whether objects with this label are refused."""
    return key.startswith(PREFIX)


def _annotation(node: Node, scope: Scope) -> Outcome:
    value, key = node.text(), key_of(node)
    if key.startswith(PREFIX):
        return Refuse(_reserved())
    if key.startswith(_APPARMOR) and value == "unconfined":
        return Refuse("AppArmor must not be disabled; remove this annotation")
    if key.startswith(VAULT_AGENT):
        return None if key in scope.policy.allowed_annotations else agent_outcome(scope)
    return _listed(key, (*ANNOTATIONS, *scope.policy.allowed_annotations))


def _listed(key: str, allowed: Collection[str]) -> Outcome:
    if key in allowed or _is_plain(key):
        return None
    if any(entry.endswith("/") and key.startswith(entry) for entry in allowed):
        return None
    return Remove(_OBEYED)


def _is_plain(key: str) -> bool:
    """Whether a key is the application's own: no domain, and no controller acts on it.

    Container runtimes act on keys with dots and without `/`, such as `io.katacontainers.config.…`.
    """
    word = key.lower().replace("-", "_")
    return not (
        "/" in key
        or "." in key
        or word in OBEYED_KEYS
        or word.startswith(OBEYED_PREFIXES)
        or word.endswith(_OBEYED_SUFFIX)
    )


def _reserved() -> str:
    return f"labels and annotations that begin with `{PREFIX}` are reserved; remove this one"


def _name(node: Node, _: Scope) -> Outcome:
    if is_reserved_name(node.text()):
        return Refuse("names that begin with `greenroom` are reserved; rename the object")
    return None


def _namespace(node: Node, scope: Scope) -> Outcome:
    if node.text() in ("", scope.namespace):
        return None
    return Refuse(
        f"it names the namespace `{shortened(node.text(), 63)}`, and an environment has one namespace; "
        "remove it, or use one name in all manifests. Several are joined if their objects have different "
        "names, select no pods of another one, and none begins with `kube-`"
    )


OBJECT_META = fields(
    "name namespace labels{} annotations{} finalizers[]",
    name=Fixed(_name),
    namespace=Fixed(_namespace),
    labels=Fixed(_label),
    annotations=Fixed(_annotation),
    finalizers=Fixed(refuse(_BLOCKS_DELETION)),
    ownerReferences=Fixed(refuse(_OWNERS, unless=([],))),
    generateName=Fixed(refuse("each object requires a fixed name; use `name`", unless=("",))),
    creationTimestamp=Fixed(remove(_SERVER)),
    deletionGracePeriodSeconds=Fixed(remove(_SERVER)),
    deletionTimestamp=Fixed(remove(_SERVER)),
    generation=Fixed(remove(_SERVER)),
    managedFields=Fixed(remove(_SERVER)),
    resourceVersion=Fixed(remove(_SERVER)),
    selfLink=Fixed(remove(_SERVER)),
    uid=Fixed(remove(_SERVER)),
)
