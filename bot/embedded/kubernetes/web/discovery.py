"""Which groups, versions and kinds there are: discovery, and as much of OpenAPI as kubectl asks for."""

from __future__ import annotations

from functools import cache
from typing import Any

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.resources import RESOURCES, Resource, groups
from bot.embedded.kubernetes.schema.types import VERSION

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_SUBRESOURCE_VERBS = {
    "log": ["get"],
    "binding": ["create"],
    "eviction": ["create"],
    "finalize": ["update"],
    "scale": ["get", "patch", "update"],
    "status": ["get", "patch", "update"],
}
_SUBRESOURCE_KINDS = {"scale": "Scale", "binding": "Binding", "eviction": "Eviction"}


def version() -> Object:
    major, minor, _ = VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def core_versions(host: str) -> Object:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def _group(name: str, version: str) -> Object:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def group(name: str) -> Object | None:
    found = groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, found)} if found else None


@cache
def group_list() -> Object:
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(*each) for each in groups().items()],
    }


def _entry(resource: Resource) -> Object:
    found: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    if resource.short:
        found["shortNames"] = list(resource.short)
    if resource.in_all:
        found["categories"] = ["all"]
    return found


def _sub_entry(resource: Resource, name: str) -> Object:
    found: Object = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": _SUBRESOURCE_KINDS.get(name, resource.kind),
        "verbs": _SUBRESOURCE_VERBS[name],
    }
    if name == "scale":
        found |= {"group": _SCALE["group"], "version": _SCALE["version"]}
    if name == "eviction":
        found |= {"group": "policy", "version": "v1"}
    return found


@cache
def resource_list(group: str, version: str) -> Object | None:
    found = []
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version):
            found.append(_entry(resource))
            found.extend(_sub_entry(resource, name) for name in resource.subresources)
    if not found:
        return None
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found}


def _aggregated_resource(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    found: Object = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
        "shortNames": list(resource.short),
        "categories": ["all"] if resource.in_all else [],
        "subresources": [],
    }
    for name in resource.subresources:
        below = _SCALE if name == "scale" else {**kind, "kind": _SUBRESOURCE_KINDS.get(name, resource.kind)}
        found["subresources"].append(
            {"subresource": name, "responseKind": below, "verbs": _SUBRESOURCE_VERBS[name]}
        )
    return found


@cache
def aggregated(core: bool) -> Object:
    """All groups with all their resources in one answer."""
    wanted = {"": "v1"} if core else groups()
    items = []
    for name, found in wanted.items():
        inside = [_aggregated_resource(each) for each in RESOURCES if each.group == name]
        versions = [{"version": found, "resources": inside, "freshness": "Current"}]
        items.append({"metadata": {"name": name} if name else {}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


@cache
def openapi_index() -> Object:
    paths = {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}
    for name, found in groups().items():
        paths[f"apis/{name}/{found}"] = {"serverRelativeURL": f"/openapi/v3/apis/{name}/{found}"}
    return {"paths": paths}


_QUERY = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation", "force")
]


@cache
def openapi(prefix: str) -> Object | None:
    """The operations of one group version: enough for clients that look whether a parameter is supported."""
    paths: dict[str, Any] = {}
    for resource in RESOURCES:
        base = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
        if base != f"/{prefix}":
            continue
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        inside = "/namespaces/{namespace}" if resource.namespaced else ""
        operation = {"x-kubernetes-group-version-kind": kind, "parameters": _QUERY, "responses": {}}
        item = {
            method: {**operation, "x-kubernetes-action": action}
            for method, action in (("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete"))
        }
        paths[f"{base}{inside}/{resource.plural}/{{name}}"] = item
        paths[f"{base}{inside}/{resource.plural}"] = {"post": {**operation, "x-kubernetes-action": "post"}}
    if not paths:
        return None
    info = {"title": "Kubernetes", "version": f"v{VERSION}"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
