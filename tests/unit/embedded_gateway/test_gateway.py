"""What a browser and a controller see of the gateway."""

from collections import Counter

import httpx
import pytest

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import DEPLOYMENT, GATEWAY, HTTP_ROUTE, NAMESPACE
from tests.kubernetes.world import condition, eventually
from tests.unit.embedded_gateway.conftest import Street, parents, verdict


def to(name: str, weight: int = 1) -> Object:
    return {"name": name, "port": 80, "weight": weight}


async def test_route_is_accepted_and_served(street: Street) -> None:
    await street.shop("shoes")
    route = await street.route("shoes", {"backendRefs": [to("shoes")]})
    await street.opened("shoes")
    assert verdict(route, "Accepted")[:2] == ("True", "Accepted")
    assert verdict(route, "ResolvedRefs")[:2] == ("True", "ResolvedRefs")
    assert (await street.ask("shoes")).json()["name"] == "shoes"

    gateway = await street.world.until(
        GATEWAY,
        "public",
        lambda item: (item.get("status") or {}).get("listeners", [{}])[0].get("attachedRoutes") == 1,
        "counting its route",
    )
    assert condition(gateway, "Programmed")["status"] == "True"
    assert gateway["status"]["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]


async def test_request_and_response_are_complete(street: Street) -> None:
    await street.shop("shoes")
    await street.route("shoes", {"backendRefs": [to("shoes")]})
    await street.opened("shoes")
    answer = await street.ask("shoes", "/a%2Fb/?q=%20x&q=2", "POST", content=b"x" * 100_000)
    seen = answer.json()
    assert seen["path"] == "/a%2Fb/?q=%20x&q=2"
    assert len(seen["body"]) == 100_000
    assert seen["headers"]["Host"] == f"{street.hostname('shoes')}:{street.gateway.port}"
    assert seen["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert (await street.ask("shoes", "/teapot")).status_code == 418
    head = await street.ask("shoes", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


async def test_missing_route_and_backend_are_reported(street: Street) -> None:
    answer = await street.ask("nobody")
    assert (answer.status_code, answer.text) == (404, f"No route serves {street.hostname('nobody')}.\n")
    only = {"matches": [{"path": {"type": "PathPrefix", "value": "/shop"}}], "backendRefs": [to("none")]}
    route = await street.route("lost", only)
    assert verdict(route, "ResolvedRefs")[:2] == ("False", "BackendNotFound")
    answer = await street.ask("lost", "/shopping")
    assert (answer.status_code, answer.text) == (
        404,
        f"No route serves path /shopping of {street.hostname('lost')}.\n",
    )
    assert (await street.ask("lost", "/shop/x")).status_code == 500


async def test_service_without_pods_is_unavailable(street: Street) -> None:
    await street.shop("shoes")
    await street.route("shoes", {"backendRefs": [to("shoes")]})
    await street.opened("shoes")
    await street.world.client.patch(DEPLOYMENT, "shoes", {"spec": {"replicas": 0}}, street.world.namespace)

    async def unavailable() -> bool:
        try:
            answer = await street.ask("shoes")
        except httpx.RemoteProtocolError:  # the pod ended in the middle of its answer
            return False
        return answer.status_code == 503 and answer.text == "No pod of Service shoes is ready.\n"

    await eventually(unavailable)


async def test_weights_are_applied_and_changed(street: Street) -> None:
    await street.shop("old")
    await street.shop("new")
    await street.route("shop", {"backendRefs": [to("old", 9), to("new", 1)]})
    await street.opened("shop", 10)
    names = [(await street.ask("shop")).json()["name"] for _ in range(20)]
    assert Counter(names) == {"old": 18, "new": 2}
    moved = {"spec": {"rules": [{"backendRefs": [to("old", 0), to("new", 1)]}]}}
    await street.world.client.patch(HTTP_ROUTE, "shop", moved, street.world.namespace)

    async def all_new() -> bool:
        return {(await street.ask("shop")).json()["name"] for _ in range(3)} == {"new"}

    await eventually(all_new)


async def test_header_filters(street: Street) -> None:
    await street.shop("shoes")
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
    await street.route("shoes", {"filters": filters, "backendRefs": [to("shoes")]})
    await street.opened("shoes")
    answer = await street.ask("shoes", headers={"Cookie": "a=b", "X-Shop": "fish"})
    seen = answer.json()["headers"]
    assert seen["X-Shop"] == "shoes"
    assert "Cookie" not in seen
    assert answer.headers["X-Seen"] == "1"
    assert "Server-Secret" not in answer.headers


async def test_hostname_of_another_namespace_is_refused(street: Street) -> None:
    await street.shop("shoes")
    await street.route("shoes", {"backendRefs": [to("shoes")]})
    await street.opened("shoes")
    thief = f"{street.world.namespace}-thief"
    client = street.world.client
    await client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": thief}})
    parent = {"name": "public", "namespace": street.world.namespace}
    spec = {
        "parentRefs": [parent],
        "hostnames": [street.hostname("shoes")],
        "rules": [{"backendRefs": [to("fake")]}],
    }
    metadata = {"name": "a-thief", "namespace": thief}
    kind = {"apiVersion": HTTP_ROUTE.api_version, "kind": "HTTPRoute"}
    await client.create(HTTP_ROUTE, {**kind, "metadata": metadata, "spec": spec})

    async def refused() -> bool:
        route = await client.get(HTTP_ROUTE, "a-thief", thief)
        return bool(parents(route)) and verdict(route, "Accepted")[1] == "HostnameConflict"

    await eventually(refused)
    route = await client.get(HTTP_ROUTE, "a-thief", thief)
    owner = f"{street.world.namespace}/shoes"
    assert verdict(route, "Accepted")[2].endswith(f"{street.hostname('shoes')} by {owner}")
    assert (await street.ask("shoes")).json()["name"] == "shoes"
    await client.delete(NAMESPACE, thief)


async def test_unsupported_route_is_not_served(street: Street) -> None:
    odd = {"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "x", "port": 80}}}]}
    route = await street.route("odd", odd)
    status, reason, message = verdict(route, "Accepted")
    assert (status, reason) == ("False", "UnsupportedValue")
    assert "RequestMirror" in message
    assert (await street.ask("odd")).status_code == 404


async def test_broken_response_breaks_the_connection(street: Street) -> None:
    await street.shop("shoes")
    await street.route("shoes", {"backendRefs": [to("shoes")]})
    await street.opened("shoes")
    with pytest.raises(httpx.RemoteProtocolError):
        await street.ask("shoes", "/half")
    assert (await street.ask("shoes")).status_code == 200
