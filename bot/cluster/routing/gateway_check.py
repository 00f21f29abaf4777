"""The operator's Gateway, as it must be for routes of environments."""

from __future__ import annotations

from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import GATEWAY
from bot.cluster.policy import ClusterPolicy


async def gateway_problem(api: KubernetesApi, policy: ClusterPolicy) -> str | None:
    """The reason why the operator's Gateway cannot serve routes of environments; None when it can."""
    where = f"{policy.gateway_namespace}/{policy.gateway_name}"
    gateway = await api.find(GATEWAY, policy.gateway_name, policy.gateway_namespace)
    if gateway is None:
        return f"Gateway {where} does not exist. Create it, or set GREENROOM_GATEWAY to an existing one."
    conditions = {
        condition.get("type"): condition
        for condition in (gateway.get("status") or {}).get("conditions") or []
    }
    for kind in ("Accepted", "Programmed"):
        if conditions.get(kind, {}).get("status") != "True":
            message = conditions.get(kind, {}).get("message") or "no controller has accepted it"
            return f"Gateway {where} is not {kind.lower()}: {message}."
    listeners = (gateway.get("spec") or {}).get("listeners") or []
    domains = filter(None, (policy.domain, policy.fork_domain))
    for host in (*(f"*.{domain.host}" for domain in domains), *policy.hosts):
        problems = [problem for listener in listeners if (problem := _listener_problem(listener, host))]
        if len(problems) == len(listeners):
            reasons = "; ".join(problems) or "it has no listeners"
            return f"Gateway {where} has no listener for {host}: {reasons}."
    return None


def _listener_problem(listener: dict[str, Any], host: str) -> str | None:
    name = listener.get("name")
    sources = ((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
    if sources == "Same":
        return f"{name} accepts routes of its own namespace only; set allowedRoutes.namespaces.from"
    hostname = listener.get("hostname") or ""
    below = hostname.startswith("*.") and host.endswith(hostname.removeprefix("*"))
    if hostname and hostname != host and not below:
        return f"{name} serves {hostname}, not {host}"
    return None
