"""Manifests and requests for tests of the cluster package."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from bot.cluster.manifests import read
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render import renderer as rendering
from bot.cluster.render.generated import Marked
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Bundle, JobRequest, RenderRequest
from bot.model.release import Image
from bot.model.repository import Repository
from bot.model.routing import Backend, Hosts, Routing, ServiceRoute
from bot.settings import Domain, PodSecurity

Object = dict[str, Any]

KEY = EnvironmentKey.preview(4711, 7)
REPOSITORY = Repository(4711, 99, "acme", "shop")
NAMESPACE = "gr-shop-3mv-pr-7"
POLICY = ClusterPolicy(
    "gateways", "main", Domain("https", "preview.example.com", None), PodSecurity.RESTRICTED
)
HOST = "pr-7-shop.preview.example.com"
SHOP_BACKEND = Backend("shop", 80)
SHOP = Image("ghcr.io/acme/shop", "sha256:" + "a" * 64)


def deployment(name: str = "shop", **pod: Any) -> Object:
    """A Deployment as people write it; `pod` are more fields of the pod's spec."""
    container = {"name": "shop", "image": "ghcr.io/acme/shop:1.0"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], **pod},
            },
        },
    }


def stateful_set(name: str = "db") -> Object:
    manifest = deployment(name)
    manifest["kind"] = "StatefulSet"
    manifest["spec"]["serviceName"] = name
    manifest["spec"]["template"]["spec"]["containers"][0] = {"name": "db", "image": "postgres:17"}
    return manifest


def service(name: str = "shop", port: int = 80, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}], **spec},
    }


def config_map(name: str = "shop", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def files(*manifests: object, path: str = "deploy/all.yaml") -> dict[str, bytes]:
    return {path: yaml.safe_dump_all(copy.deepcopy(manifests)).encode()}


def routed(backend: Backend | None) -> Routing:
    """A single route to a Service, as `route` configures it."""
    return Routing((ServiceRoute(backend.service, backend),)) if backend else Routing()


def request(
    *manifests: object, backend: Backend | None = SHOP_BACKEND, host: str = HOST, **changes: Any
) -> RenderRequest:
    """A request for pull request 7 of the shop, with `changes`."""
    fields: Mapping[str, Any] = {
        "environment": KEY,
        "repository": REPOSITORY,
        "namespace": NAMESPACE,
        "commit": "c" * 40,
        "images": {"shop": SHOP},
        "files": files(*(manifests or (deployment(), service()))),
        "directory": "",
        "paths": ("deploy",),
        "routing": routed(backend),
        "hosts": Hosts(host, host),
        **changes,
    }
    return RenderRequest(**fields)


def job(
    name: str = "seed", *command: str, image: str = "shop", files: Mapping[str, bytes] | None = None
) -> JobRequest:
    return JobRequest(name, image, command or ("python", "-m", "shop.seed"), 300, files or {})


def render(request_: RenderRequest, policy: ClusterPolicy = POLICY) -> Bundle:
    """The bundle of a request with plain manifests."""
    return rendering.render(request_, Marked(read(request_.files, request_.paths)), policy)
