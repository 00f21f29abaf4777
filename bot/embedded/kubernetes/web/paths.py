"""The URL layout of the Kubernetes API."""

from dataclasses import dataclass

from bot.embedded.kubernetes.errors import no_such_path
from bot.embedded.kubernetes.registry.requests import Target
from bot.embedded.kubernetes.resources import by_path, groups

_NAMESPACE_SUBRESOURCES = ("status",)


@dataclass(frozen=True)
class _Rest:
    group: str
    version: str
    parts: list[str]


def _split(path: str) -> _Rest | None:
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        return _Rest("", parts[1], parts[2:])
    if parts[:1] == ["apis"] and len(parts) > 3:
        return _Rest(parts[1], parts[2], parts[3:])
    return None


def known_version(path: str) -> bool:
    """Whether a path lies below a group and version that is served."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        return parts[1:2] == ["v1"]
    return parts[:1] == ["apis"] and len(parts) > 2 and groups().get(parts[1]) == parts[2]


def target_of(path: str) -> Target:
    """The object or collection at a path; a 404 where this server has nothing."""
    rest = _split(path)
    if rest is None:
        raise no_such_path()
    parts, namespace = rest.parts, ""
    if (
        parts[0] == "namespaces"
        and len(parts) > 2
        and not (len(parts) == 3 and parts[2] in _NAMESPACE_SUBRESOURCES)
    ):
        namespace, parts = parts[1], parts[2:]
    resource = by_path(rest.group, rest.version, parts[0])
    if resource is None or len(parts) > 3 or (namespace and not resource.namespaced):
        raise no_such_path()
    subresource = parts[2] if len(parts) == 3 else ""
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    name = parts[1] if len(parts) > 1 else ""
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    return Target(resource, namespace, name, subresource)


def verb_of(method: str, target: Target, watching: bool) -> str:
    """The verb of RBAC for a request."""
    if method in {"GET", "HEAD"}:
        if target.name:
            return "get"
        return "watch" if watching else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())
