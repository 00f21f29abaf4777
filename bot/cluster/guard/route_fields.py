"""Decisions on the fields of routes that manifests may contain, by the names of their types.

`bot/cluster/routing/` replaces hosts, Gateways and annotations, and checks Services.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.cluster.guard.decisions import Fields, Fixed, Outcome, Refuse, Scope, fields, refuse, remove
from bot.cluster.node import Node

_OUTSIDE = "a route can refer only to Services of the environment; remove this field"
_UNSUPPORTED = "gateways differ in this filter, so previews do not support it; remove it"
_HOST = "a route must not change the host of requests; remove this field"
_HOST_HEADERS = frozenset(("host", ":authority"))
_EXPERIMENTAL = remove("the field is not part of the standard Gateway API")


def _namespace(node: Node, scope: Scope) -> Outcome:
    return None if node.text() in ("", scope.namespace) else Refuse(_OUTSIDE)


def _service_kind(node: Node, _: Scope) -> Outcome:
    return None if node.text() == "Service" else Refuse("a route can refer only to Services")


def _request_headers(node: Node, _: Scope) -> Outcome:
    headers = [header["name"].text() for field in ("set", "add") for header in node[field].items()]
    names = {name.lower() for name in (*headers, *node["remove"].texts())}
    return Refuse(_HOST) if names & _HOST_HEADERS else None


def _filter(extra: str = "") -> Fields:
    return fields(
        f"type requestHeaderModifier:HTTPHeaderFilter responseHeaderModifier:HTTPHeaderFilter {extra}",
        requestHeaderModifier=Fixed(_request_headers),
        requestMirror=Fixed(refuse("mirrored requests would leave the route; remove this filter")),
        extensionRef=Fixed(refuse("filters of a controller's own are not allowed; remove this filter")),
        cors=Fixed(refuse(_UNSUPPORTED)),
        externalAuth=Fixed(refuse("requests are not sent to other services; remove this filter")),
    )


def _route(kind: str) -> Mapping[str, Fields]:
    return {
        f"{kind}Route": fields(
            f"apiVersion kind metadata:ObjectMeta spec:{kind}RouteSpec", status=Fixed(remove(""))
        ),
        f"{kind}RouteSpec": fields(
            f"hostnames[] rules[]:{kind}RouteRule", useDefaultGateways=Fixed(_EXPERIMENTAL)
        ),
        f"{kind}BackendRef": fields(
            f"group kind name namespace port weight filters[]:{kind}RouteFilter",
            group=Fixed(refuse("a route can refer only to Services", unless=("",))),
            kind=Fixed(_service_kind),
            namespace=Fixed(_namespace),
        ),
    }


ROUTE_TYPES: Mapping[str, Fields] = {
    **_route("HTTP"),
    "HTTPRouteRule": fields(
        "name matches[]:HTTPRouteMatch filters[]:HTTPRouteFilter backendRefs[]:HTTPBackendRef "
        "timeouts:HTTPRouteTimeouts",
        retry=Fixed(_EXPERIMENTAL),
        sessionPersistence=Fixed(_EXPERIMENTAL),
    ),
    "HTTPRouteMatch": fields(
        "path:HTTPPathMatch headers[]:HTTPHeaderMatch queryParams[]:HTTPHeaderMatch method"
    ),
    "HTTPPathMatch": fields("type value"),
    "HTTPHeaderMatch": fields("type name value"),
    "HTTPRouteTimeouts": fields("request backendRequest"),
    "HTTPRouteFilter": _filter(
        "requestRedirect:HTTPRequestRedirectFilter urlRewrite:HTTPURLRewriteFilter",
    ),
    "HTTPHeaderFilter": fields("set[]:HTTPHeader add[]:HTTPHeader remove[]"),
    "HTTPHeader": fields("name value"),
    "HTTPRequestRedirectFilter": fields("scheme hostname path:HTTPPathModifier port statusCode"),
    "HTTPURLRewriteFilter": fields(
        "path:HTTPPathModifier",
        hostname=Fixed(refuse(_HOST)),
    ),
    "HTTPPathModifier": fields("type replaceFullPath replacePrefixMatch"),
    **_route("GRPC"),
    "GRPCRouteRule": fields(
        "name matches[]:GRPCRouteMatch filters[]:GRPCRouteFilter backendRefs[]:GRPCBackendRef",
        sessionPersistence=Fixed(_EXPERIMENTAL),
    ),
    "GRPCRouteMatch": fields("method:GRPCMethodMatch headers[]:HTTPHeaderMatch"),
    "GRPCMethodMatch": fields("type service method"),
    "GRPCRouteFilter": _filter(),
    "Ingress": fields("apiVersion kind metadata:ObjectMeta spec:IngressSpec", status=Fixed(remove(""))),
    "IngressSpec": fields(
        "defaultBackend:IngressBackend ingressClassName rules[]:IngressRule",
        tls=Fixed(remove("the operator's Gateway has the certificates")),
    ),
    "IngressRule": fields("host http:HTTPIngressRuleValue"),
    "HTTPIngressRuleValue": fields("paths[]:HTTPIngressPath"),
    "HTTPIngressPath": fields("backend:IngressBackend path pathType"),
    "IngressBackend": fields(
        "service:IngressServiceBackend", resource=Fixed(refuse("a route can refer only to Services"))
    ),
    "IngressServiceBackend": fields("name port:ServiceBackendPort"),
    "ServiceBackendPort": fields("name number"),
}
