"""Does the cluster answer, and does the gateway carry the routes of environments?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from bot.cluster.client import Api, Refused
from bot.cluster.connection import connect
from bot.cluster.kinds import GATEWAY
from bot.doctor.findings import Ailing
from bot.settings import Settings


class ClusterChecks:
    """`version` comes first: it connects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api: Api | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._api is not None:
            await self._api.close()

    async def version(self) -> str:
        self._api = await connect(self._settings.kubeconfig)
        version = await self._api.read("/version")
        return f"Kubernetes {version.get('gitVersion', '')}"

    async def gateway(self) -> str:
        assert self._api is not None, "it is connected by the check of the version"
        name, domain = self._settings.gateway, self._settings.base_domain.host
        try:
            await self._api.read(f"/apis/{GATEWAY.api_version}")
        except Refused as error:
            if error.status != 404:
                raise
            raise Ailing(
                "The cluster has no Gateway API: install its CRDs and a controller for it."
            ) from None
        gateway = await self._api.get(GATEWAY, self._settings.gateway_name, self._settings.gateway_namespace)
        if gateway is None:
            raise Ailing(f"There is no Gateway {name}: make it, or correct GREENROOM_GATEWAY.")
        problem = gateway_problem(gateway, domain)
        if problem:
            raise Ailing(f"Gateway {name}: {problem}.")
        return f"{name} carries *.{domain}"


def gateway_problem(gateway: Mapping[str, Any], domain: str) -> str:
    """Why the Gateway cannot carry routes of environments below the domain; "" when it can."""
    conditions = {each["type"]: each for each in (gateway.get("status") or {}).get("conditions") or ()}
    programmed = conditions.get("Programmed", {})
    if programmed.get("status") != "True":
        return f"it is not programmed: {programmed.get('message') or 'no controller has taken it up'}"
    fitting = [each for each in gateway["spec"]["listeners"] if _covers(each.get("hostname", ""), domain)]
    if not fitting:
        return f"none of its listeners has the hostname *.{domain}, or no hostname"
    allowed = [(each.get("allowedRoutes") or {}).get("namespaces") or {} for each in fitting]
    if all(namespaces.get("from", "Same") == "Same" for namespaces in allowed):
        listener = fitting[0]["name"]
        return f"its listener {listener} lets in no routes of other namespaces; set allowedRoutes.namespaces"
    return ""


def _covers(hostname: str, domain: str) -> bool:
    """Whether a listener of this hostname takes all names one label below the domain."""
    if not hostname:
        return True
    return hostname.startswith("*.") and f".{domain}".endswith(hostname[1:].lower())
