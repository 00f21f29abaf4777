"""Discovery of groups and kinds, and as much of OpenAPI as kubectl reads."""

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
    "token": ["create"],
    "scale": ["get", "patch", "update"],
    "status": ["get", "patch", "update"],
}
_QUERY = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation", "force")
]


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


def _kind(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _resource(resource: Resource) -> Object:
    return {
        "resource": resource.plural,
        "responseKind": _kind(resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
        "shortNames": list(resource.short),
        "categories": ["all"] if resource.in_all else [],
        "subresources": [
            {
                "subresource": name,
                "responseKind": _SCALE if name == "scale" else _kind(resource),
                "verbs": _SUBRESOURCE_VERBS[name],
            }
            for name in resource.subresources
        ],
    }


@cache
def aggregated(core: bool) -> Object:
    """All groups with all their resources in one document."""
    items = []
    for group, group_version in ({"": "v1"} if core else groups()).items():
        resources = [_resource(resource) for resource in RESOURCES if resource.group == group]
        versions = [{"version": group_version, "resources": resources, "freshness": "Current"}]
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


@cache
def resources(api_version: str) -> Object | None:
    """The resources of one group version; None if it is not served."""
    served = [
        {"name": resource.plural, "kind": resource.kind, "namespaced": resource.namespaced}
        for resource in RESOURCES
        if resource.api_version == api_version
    ]
    listing = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version}
    return {**listing, "resources": served} if served else None


@cache
def openapi_index() -> Object:
    paths = {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}
    for group, group_version in groups().items():
        path = f"apis/{group}/{group_version}"
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
    return {"paths": paths}


@cache
def openapi(prefix: str) -> Object | None:
    """The operations of one group version: enough for clients that look up supported parameters."""
    paths: dict[str, Any] = {}
    for resource in RESOURCES:
        base = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
        if base != f"/{prefix}":
            continue
        scope = "/namespaces/{namespace}" if resource.namespaced else ""
        operation = {
            "x-kubernetes-group-version-kind": _kind(resource),
            "parameters": _QUERY,
            "responses": {},
        }
        paths[f"{base}{scope}/{resource.plural}/{{name}}"] = {
            method: {**operation, "x-kubernetes-action": method}
            for method in ("get", "put", "patch", "delete")
        }
        paths[f"{base}{scope}/{resource.plural}"] = {"post": {**operation, "x-kubernetes-action": "post"}}
    if not paths:
        return None
    info = {"title": "Kubernetes", "version": f"v{VERSION}"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
