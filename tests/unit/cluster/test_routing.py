"""Routes of an environment: several hosts and paths, routes and Ingresses of the manifests, addresses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.routing.ingress import literal_prefix
from bot.model.errors import ManifestRefused
from bot.model.manifest import RELEASE_HEADER, Bundle, Wave
from bot.model.notes import Effect, Note
from bot.model.routing import Address, Backend, Hosts, RoutePath, RouteProtocol, Routing, ServiceRoute
from tests.unit.cluster.manifests import HOST, Object, deployment, job, render, request, service

DOMAIN = "preview.example.com"
SERVICES = (deployment(), service(), service("api", 8080), service("admin"))
OWN = Routing(from_manifests=True)


def routes_of(*manifests: Object, routing: Routing = OWN, **changes: Any) -> Bundle:
    return render(request(*SERVICES, *manifests, routing=routing, **changes))


def hosts(bundle: Bundle) -> list[str]:
    return [host for route in bundle.waves[Wave.ROUTE] for host in route["spec"]["hostnames"]]


def paths(bundle: Bundle) -> dict[str, str]:
    """Host and path to the Service behind them."""
    return {
        f"{host}{match['path']['value']}{'$' * (match['path']['type'] == 'Exact')}": reference["name"]
        for route in bundle.waves[Wave.ROUTE]
        for host in route["spec"]["hostnames"]
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        for reference in rule["backendRefs"]
    }


def notes(bundle: Bundle, effect: Effect) -> list[Note]:
    return [note for note in bundle.notes if note.effect is effect]


def ingress(
    *rules: tuple[str, str, str], annotations: dict[str, str] | None = None, **spec: object
) -> Object:
    """An Ingress from hosts, paths and Services."""
    by_host: dict[str, list[Object]] = {}
    for host, path, name in rules:
        backend = {"service": {"name": name, "port": {"number": 8080 if name == "api" else 80}}}
        by_host.setdefault(host, []).append({"path": path, "pathType": "Prefix", "backend": backend})
    listed: list[Object] = [
        {**({"host": host} if host else {}), "http": {"paths": items}} for host, items in by_host.items()
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "annotations": annotations or {}},
        "spec": {"rules": listed, **spec},
    }


def http_route(*hostnames: str, rules: list[Object] | None = None, **changes: Any) -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop"},
        "spec": {
            "parentRefs": [{"name": "production", "namespace": "infrastructure"}],
            "hostnames": list(hostnames),
            "rules": rules or [{"backendRefs": [{"name": "shop", "port": 80}]}],
        },
        **changes,
    }


def test_several_routes_share_hosts_by_name():
    routing = Routing(
        (
            ServiceRoute("web", Backend("shop", 80)),
            ServiceRoute("api", Backend("api", 8080), "", (RoutePath("/api"), RoutePath("/x", exact=True))),
            ServiceRoute("admin", Backend("admin", 80), "admin"),
        )
    )
    bundle = routes_of(routing=routing)
    admin = f"admin--pr-7-shop.{DOMAIN}"
    assert paths(bundle) == {
        f"{HOST}/": "shop",
        f"{HOST}/api": "api",
        f"{HOST}/x$": "api",
        f"{admin}/": "admin",
    }
    assert bundle.addresses == (
        Address("web", HOST),
        Address("api", HOST, "/api"),
        Address("admin", admin),
    )
    [config] = [m for m in bundle.waves[Wave.CONFIGURATION] if m["metadata"]["name"] == "greenroom-config"]
    assert config["data"] == {
        "GREENROOM_URL": f"https://{HOST}",
        "GREENROOM_HOST": HOST,
        "GREENROOM_URL_API": f"https://{HOST}/api",
        "GREENROOM_URL_ADMIN": f"https://{admin}",
    }


def test_grpc_route_matches_methods():
    orders = ServiceRoute(
        "orders", Backend("api", 8080), "orders", (RoutePath("/shop.v1.Orders"),), RouteProtocol.GRPC
    )
    bundle = routes_of(routing=Routing((ServiceRoute("web", Backend("shop", 80)), orders)))
    [route] = [route for route in bundle.waves[Wave.ROUTE] if route["kind"] == "GRPCRoute"]
    assert route["spec"]["hostnames"] == [f"orders--pr-7-shop.{DOMAIN}"]
    assert route["spec"]["rules"][0]["matches"] == [{"method": {"service": "shop.v1.Orders"}}]


def test_grpc_routes_have_no_filters_that_gateways_may_lack():
    web = ServiceRoute("web", Backend("shop", 80))
    rpc = ServiceRoute("rpc", Backend("api", 8080), "rpc", protocol=RouteProtocol.GRPC)
    rules = {
        route["kind"]: route["spec"]["rules"][0]
        for route in routes_of(routing=Routing((web, rpc))).waves[Wave.ROUTE]
    }
    assert "filters" in rules["HTTPRoute"]
    assert "filters" not in rules["GRPCRoute"]


def test_ingress_keeps_hosts_and_paths():
    manifest = ingress(
        ("shop.example.com", "/", "shop"),
        ("shop.example.com", "/api", "api"),
        ("admin.example.com", "/", "admin"),
        tls=[{"hosts": ["shop.example.com"], "secretName": "shop-tls"}],
        ingressClassName="nginx",
        annotations={
            "nginx.ingress.kubernetes.io/rewrite-target": "/$2",
            "cert-manager.io/cluster-issuer": "letsencrypt",
        },
    )
    bundle = routes_of(manifest)
    assert paths(bundle) == {
        f"{HOST}/": "shop",
        f"{HOST}/api": "api",
        f"admin--pr-7-shop.{DOMAIN}/": "admin",
    }
    assert {route["kind"] for route in bundle.waves[Wave.ROUTE]} == {"HTTPRoute"}
    assert [(a.name, a.host, a.path) for a in bundle.addresses] == [
        ("shop", HOST, "/"),
        ("api", HOST, "/api"),
        ("admin", f"admin--pr-7-shop.{DOMAIN}", "/"),
    ]
    assert {note.field for note in notes(bundle, Effect.LEFT_OUT)} == {
        'metadata.annotations["nginx.ingress.kubernetes.io/rewrite-target"]',
        'metadata.annotations["cert-manager.io/cluster-issuer"]',
        "spec.tls",
    }
    renamed = {note.field: note.value for note in notes(bundle, Effect.REWRITTEN)}
    assert renamed == {"spec.rules[0].host": HOST, "spec.rules[1].host": f"admin--pr-7-shop.{DOMAIN}"}


def test_default_backend_gets_what_no_path_matches():
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    bundle = routes_of(ingress(("a.example.com", "/api", "api"), defaultBackend=backend))
    assert paths(bundle) == {f"{HOST}/": "shop", f"{HOST}/api": "api"}
    assert paths(routes_of(ingress(defaultBackend=backend))) == {f"{HOST}/": "shop"}


def test_ingress_names_ports_of_services():
    named = service("named")
    named["spec"]["ports"] = [{"name": "http", "port": 8000}]
    manifest = ingress(("", "/", "shop"))
    manifest["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"] = {
        "name": "named",
        "port": {"name": "http"},
    }
    [route] = routes_of(named, manifest).waves[Wave.ROUTE]
    assert route["spec"]["rules"][0]["backendRefs"][0]["port"] == 8000


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("/api(/|$)(.*)", "/api"),
        ("/api/?(.*)", "/api"),
        ("/api/(.*)", "/api"),
        ("/api(.*)", "/api"),
        ("/api.*", "/api"),
        ("/api/*", "/api"),
        ("/*", "/"),
        ("/(.*)", "/"),
        ("/()(.*)", "/"),
        ("/v[0-9]+/items", "/"),
        ("/shop/v[0-9]+/items", "/shop"),
        ("/static/.*\\.js$", "/static"),
        ("/plain/path", "/plain/path"),
        ("/", "/"),
    ],
)
def test_pattern_in_a_path_keeps_its_literal_beginning(pattern: str, prefix: str):
    assert literal_prefix(pattern) == prefix


def test_http_route_is_moved_to_hosts_of_the_environment():
    rules: list[Object] = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
            "filters": [
                {
                    "type": "ResponseHeaderModifier",
                    "responseHeaderModifier": {"set": [{"name": "GREENROOM-RELEASE", "value": "forged"}]},
                }
            ],
            "backendRefs": [{"name": "api", "port": 8080, "weight": 3}],
        },
        {"matches": [{"method": "POST"}], "backendRefs": [{"name": "shop", "port": 80}]},
    ]
    manifest = http_route("shop.example.com", "www.example.com", rules=rules)
    bundle = routes_of({**manifest, "apiVersion": "gateway.networking.k8s.io/v1beta1"})
    [route] = bundle.waves[Wave.ROUTE]
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["spec"]["hostnames"] == [HOST, f"www--pr-7-shop.{DOMAIN}"]
    [parent] = route["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == ("gateways", "main")
    assert route["spec"]["rules"][0]["filters"] == [
        {
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {"set": [{"name": RELEASE_HEADER, "value": bundle.release.id}]},
        }
    ]
    assert bundle.addresses == (
        Address("api", HOST, "/api"),
        Address("www", f"www--pr-7-shop.{DOMAIN}", "/api"),
    )


def test_rule_that_redirects_to_https_is_left_out():
    redirect = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}
    insecure = http_route("shop.example.com", rules=[redirect], metadata={"name": "insecure"})
    bundle = routes_of(insecure, http_route("shop.example.com"))
    assert [route["metadata"]["name"] for route in bundle.waves[Wave.ROUTE]] == ["shop"]
    assert any(note.object == "HTTPRoute/insecure" for note in notes(bundle, Effect.LEFT_OUT))


def test_http_and_grpc_never_share_a_host():
    grpc = {**http_route("shop.example.com"), "kind": "GRPCRoute", "metadata": {"name": "rpc"}}
    by_kind = {
        route["kind"]: route["spec"]["hostnames"]
        for route in routes_of(http_route("shop.example.com"), grpc).waves[Wave.ROUTE]
    }
    assert by_kind == {"HTTPRoute": [HOST], "GRPCRoute": [f"shop-grpc--pr-7-shop.{DOMAIN}"]}


def _filter(**content: object) -> Object:
    [(field, _)] = content.items()
    return {"type": field[0].upper() + field[1:], **content}


def _of_backend(**content: object) -> Object:
    """A rule with a filter for one of its backends."""
    return {"backendRefs": [{"name": "shop", "port": 80, "filters": [_filter(**content)]}]}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"backendRefs": [{"name": "shop", "port": 80, "namespace": "kube-system"}]}, "namespace"),
        ({"backendRefs": [{"name": "shop", "port": 80, "kind": "Secret"}]}, "kind"),
        ({"backendRefs": [{"name": "shop", "port": 80, "group": "acme.dev"}]}, "group"),
        ({"backendRefs": [{"name": "other", "port": 80}]}, "backendRefs"),
        ({"backendRefs": [{"name": "shop", "port": 81}]}, "backendRefs"),
        ({"filters": [_filter(requestMirror={"backendRef": {"name": "shop"}})]}, "requestMirror"),
        ({"filters": [_filter(extensionRef={"group": "x", "kind": "y", "name": "z"})]}, "extensionRef"),
        ({"filters": [_filter(urlRewrite={"hostname": "other.example.com"})]}, "urlRewrite.hostname"),
        (
            {"filters": [_filter(requestRedirect={"hostname": "pr-8.example.com"})]},
            "requestRedirect.hostname",
        ),
        (_of_backend(requestRedirect={"hostname": "pr-8.example.com"}), "requestRedirect.hostname"),
        (_of_backend(requestMirror={"backendRef": {"name": "shop"}}), "requestMirror"),
        *(
            ({"filters": [_filter(requestHeaderModifier={field: value})]}, "requestHeaderModifier")
            for field, value in (
                ("set", [{"name": "Host", "value": "pr-8.example.com"}]),
                ("add", [{"name": "HOST", "value": "pr-8.example.com"}]),
                ("set", [{"name": ":authority", "value": "pr-8.example.com"}]),
                ("remove", ["host"]),
            )
        ),
        (_of_backend(requestHeaderModifier={"remove": ["host"]}), "requestHeaderModifier"),
        ({"filters": [_filter(externalAuth={})]}, "externalAuth"),
        ({"unknown": True}, "unknown"),
    ],
)
def test_hostile_rule_is_refused_with_line_and_field(rule: Object, field: str):
    with pytest.raises(ManifestRefused, match=r"deploy/all\.yaml:[0-9]+, HTTPRoute/shop, .*") as caught:
        routes_of(http_route("shop.example.com", rules=[rule]))
    assert field in str(caught.value)


def test_redirect_between_own_hosts_is_rewritten():
    rule = {"filters": [_filter(requestRedirect={"hostname": "shop.example.com", "statusCode": 301})]}
    www = http_route("www.example.com", rules=[rule], metadata={"name": "www"})
    bundle = routes_of(http_route("shop.example.com"), www)
    [route] = [route for route in bundle.waves[Wave.ROUTE] if route["metadata"]["name"] == "www"]
    assert route["spec"]["rules"][0]["filters"][0]["requestRedirect"]["hostname"] == HOST


def test_filters_of_a_backend_are_rewritten_and_kept():
    headers = {"set": [{"name": "X-Team", "value": "shop"}]}
    rule = _of_backend(requestRedirect={"hostname": "shop.example.com"})
    rule["backendRefs"][0]["filters"].append(_filter(requestHeaderModifier=headers))
    [route] = routes_of(http_route("shop.example.com", rules=[rule])).waves[Wave.ROUTE]
    redirect, modifier = route["spec"]["rules"][0]["backendRefs"][0]["filters"]
    assert redirect["requestRedirect"]["hostname"] == HOST
    assert modifier["requestHeaderModifier"] == headers


def test_mesh_route_is_left_out():
    mesh = http_route()
    mesh["spec"]["parentRefs"] = [{"group": "", "kind": "Service", "name": "shop"}]
    bundle = routes_of(mesh)
    assert bundle.waves[Wave.ROUTE] == ()
    assert bundle.addresses == ()


def test_route_that_is_left_out_suggests_to_keep_it():
    bundle = render(request(*SERVICES, ingress(("a.example.com", "/", "shop")), backend=None, host=""))
    [note] = notes(bundle, Effect.LEFT_OUT)
    assert "`routes: manifests`" in note.reason
    assert note.in_comment
    routed = render(request(*SERVICES, ingress(("a.example.com", "/", "shop"))))
    assert not notes(routed, Effect.LEFT_OUT)[0].in_comment


_NAMES = st.from_regex(r"(\*\.)?h([a-z0-9-]{0,70}[a-z0-9])?(\.[a-z]{2,5}){1,3}", fullmatch=True)


@given(names=st.lists(_NAMES | st.sampled_from(["", "pr-8-shop.preview.example.com"]), max_size=12))
def test_hosts_of_manifests_are_below_the_environment_and_distinct(names: list[str]):
    manifests = [
        http_route(*([name] if name else []), metadata={"name": f"r{number}"})
        for number, name in enumerate(names)
    ]
    bundle = routes_of(*manifests)
    own, _, domain = HOST.partition(".")
    different = {name for name in names if name}
    served = hosts(bundle)
    assert len(set(served)) == len(different | ({""} if "" in names and not different else set()))
    for host in served:
        label, _, rest = host.partition(".")
        assert rest == domain
        assert len(label) <= 63
        assert host == HOST or "--" in label or len(label) == 63
        assert host == HOST or not host.startswith(f"{own}.")


def test_stage_uses_granted_hosts_of_further_routes():
    stage_hosts = Hosts("shop.example.com", HOST, {"admin": "admin.example.com"})
    manifest = ingress(
        ("shop.example.com", "/", "shop"), ("admin.x.com", "/", "admin"), ("api.x.com", "/", "api")
    )
    assert set(hosts(routes_of(manifest, hosts=stage_hosts))) == {
        "shop.example.com",
        "admin.example.com",
        f"api--pr-7-shop.{DOMAIN}",
    }


def test_values_of_config_have_placeholders():
    values = {"URL": "{url}/x", "JSON": '{"a": "{host}"}', "LITERAL": "{{url}}", "N": "{number}:{sha}"}
    bundle = render(request(config=values))
    [config] = [m for m in bundle.waves[Wave.CONFIGURATION] if m["metadata"]["name"] == "greenroom-config"]
    assert {name: config["data"][name] for name in values} == {
        "URL": f"https://{HOST}/x",
        "JSON": f'{{"a": "{HOST}"}}',
        "LITERAL": "{url}",
        "N": f"7:{'c' * 40}",
    }


def test_variable_of_a_container_takes_precedence_with_a_note():
    manifest = deployment()
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "GREENROOM_URL", "value": "mine"}, {"name": "OTHER", "value": "1"}]
    bundle = render(request(manifest, service(), config={"OTHER": "2"}))
    assert {note.field for note in notes(bundle, Effect.KEPT)} == {"env GREENROOM_URL", "env OTHER"}


def test_address_changes_neither_manifests_digest_nor_data_jobs():
    first = render(request(seed=job()))
    second = render(request(seed=job(), host="shop.example.com"))
    assert first.manifests_digest == second.manifests_digest
    assert [m["metadata"]["name"] for m in first.waves[Wave.SEED]] == [
        m["metadata"]["name"] for m in second.waves[Wave.SEED]
    ]
