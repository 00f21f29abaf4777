"""Leads requests for previews without a route to the bot's second port, as deploy/ does for its pod."""

from typing import Any

import yaml

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import ENDPOINT_SLICE, HTTP_ROUTE, SERVICE
from bot.embedded.installation import BASE, write
from bot.embedded.node.endpoints import SERVICE_LABEL

_PORT = "waker"


async def apply_waker_route(client: KubernetesApi, gateway: str, domain: str, port: int) -> None:
    """`port` is one of loopback, whose address stands for that of a pod."""
    route, service = _read("waker-route.yaml"), _read("service.yaml")
    namespace, _, name = gateway.partition("/")
    route["spec"] |= {"parentRefs": [{"namespace": namespace, "name": name}], "hostnames": [f"*.{domain}"]}
    slice_: dict[str, Any] = {
        "metadata": {
            "name": "greenroom-process",
            "labels": {SERVICE_LABEL: service["metadata"]["name"]},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": _PORT, "port": port, "protocol": "TCP"}],
    }
    for kind, body in ((SERVICE, service), (ENDPOINT_SLICE, slice_), (HTTP_ROUTE, route)):
        await write(client, kind, body)


def _read(name: str) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((BASE / name).read_text())
    return body
