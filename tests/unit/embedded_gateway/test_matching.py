"""Which route a request takes, decided without a cluster."""

from typing import Any

import pytest

from bot.cluster.client.api import Object
from bot.embedded.gateway.attachment import attach, covers
from bot.embedded.gateway.matching import Table


def gateway(hostname: str | None = "*.localhost", **allowed: object) -> Object:
    listener: Object = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": allowed},
    }
    if hostname:
        listener["hostname"] = hostname
    return {"metadata": {"name": "public", "namespace": "edge"}, "spec": {"listeners": [listener]}}


def route(name: str, hostname: str, *matches: Object, namespace: str = "shop", born: int = 1) -> Object:
    backend = {"name": name, "port": 80}
    rule = {"backendRefs": [backend], **({"matches": list(matches)} if matches else {})}
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"{namespace}/{name}",
        "creationTimestamp": f"2026-01-01T00:00:{born:02}Z",
    }
    spec = {
        "parentRefs": [{"name": "public", "namespace": "edge"}],
        "hostnames": [hostname],
        "rules": [rule],
    }
    return {"metadata": metadata, "spec": spec}


def taken(routes: list[Object], hostname: str, path: str = "/", method: str = "GET", **headers: str) -> str:
    attachments = attach(routes, {("edge", "public"): gateway(**{"from": "All"})}, {})
    rule = Table(attachments).find(hostname, method, path, headers)
    return str(rule.route["metadata"]["name"]) if rule else ""


def prefix(value: str, **more: object) -> Object:
    return {"path": {"type": "PathPrefix", "value": value}, **more}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "all"),
        ("/cart", "cart"),
        ("/cart/1", "cart"),
        ("/cartoon", "all"),
        ("/cart/exact", "exact"),
        ("/cart/exact/", "cart"),
    ],
)
def test_most_specific_path_wins(path: str, name: str) -> None:
    routes = [
        route("all", "a.localhost"),
        route("cart", "a.localhost", prefix("/cart")),
        route("exact", "a.localhost", {"path": {"type": "Exact", "value": "/cart/exact"}}),
    ]
    assert taken(routes, "a.localhost", path) == name


def test_exact_hostname_wins_over_a_pattern() -> None:
    routes = [
        route("any", "*.localhost", prefix("/very/long")),
        route("near", "*.a.localhost"),
        route("one", "b.a.localhost"),
    ]
    assert taken(routes, "b.a.localhost", "/very/long") == "one"
    assert taken(routes, "c.a.localhost", "/very/long") == "near"
    assert taken(routes, "a.localhost", "/very/long/x") == "any"
    assert taken(routes, "localhost") == ""


def test_method_and_headers_select_among_equal_paths() -> None:
    canary = prefix("/", headers=[{"name": "x-canary", "value": "yes"}])
    routes = [
        route("plain", "a.localhost"),
        route("canary", "a.localhost", canary, born=2),
        route("post", "a.localhost", prefix("/", method="POST"), born=3),
    ]
    assert taken(routes, "a.localhost", **{"x-canary": "yes"}) == "canary"
    assert taken(routes, "a.localhost", **{"x-canary": "no"}) == "plain"
    assert taken(routes, "a.localhost", method="POST") == "post"


def test_older_route_wins_a_tie() -> None:
    routes = [route("younger", "a.localhost", born=2), route("older", "a.localhost", born=1)]
    assert taken(routes, "a.localhost") == "older"


def test_hostname_belongs_to_its_first_namespace() -> None:
    routes = [
        route("thief", "a.localhost", namespace="other", born=2),
        route("owner", "a.localhost", born=1),
    ]
    attachments = attach(routes, {("edge", "public"): gateway(**{"from": "All"})}, {})
    assert [(attachment.reason, attachment.hostnames) for attachment in attachments] == [
        ("Accepted", ["a.localhost"]),
        ("HostnameConflict", []),
    ]


@pytest.mark.parametrize(
    ("allowed", "labels", "reason"),
    [
        ({}, {}, "NotAllowedByListeners"),
        ({"from": "Same"}, {}, "NotAllowedByListeners"),
        ({"from": "All"}, {}, "Accepted"),
        ({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}, {"a": "b"}, "Accepted"),
        ({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}, {}, "NotAllowedByListeners"),
        (
            {"from": "Selector", "selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
            {"a": "b"},
            "NotAllowedByListeners",
        ),
    ],
)
def test_listeners_select_namespaces(allowed: dict[str, Any], labels: dict[str, str], reason: str) -> None:
    routes = [route("one", "a.localhost")]
    [attachment] = attach(routes, {("edge", "public"): gateway(**allowed)}, {"shop": labels})
    assert attachment.reason == reason


def test_hostname_without_listener_is_refused() -> None:
    [attachment] = attach(
        [route("one", "a.example.com")], {("edge", "public"): gateway(**{"from": "All"})}, {}
    )
    assert attachment.reason == "NoMatchingListenerHostname"


@pytest.mark.parametrize(
    ("pattern", "hostname", "within"),
    [
        ("*", "a.b", True),
        ("*.b", "a.b", True),
        ("*.b", "c.a.b", True),
        ("*.b", "b", False),
        ("*.b", ".b", False),
        ("a.b", "a.b", True),
        ("a.b", "*.b", False),
        ("*.b", "*.a.b", True),
    ],
)
def test_wildcard_hostnames(pattern: str, hostname: str, within: bool) -> None:
    assert covers(pattern, hostname) is within
