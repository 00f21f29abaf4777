"""The gateway's responses and the conditions of routes."""

from collections import Counter

import httpx
import pytest

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import DEPLOYMENT, GATEWAY, HTTP_ROUTE, NAMESPACE
from tests.kubernetes.world import condition, eventually
from tests.unit.embedded_gateway.conftest import GatewayHarness, parent_condition, parents


def to(name: str, weight: int = 1) -> Object:
    return {"name": name, "port": 80, "weight": weight}


async def test_route_is_accepted_and_served(harness: GatewayHarness) -> None:
    await harness.shop("shoes")
    route = await harness.route("shoes", {"backendRefs": [to("shoes")]})
    await harness.opened("shoes")
    assert parent_condition(route, "Accepted")[:2] == ("True", "Accepted")
    assert parent_condition(route, "ResolvedRefs")[:2] == ("True", "ResolvedRefs")
    assert (await harness.request("shoes")).json()["name"] == "shoes"

    gateway = await harness.world.until(
        GATEWAY,
        "public",
        lambda item: (item.get("status") or {}).get("listeners", [{}])[0].get("attachedRoutes") == 1,
        "counting its route",
    )
    assert condition(gateway, "Programmed")["status"] == "True"
    assert gateway["status"]["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]


async def test_request_and_response_are_complete(harness: GatewayHarness) -> None:
    await harness.shop("shoes")
    await harness.route("shoes", {"backendRefs": [to("shoes")]})
    await harness.opened("shoes")
    answer = await harness.request("shoes", "/a%2Fb/?q=%20x&q=2", "POST", content=b"x" * 100_000)
    seen = answer.json()
    assert seen["path"] == "/a%2Fb/?q=%20x&q=2"
    assert len(seen["body"]) == 100_000
    assert seen["headers"]["Host"] == f"{harness.hostname('shoes')}:{harness.gateway.port}"
    assert seen["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert (await harness.request("shoes", "/teapot")).status_code == 418
    head = await harness.request("shoes", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


async def test_missing_route_and_backend_are_reported(harness: GatewayHarness) -> None:
    answer = await harness.request("absent")
    assert (answer.status_code, answer.text) == (404, f"No route serves {harness.hostname('absent')}.\n")
    only = {"matches": [{"path": {"type": "PathPrefix", "value": "/shop"}}], "backendRefs": [to("none")]}
    route = await harness.route("lost", only)
    assert parent_condition(route, "ResolvedRefs")[:2] == ("False", "BackendNotFound")
    answer = await harness.request("lost", "/shopping")
    assert (answer.status_code, answer.text) == (
        404,
        f"No route serves path /shopping of {harness.hostname('lost')}.\n",
    )
    assert (await harness.request("lost", "/shop/x")).status_code == 500


async def test_service_without_pods_is_unavailable(harness: GatewayHarness) -> None:
    await harness.shop("shoes")
    await harness.route("shoes", {"backendRefs": [to("shoes")]})
    await harness.opened("shoes")
    await harness.world.client.patch(DEPLOYMENT, "shoes", {"spec": {"replicas": 0}}, harness.world.namespace)

    async def unavailable() -> bool:
        try:
            answer = await harness.request("shoes")
        except httpx.RemoteProtocolError:  # the pod ended in the middle of its answer
            return False
        return answer.status_code == 503 and answer.text == "No pod of Service shoes is ready.\n"

    await eventually(unavailable)


async def test_weights_are_applied_and_changed(harness: GatewayHarness) -> None:
    await harness.shop("old")
    await harness.shop("new")
    await harness.route("shop", {"backendRefs": [to("old", 9), to("new", 1)]})
    await harness.opened("shop", 10)
    names = [(await harness.request("shop")).json()["name"] for _ in range(20)]
    assert Counter(names) == {"old": 18, "new": 2}
    moved = {"spec": {"rules": [{"backendRefs": [to("old", 0), to("new", 1)]}]}}
    await harness.world.client.patch(HTTP_ROUTE, "shop", moved, harness.world.namespace)

    async def all_new() -> bool:
        return {(await harness.request("shop")).json()["name"] for _ in range(3)} == {"new"}

    await eventually(all_new)


async def test_header_filters(harness: GatewayHarness) -> None:
    await harness.shop("shoes")
    filters = [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": "X-Shop", "value": "shoes"}], "remove": ["Cookie"]},
        },
        {
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {
                "add": [{"name": "X-Seen", "value": "1"}],
                "remove": ["Server-Secret"],
            },
        },
    ]
    await harness.route("shoes", {"filters": filters, "backendRefs": [to("shoes")]})
    await harness.opened("shoes")
    answer = await harness.request("shoes", headers={"Cookie": "a=b", "X-Shop": "fish"})
    seen = answer.json()["headers"]
    assert seen["X-Shop"] == "shoes"
    assert "Cookie" not in seen
    assert answer.headers["X-Seen"] == "1"
    assert "Server-Secret" not in answer.headers


async def test_hostname_of_another_namespace_is_refused(harness: GatewayHarness) -> None:
    await harness.shop("shoes")
    await harness.route("shoes", {"backendRefs": [to("shoes")]})
    await harness.opened("shoes")
    thief = f"{harness.world.namespace}-thief"
    client = harness.world.client
    await client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": thief}})
    parent = {"name": "public", "namespace": harness.world.namespace}
    spec = {
        "parentRefs": [parent],
        "hostnames": [harness.hostname("shoes")],
        "rules": [{"backendRefs": [to("fake")]}],
    }
    metadata = {"name": "a-thief", "namespace": thief}
    kind = {"apiVersion": HTTP_ROUTE.api_version, "kind": "HTTPRoute"}
    await client.create(HTTP_ROUTE, {**kind, "metadata": metadata, "spec": spec})

    async def refused() -> bool:
        route = await client.get(HTTP_ROUTE, "a-thief", thief)
        return bool(parents(route)) and parent_condition(route, "Accepted")[1] == "HostnameConflict"

    await eventually(refused)
    route = await client.get(HTTP_ROUTE, "a-thief", thief)
    owner = f"{harness.world.namespace}/shoes"
    assert parent_condition(route, "Accepted")[2].endswith(f"{harness.hostname('shoes')} by {owner}")
    assert (await harness.request("shoes")).json()["name"] == "shoes"
    await client.delete(NAMESPACE, thief)


async def test_unsupported_route_is_not_served(harness: GatewayHarness) -> None:
    odd = {"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "x", "port": 80}}}]}
    route = await harness.route("odd", odd)
    status, reason, message = parent_condition(route, "Accepted")
    assert (status, reason) == ("False", "UnsupportedValue")
    assert "RequestMirror" in message
    assert (await harness.request("odd")).status_code == 404


async def test_broken_response_breaks_the_connection(harness: GatewayHarness) -> None:
    await harness.shop("shoes")
    await harness.route("shoes", {"backendRefs": [to("shoes")]})
    await harness.opened("shoes")
    with pytest.raises(httpx.RemoteProtocolError):
        await harness.request("shoes", "/half")
    assert (await harness.request("shoes")).status_code == 200
