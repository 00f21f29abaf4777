"""The Gateways of the cluster from which the operator chooses one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import GATEWAY

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class GatewayChoice:
    name: str
    """`NAMESPACE/NAME`."""
    domains: tuple[str, ...]
    """Base domains that its wildcard listeners serve, as GREENROOM_BASE_DOMAIN is written."""


async def gateways(api: KubernetesApi) -> Sequence[GatewayChoice]:
    """All Gateways, those with a wildcard listener first. None where the API is not served."""
    try:
        listed = await api.list(GATEWAY)
    except Refused as error:
        if error.status != 404:
            raise
        return ()
    choices = [
        GatewayChoice(
            f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}",
            tuple(filter(None, map(_domain, gateway["spec"].get("listeners") or ()))),
        )
        for gateway in listed.items
    ]
    return sorted(choices, key=lambda choice: (not choice.domains, choice.name))


def _domain(listener: dict[str, Any]) -> str:
    """The base domain of a listener with a wildcard host; "" for another listener."""
    host, protocol = listener.get("hostname") or "", str(listener.get("protocol", "")).lower()
    if not host.startswith("*.") or protocol not in _DEFAULT_PORTS:
        return ""
    port = listener.get("port")
    suffix = "" if port == _DEFAULT_PORTS[protocol] else f":{port}"
    scheme = "" if protocol == "https" and not suffix else f"{protocol}://"
    return f"{scheme}{host.removeprefix('*.')}{suffix}"
