"""The environment's HTTPRoute: one host to one Service, with a response header that names the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.client.kinds import HTTP_ROUTE
from bot.cluster.names import ROUTE
from bot.cluster.node import InvalidShape, Node
from bot.cluster.pod_templates import pod_template
from bot.cluster.policy import ClusterPolicy
from bot.model.errors import ManifestRefused
from bot.model.manifest import RELEASE_HEADER, Backend, Manifest

Object = dict[str, Any]


def http_route(host: str, backend: Backend, release_id: str, policy: ClusterPolicy) -> Object:
    gateway = {
        "group": HTTP_ROUTE.group,
        "kind": "Gateway",
        "namespace": policy.gateway_namespace,
        "name": policy.gateway_name,
    }
    header = {"set": [{"name": RELEASE_HEADER, "value": release_id}]}
    service = {"group": "", "kind": "Service", "name": backend.service, "port": backend.port, "weight": 1}
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": {"name": ROUTE},
        "spec": {
            "parentRefs": [gateway],
            "hostnames": [host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": header}],
                    "backendRefs": [service],
                }
            ],
        },
    }


def backend_selector(backend: Backend, manifests: Sequence[Manifest]) -> Mapping[str, str]:
    """The selector of the route's Service. Raises ManifestRefused for an unknown Service or port."""
    services = {
        manifest["metadata"]["name"]: Node(manifest)
        for manifest in manifests
        if manifest["kind"] == "Service"
    }
    service = services.get(backend.service)
    if service is None:
        existing = f"; existing Services: {', '.join(sorted(services))}" if services else ""
        raise ManifestRefused(
            f".greenroom.yml, route.service: the manifests have no Service {backend.service!r}{existing}."
        )
    try:
        ports = [port["port"].value for port in service.at("spec", "ports").items()]
        selector = {key: value.text() for key, value in service.at("spec", "selector").pairs()}
    except InvalidShape as error:
        raise ManifestRefused(f"Service/{backend.service}: {error.finding.reason} in its spec.") from None
    if backend.port not in ports:
        raise ManifestRefused(
            f".greenroom.yml, route.port: the Service {backend.service!r} has no port {backend.port}; "
            f"it has {', '.join(str(port) for port in ports) or 'none'}."
        )
    return selector


def selects(selector: Mapping[str, str], manifest: Manifest) -> bool:
    """Whether a Service with this selector leads to the pods of an object."""
    template = pod_template(manifest)
    if template is None or not selector:
        return False
    labels = (template.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())
