"""Rules for pods: no access to the node, no privileges, no influence on other workloads.

Includes all fields that Pod Security would refuse later, when the error is harder to find.
"""

from __future__ import annotations

from bot.cluster.guard.decisions import Outcome, Refuse, Remove, Replace, Scope, key_of
from bot.cluster.node import Node

_SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_RESTRICTED_CAPABILITIES = frozenset(("NET_BIND_SERVICE",))
_BASELINE_CAPABILITIES = _RESTRICTED_CAPABILITIES | {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}
_RESOURCES = frozenset(("cpu", "memory", "ephemeral-storage"))
_NODE_LABELS = ("kubernetes.io/arch", "kubernetes.io/os")
_DEFAULT_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
PLACEMENT = "the cluster decides where pods run, unless the operator allows it (`GREENROOM_ALLOWED_FIELDS`)"


def node_selector(node: Node, _: Scope) -> Outcome:
    node.text()
    return None if key_of(node) in _NODE_LABELS else Remove(PLACEMENT)


def toleration(node: Node, _: Scope) -> Outcome:
    """Allows the tolerations that Kubernetes adds to each pod, with another time."""
    key, effect = node["key"].text(), node["effect"].text()
    return None if key in _DEFAULT_TOLERATIONS and effect == "NoExecute" else Remove(PLACEMENT)


def priority_class(node: Node, _: Scope) -> Outcome:
    if node.text().startswith("system-"):
        return Refuse(
            "system priority classes are reserved for the cluster; remove this field", by_value=True
        )
    return Remove(PLACEMENT) if node.text() else None


def grace_period(node: Node, scope: Scope) -> Outcome:
    """Caps a time for which a container can delay its termination."""
    longest = scope.policy.longest_grace_seconds
    if not isinstance(node.value, int):
        return Refuse("expected a whole number of seconds")
    if node.value <= longest:
        return None
    return Replace(longest, "longer times delay the deletion (`GREENROOM_LONGEST_GRACE_PERIOD`)")


def resource(node: Node, scope: Scope) -> Outcome:
    """Judges an entry of `requests` or `limits`."""
    name = key_of(node)
    if name in _RESOURCES or name in scope.policy.allowed_resources:
        return None
    allowed = ", ".join(sorted({*_RESOURCES, *scope.policy.allowed_resources}))
    return Refuse(
        f"this resource is not allowed; allowed: {allowed}; the operator can allow others with "
        "`GREENROOM_ALLOWED_RESOURCES`"
    )


def run_as_user(node: Node, scope: Scope) -> Outcome:
    if scope.policy.restricted and node.value == 0:
        return Refuse("containers must not run as root; use another user ID")
    return None


def run_as_non_root(node: Node, scope: Scope) -> Outcome:
    if scope.policy.restricted and node.value is not True:
        return Refuse("containers must not run as root; remove this field")
    return None


def privilege_escalation(node: Node, scope: Scope) -> Outcome:
    if node.value is False or not scope.policy.restricted:
        return None
    return Refuse("privilege escalation is not allowed; remove this field")


def capability(node: Node, scope: Scope) -> Outcome:
    allowed = _RESTRICTED_CAPABILITIES if scope.policy.restricted else _BASELINE_CAPABILITIES
    if node.text() in allowed:
        return None
    return Remove(
        f"the Pod Security Standard `{scope.policy.pod_security}` forbids it; the container runs without"
    )


def sysctl(node: Node, _: Scope) -> Outcome:
    if node["name"].text() in _SAFE_SYSCTLS:
        return None
    return Refuse("only sysctls that Kubernetes lists as safe are allowed")


def selinux_type(node: Node, _: Scope) -> Outcome:
    if node.text() in _SELINUX_TYPES:
        return None
    return Refuse("only the SELinux types of ordinary containers are allowed; remove this field")


def profile_type(node: Node, _: Scope) -> Outcome:
    if node.value in ("RuntimeDefault", "Localhost"):
        return None
    return Refuse("this profile must not be disabled; remove this field")
