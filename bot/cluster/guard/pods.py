"""Checks of pods and volume claims: no access to the node and no privileges.

Includes all fields that Pod Security would refuse later, when the error is harder to find.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.node import Finding, Node

_VOLUMES = frozenset(
    ("configMap", "secret", "emptyDir", "projected", "downwardAPI", "persistentVolumeClaim", "ephemeral")
)
_PROJECTED = frozenset(("configMap", "secret", "downwardAPI", "serviceAccountToken"))
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
_SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_OLD_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def pod_findings(metadata: Node, spec: Node, restricted: bool) -> Iterator[Finding]:
    """Checks metadata and spec of a Pod or pod template; `restricted` is the Pod Security level."""
    yield from _node(spec)
    for key, annotation in metadata["annotations"].pairs():
        if key.startswith(_OLD_APPARMOR) and annotation.value == "unconfined":
            yield annotation.finding("AppArmor must not be disabled; remove this annotation")
    for volume in spec["volumes"].items():
        yield from _volume(volume)
    yield from _security(spec["securityContext"], restricted)
    for sysctl in spec.at("securityContext", "sysctls").items():
        if sysctl["name"].text() not in _SAFE_SYSCTLS:
            yield sysctl.finding("only sysctls that Kubernetes lists as safe are allowed")
    for group in _CONTAINERS:
        for container in spec[group].items():
            yield from _container(container, restricted)


def _node(spec: Node) -> Iterator[Finding]:
    """Fields that give a pod access to its node."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec[name].value not in (None, False):
            yield spec[name].finding(
                "a pod must not share the network, processes or memory of its node; remove this field"
            )
    if spec["nodeName"]:
        yield spec["nodeName"].finding("the scheduler selects the node; remove this field")
    if spec["priorityClassName"].text().startswith("system-"):
        yield spec["priorityClassName"].finding(
            "system priority classes are reserved for the cluster; remove this field"
        )


def _volume(volume: Node) -> Iterator[Finding]:
    for kind, source in volume.pairs():
        if kind == "name":
            continue
        if kind == "hostPath":
            yield source.finding("a pod must not mount files of its node; use another volume type")
        elif kind not in _VOLUMES:
            yield source.finding(f"this volume type is not allowed; allowed types: {_listed(_VOLUMES)}")
    for source in volume.at("projected", "sources").items():
        for kind, part in source.pairs():
            if kind not in _PROJECTED:
                yield part.finding(f"this source is not allowed; allowed sources: {_listed(_PROJECTED)}")
    template = volume.at("ephemeral", "volumeClaimTemplate", "spec")
    if template:
        yield from claim_findings(template)


def _container(container: Node, restricted: bool) -> Iterator[Finding]:
    if not container["image"].text():
        yield container["image"].finding("a container requires an image")
    for port in container["ports"].items():
        if port["hostPort"].value not in (None, 0):
            yield port["hostPort"].finding("a pod must not claim a port of its node; use a Service")
    yield from _handlers(container)
    security = container["securityContext"]
    yield from _security(security, restricted)
    if security["privileged"].value not in (None, False):
        yield security["privileged"].finding("privileged containers are not allowed; remove this field")
    if security["allowPrivilegeEscalation"].value not in (None, False):
        yield security["allowPrivilegeEscalation"].finding(
            "privilege escalation is not allowed; remove this field"
        )
    if security["procMount"].value not in (None, "Default"):
        yield security["procMount"].finding("only the default mount of /proc is allowed; remove this field")
    for capability in security.at("capabilities", "add").items():
        if capability.value != "NET_BIND_SERVICE":
            yield capability.finding("NET_BIND_SERVICE is the only capability that may be added")


def _handlers(container: Node) -> Iterator[Finding]:
    """Checks probes and hooks, which the kubelet runs in the network of the node."""
    handlers = [container[probe] for probe in _PROBES]
    handlers += [container.at("lifecycle", hook) for hook in _HOOKS]
    for handler in handlers:
        for protocol in ("httpGet", "tcpSocket"):
            host = handler.at(protocol, "host")
            if host.text():
                yield host.finding("probes and hooks must address their own pod; remove `host`")


def _security(context: Node, restricted: bool) -> Iterator[Finding]:
    """Checks the fields that the security contexts of pods and containers share."""
    for profile in ("seccompProfile", "appArmorProfile"):
        kind = context.at(profile, "type")
        if kind.value == "Unconfined":
            yield kind.finding("this profile must not be disabled; remove this field")
    selinux = context["seLinuxOptions"]
    if selinux["type"].text() not in _SELINUX_TYPES or selinux["user"].text() or selinux["role"].text():
        yield selinux.finding(
            "only the SELinux types of ordinary containers are allowed; remove these options"
        )
    host_process = context.at("windowsOptions", "hostProcess")
    if host_process.value not in (None, False):
        yield host_process.finding("a pod must not run as a process of its node; remove this field")
    if not restricted:
        return
    if context["runAsNonRoot"].value is False:
        yield context["runAsNonRoot"].finding("containers must not run as root; remove this field")
    if context["runAsUser"].value == 0:
        yield context["runAsUser"].finding("containers must not run as root; use another user ID")


def claim_findings(spec: Node) -> Iterator[Finding]:
    """Checks the spec of a PersistentVolumeClaim or of a claim template: new volumes only."""
    if spec["volumeName"]:
        yield spec["volumeName"].finding(
            "a claim must not request a specific volume, which may belong to others; remove this field"
        )
    if spec.at("dataSourceRef", "namespace"):
        yield spec.at("dataSourceRef", "namespace").finding(
            "data must not come from another namespace; remove this field"
        )


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
