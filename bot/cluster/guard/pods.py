"""Pods: nothing of the node, nothing privileged, nothing that Pod Security would refuse later."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.guard.claims import claim_findings
from bot.cluster.guard.node import Finding, Node

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
    """`metadata` and `spec` of a Pod or a pod template; `restricted`: the Pod Security level."""
    yield from _node(spec)
    for key, annotation in metadata["annotations"].pairs():
        if key.startswith(_OLD_APPARMOR) and annotation.value == "unconfined":
            yield annotation.finding("AppArmor may not be switched off")
    for volume in spec["volumes"].items():
        yield from _volume(volume)
    yield from _security(spec["securityContext"], restricted)
    for sysctl in spec.at("securityContext", "sysctls").items():
        if sysctl["name"].text() not in _SAFE_SYSCTLS:
            yield sysctl.finding("only kernel parameters that Kubernetes calls safe may be set")
    for group in _CONTAINERS:
        for container in spec[group].items():
            yield from _container(container, restricted)


def _node(spec: Node) -> Iterator[Finding]:
    """What a pod may not have of its node."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec[name].value not in (None, False):
            yield spec[name].finding("a pod may not share its node's network, processes or memory")
    if spec["nodeName"]:
        yield spec["nodeName"].finding("the scheduler chooses the node")
    if spec["priorityClassName"].text().startswith("system-"):
        yield spec["priorityClassName"].finding("system priorities are for the cluster's own pods")


def _volume(volume: Node) -> Iterator[Finding]:
    for kind, source in volume.pairs():
        if kind == "name":
            continue
        if kind == "hostPath":
            yield source.finding("a pod may not mount its node's files")
        elif kind not in _VOLUMES:
            yield source.finding(f"volumes of this type are not allowed; allowed are {_listed(_VOLUMES)}")
    for source in volume.at("projected", "sources").items():
        for kind, part in source.pairs():
            if kind not in _PROJECTED:
                yield part.finding(f"only {_listed(_PROJECTED)} may be projected")
    template = volume.at("ephemeral", "volumeClaimTemplate", "spec")
    if template:
        yield from claim_findings(template)


def _container(container: Node, restricted: bool) -> Iterator[Finding]:
    if not container["image"].text():
        yield container["image"].finding("a container needs an image")
    for port in container["ports"].items():
        if port["hostPort"].value not in (None, 0):
            yield port["hostPort"].finding("a pod may not take a port of its node; use a Service")
    yield from _handlers(container)
    security = container["securityContext"]
    yield from _security(security, restricted)
    if security["privileged"].value not in (None, False):
        yield security["privileged"].finding("privileged containers are not allowed")
    if security["allowPrivilegeEscalation"].value not in (None, False):
        yield security["allowPrivilegeEscalation"].finding(
            "a process may not gain more rights than its parent"
        )
    if security["procMount"].value not in (None, "Default"):
        yield security["procMount"].finding("only the default mount of /proc is allowed")
    for capability in security.at("capabilities", "add").items():
        if capability.value != "NET_BIND_SERVICE":
            yield capability.finding("no Linux capability but NET_BIND_SERVICE may be added")


def _handlers(container: Node) -> Iterator[Finding]:
    """Probes and hooks run in the node's network."""
    handlers = [container[probe] for probe in _PROBES]
    handlers += [container.at("lifecycle", hook) for hook in _HOOKS]
    for handler in handlers:
        for protocol in ("httpGet", "tcpSocket"):
            host = handler.at(protocol, "host")
            if host.text():
                yield host.finding("a probe or hook asks its own pod; leave `host` out")


def _security(context: Node, restricted: bool) -> Iterator[Finding]:
    """What a pod's and a container's security context have in common."""
    for profile in ("seccompProfile", "appArmorProfile"):
        kind = context.at(profile, "type")
        if kind.value == "Unconfined":
            yield kind.finding("this protection may not be switched off")
    selinux = context["seLinuxOptions"]
    if selinux["type"].text() not in _SELINUX_TYPES or selinux["user"].text() or selinux["role"].text():
        yield selinux.finding("only the SELinux types of ordinary containers are allowed")
    host_process = context.at("windowsOptions", "hostProcess")
    if host_process.value not in (None, False):
        yield host_process.finding("a pod may not run as a process of its node")
    if not restricted:
        return
    if context["runAsNonRoot"].value is False:
        yield context["runAsNonRoot"].finding("environments run no process as root")
    if context["runAsUser"].value == 0:
        yield context["runAsUser"].finding("environments run no process as root; name another user id")


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
