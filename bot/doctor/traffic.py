"""Checks that requests pass the gateway and the network policy of an environment that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import ENDPOINT_SLICE, HTTP_ROUTE
from bot.cluster.names import OWN_NAME
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.policy import ClusterPolicy
from bot.cluster.routing.gateway import HttpGateway
from bot.doctor.checks import CheckFailed
from bot.model.manifest import Answer
from bot.settings import Domain, GatewaySource, Settings

_MOST = 20
"""Namespaces that are searched for one with ready pods."""
_SERVICE_NAME = "kubernetes.io/service-name"
_NO_BACKEND = (502, 503, 504)
"""Statuses of a gateway that cannot connect to a pod."""


async def check_traffic(api: KubernetesApi, settings: Settings, policy: ClusterPolicy) -> str:
    """Sends a request to the first environment with a route and ready pods."""
    namespaces = await KubernetesNamespaces(api, policy, settings.github_app_id).owned_namespaces()
    for namespace in [owned.name for owned in namespaces if not owned.terminating][:_MOST]:
        routes, slices = await asyncio.gather(
            api.list(HTTP_ROUTE, namespace), api.list(ENDPOINT_SLICE, namespace)
        )
        target = next(_targets(routes.items, slices.items), None)
        if target is None:
            continue
        host, path = target
        domain = _domain(settings, host)
        async with HttpGateway(domain, settings.gateway_address, settings.gateway_ca_file) as gateway:
            answer = await gateway.get(host, path)
        problem = traffic_problem(answer, namespace, f"{domain.scheme}://{host}{path}", policy)
        if problem is not None:
            raise CheckFailed(problem)
        return f"requests for {host} reach the pods of {namespace}"
    return "no environment with a route runs yet; check again when one does"


def traffic_problem(answer: Answer, namespace: str, url: str, policy: ClusterPolicy) -> str | None:
    """Whether the gateway or the network policy is wrong; None if a pod answered. Its pods are ready."""
    if answer.status is None and not answer.timed_out:
        return f"The gateway does not answer {url}: {answer.error}."
    if answer.status is not None and answer.status not in _NO_BACKEND:
        if answer.release_id is not None:
            return None
        return (
            f"The gateway answers {url} with {answer.status} but not with Greenroom's HTTPRoute: "
            "it does not serve that route, or another route has the host. `kubectl describe httproute "
            f"--namespace {namespace}` shows its conditions."
        )
    result = answer.error or f"status {answer.status}"
    sources = ", ".join(map(_source, policy.gateway_sources))
    return (
        f"Pods of {namespace} are ready, but the gateway cannot reach them ({result} for {url}). The "
        f"NetworkPolicy {OWN_NAME} admits {sources}. Set GREENROOM_GATEWAY_PODS to where the gateway's "
        "requests come from. If the application itself answers so, nothing is wrong."
    )


def _source(source: GatewaySource) -> str:
    if source.network:
        return f"the network {source.network}"
    labels = " and ".join(f"{key}={value}" for key, value in source.labels.items())
    return f"pods of the namespace {source.namespace}" + (f" with {labels}" if labels else "")


def _targets(
    routes: Sequence[Mapping[str, Any]], slices: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Host and path of rules whose Services have ready pods."""
    ready = {
        endpoints["metadata"].get("labels", {}).get(_SERVICE_NAME)
        for endpoints in slices
        if any(
            (endpoint.get("conditions") or {}).get("ready") is not False
            for endpoint in endpoints.get("endpoints") or ()
        )
    }
    for route in routes:
        spec = route["spec"]
        for rule in spec.get("rules") or ():
            backends = {backend.get("name") for backend in rule.get("backendRefs") or ()}
            if backends & ready and spec.get("hostnames"):
                matches = rule.get("matches") or [{}]
                yield spec["hostnames"][0], (matches[0].get("path") or {}).get("value") or "/"


def _domain(settings: Settings, host: str) -> Domain:
    fork = settings.fork_base_domain
    return fork if fork is not None and host.endswith(f".{fork.host}") else settings.base_domain
