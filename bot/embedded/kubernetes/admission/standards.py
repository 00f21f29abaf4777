"""The Pod Security Standards, in the words of Kubernetes' own checks."""

from collections.abc import Callable
from typing import Any

from bot.embedded.kubernetes.objects import Object, dig, rows, table

_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_VOLUMES = frozenset(
    [
        "configMap",
        "downwardAPI",
        "emptyDir",
        "projected",
        "secret",
        "csi",
        "persistentVolumeClaim",
        "ephemeral",
        "image",
    ]
)
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
Check = Callable[[Object], str]


def violations(spec: Object, level: str) -> list[str]:
    """Violations of `baseline` or `restricted` by a pod spec; none for any other level."""
    checks = {"baseline": _BASELINE, "restricted": _RESTRICTED}.get(level, ())
    return [message for check in checks if (message := check(spec))]


def _containers(spec: Object) -> list[Object]:
    return [
        container
        for group in ("initContainers", "containers", "ephemeralContainers")
        for container in rows(spec, group)
    ]


def _failing(spec: Object, fails: Callable[[Object], bool]) -> list[str]:
    return [
        container["name"] for container in _containers(spec) if fails(table(container, "securityContext"))
    ]


def _named(noun: str, names: list[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{noun} {quoted}" if len(names) == 1 else f"{noun}s {quoted}"


def _host_namespaces(spec: Object) -> str:
    host_namespaces = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(host_namespaces)})" if host_namespaces else ""


def _privileged(spec: Object) -> str:
    names = _failing(spec, lambda context: bool(context.get("privileged")))
    return (
        f"privileged ({_named('container', names)} must not set securityContext.privileged=true)"
        if names
        else ""
    )


def _added(spec: Object, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    """Containers that add capabilities other than these, and those capabilities."""
    names, extra = [], set()
    for container in _containers(spec):
        more = set(rows(container, "securityContext", "capabilities", "add")) - allowed
        if more:
            names.append(container["name"])
            extra |= more
    return names, sorted(extra)


def _capabilities(spec: Object) -> str:
    names, extra = _added(spec, _CAPABILITIES)
    if not names:
        return ""
    message = ", ".join(f'"{name}"' for name in extra)
    where = f"{_named('container', names)} must not include {message} in securityContext.capabilities.add"
    return f"non-default capabilities ({where})"


def _host_paths(spec: Object) -> str:
    names = [volume["name"] for volume in rows(spec, "volumes") if "hostPath" in volume]
    return f"hostPath volumes ({_named('volume', names)})" if names else ""


def _host_ports(spec: Object) -> str:
    names, ports = [], []
    for container in _containers(spec):
        host_ports = [str(port["hostPort"]) for port in rows(container, "ports") if port.get("hostPort")]
        if host_ports:
            names.append(container["name"])
            ports += host_ports
    if not names:
        return ""
    verb = "uses" if len(names) == 1 else "use"
    noun = "hostPorts" if len(ports) > 1 else "hostPort"
    return f"hostPort ({_named('container', names)} {verb} {noun} {', '.join(ports)})"


def _unconfined(spec: Object) -> str:
    if dig(spec, "securityContext", "seccompProfile", "type") == "Unconfined":
        return 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'
    names = _failing(spec, lambda context: dig(context, "seccompProfile", "type") == "Unconfined")
    if not names:
        return ""
    message = 'must not set securityContext.seccompProfile.type to "Unconfined"'
    return f"seccompProfile ({_named('container', names)} {message})"


def _volume_types(spec: Object) -> str:
    names, kinds = [], []
    for volume in rows(spec, "volumes"):
        bad = [kind for kind in volume if kind != "name" and kind not in _VOLUMES]
        if bad:
            names.append(volume["name"])
            kinds += [f'"{kind}"' for kind in bad if f'"{kind}"' not in kinds]
    if not names:
        return ""
    verb = "uses" if len(names) == 1 else "use"
    noun = "type" if len(kinds) == 1 else "types"
    message = f"{_named('volume', names)} {verb} restricted volume {noun} {', '.join(kinds)}"
    return f"restricted volume types ({message})"


def _escalation(spec: Object) -> str:
    names = _failing(spec, lambda context: context.get("allowPrivilegeEscalation") is not False)
    message = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_named('container', names)} {message})" if names else ""


def _restricted_capabilities(spec: Object) -> str:
    kept = _failing(spec, lambda context: "ALL" not in rows(context, "capabilities", "drop"))
    messages = []
    if kept:
        messages.append(f'{_named("container", kept)} must set securityContext.capabilities.drop=["ALL"]')
    names, extra = _added(spec, frozenset({"NET_BIND_SERVICE"}))
    if names:
        more = ", ".join(f'"{name}"' for name in extra)
        messages.append(
            f"{_named('container', names)} must not include {more} in securityContext.capabilities.add"
        )
    return f"unrestricted capabilities ({'; '.join(messages)})" if messages else ""


def _inherited(spec: Object, good: Callable[[Any], bool], *path: str) -> list[str]:
    """Containers for which neither they nor the pod have a good value."""
    pod = dig(spec, "securityContext", *path)
    values = {container["name"]: dig(container, "securityContext", *path) for container in _containers(spec)}
    return [name for name, value in values.items() if not good(value if value is not None else pod)]


def _root(spec: Object) -> str:
    wrong = _set_wrongly(spec, lambda value: value is False, "runAsNonRoot")
    if wrong:
        return f"runAsNonRoot != true ({wrong} must not set securityContext.runAsNonRoot=false)"
    names = _inherited(spec, lambda value: value is True, "runAsNonRoot")
    message = f"pod or {_named('container', names)} must set securityContext.runAsNonRoot=true"
    return f"runAsNonRoot != true ({message})" if names else ""


def _set_wrongly(spec: Object, bad: Callable[[Any], bool], *path: str) -> str:
    """The setters of a bad value: `pod`, `container "a"`, or both."""
    setters = ["pod"] if bad(dig(spec, "securityContext", *path)) else []
    names = _failing(spec, lambda context: bad(dig(context, *path)))
    return " and ".join([*setters, *([_named("container", names)] if names else [])])


def _root_user(spec: Object) -> str:
    if dig(spec, "securityContext", "runAsUser") == 0:
        return "runAsUser=0 (pod must not set runAsUser=0)"
    names = _failing(spec, lambda context: context.get("runAsUser") == 0)
    return f"runAsUser=0 ({_named('container', names)} must not set runAsUser=0)" if names else ""


def _seccomp(spec: Object) -> str:
    where = "securityContext.seccompProfile.type"
    wrong = _set_wrongly(spec, lambda value: value not in {None, *_SECCOMP}, "seccompProfile", "type")
    if wrong:
        return f'seccompProfile ({wrong} must not set {where} to "Unconfined")'
    names = _inherited(spec, lambda value: value in _SECCOMP, "seccompProfile", "type")
    message = f'pod or {_named("container", names)} must set {where} to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile ({message})" if names else ""


# In the order of the checks' names, which is the order in which Kubernetes reports them.
_BASELINE: tuple[Check, ...] = (
    _capabilities,
    _host_namespaces,
    _host_paths,
    _host_ports,
    _privileged,
    _unconfined,
)
_RESTRICTED: tuple[Check, ...] = (
    _host_namespaces,
    _host_ports,
    _privileged,
    _escalation,
    _restricted_capabilities,
    _volume_types,
    _root,
    _root_user,
    _seccomp,
)
