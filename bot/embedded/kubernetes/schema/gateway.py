"""The parts of the Gateway API's types that a preview's route needs, in the form of Kubernetes' schemas.

They are CRDs, so Kubernetes' published schemas do not carry them.
"""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
_META = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
_STRING: Raw = {"type": "string"}
_INTEGER: Raw = {"type": "integer", "format": "int32"}
_LABELS: Raw = {"type": "object", "additionalProperties": _STRING}
_UNTYPED: Raw = {}


def _struct(required: tuple[str, ...] = (), **fields: Raw) -> Raw:
    return {"type": "object", "properties": fields, "required": list(required)}


def _atomic(items: Raw) -> Raw:
    return {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}


def _keyed(items: Raw, *keys: str) -> Raw:
    return {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
    }


def _enum(*values: str) -> Raw:
    return {"type": "string", "enum": list(values)}


def _kind(name: str, required: tuple[str, ...] = ("spec",), **fields: Raw) -> Raw:
    kind = {"group": "gateway.networking.k8s.io", "version": "v1", "kind": name}
    found = _struct(required, apiVersion=_STRING, kind=_STRING, metadata=_META, **fields)
    return {**found, "x-kubernetes-group-version-kind": [kind]}


_CONDITION = _struct(
    ("lastTransitionTime", "message", "reason", "status", "type"),
    lastTransitionTime={"type": "string", "format": "date-time"},
    message=_STRING,
    observedGeneration={"type": "integer", "format": "int64"},
    reason=_STRING,
    status=_enum("True", "False", "Unknown"),
    type=_STRING,
)
_CONDITIONS = _keyed(_CONDITION, "type")
_PARENT = _struct(
    ("name",),
    group=_STRING,
    kind=_STRING,
    namespace=_STRING,
    name=_STRING,
    sectionName=_STRING,
    port=_INTEGER,
)
_HEADER = _struct(("name", "value"), name=_STRING, value=_STRING)
_HEADER_CHANGES = _struct(
    (),
    set=_keyed(_HEADER, "name"),
    add=_keyed(_HEADER, "name"),
    remove={**_atomic(_STRING), "x-kubernetes-list-type": "set"},
)
_VALUE_MATCH = _struct(
    ("name", "value"), type=_enum("Exact", "RegularExpression"), name=_STRING, value=_STRING
)
_PATH_CHANGE = _struct(("type",), type=_STRING, replaceFullPath=_STRING, replacePrefixMatch=_STRING)
_REDIRECT = _struct(
    (), scheme=_STRING, hostname=_STRING, path=_PATH_CHANGE, port=_INTEGER, statusCode={"type": "integer"}
)
_BACKEND_OBJECT = _struct(
    ("name",), group=_STRING, kind=_STRING, name=_STRING, namespace=_STRING, port=_INTEGER
)
_FILTER = _struct(
    ("type",),
    type=_STRING,
    requestHeaderModifier=_HEADER_CHANGES,
    responseHeaderModifier=_HEADER_CHANGES,
    requestMirror=_struct(("backendRef",), backendRef=_BACKEND_OBJECT, percent=_INTEGER, fraction=_UNTYPED),
    requestRedirect=_REDIRECT,
    urlRewrite=_struct((), hostname=_STRING, path=_PATH_CHANGE),
    cors=_UNTYPED,
    externalAuth=_UNTYPED,
    extensionRef=_struct(("group", "kind", "name"), group=_STRING, kind=_STRING, name=_STRING),
)
_BACKEND = _struct(
    ("name",),
    group=_STRING,
    kind=_STRING,
    name=_STRING,
    namespace=_STRING,
    port=_INTEGER,
    weight=_INTEGER,
    filters=_atomic(_FILTER),
)
_PATH_MATCH = _struct((), type=_enum("Exact", "PathPrefix", "RegularExpression"), value=_STRING)
_MATCH = _struct(
    (),
    path=_PATH_MATCH,
    headers=_keyed(_VALUE_MATCH, "name"),
    queryParams=_keyed(_VALUE_MATCH, "name"),
    method=_STRING,
)
_RULE = _struct(
    (),
    name=_STRING,
    matches=_atomic(_MATCH),
    filters=_atomic(_FILTER),
    backendRefs=_atomic(_BACKEND),
    timeouts=_struct((), request=_STRING, backendRequest=_STRING),
    retry=_UNTYPED,
    sessionPersistence=_UNTYPED,
)
_PARENT_STATUS = _struct(
    ("conditions", "controllerName", "parentRef"),
    parentRef=_PARENT,
    controllerName=_STRING,
    conditions=_CONDITIONS,
)
_ALLOWED_ROUTES = _struct(
    (),
    namespaces=_struct((), **{"from": _enum("All", "Selector", "Same", "None"), "selector": _UNTYPED}),
    kinds=_atomic(_struct(("kind",), group=_STRING, kind=_STRING)),
)
_TLS = _struct((), mode=_STRING, certificateRefs=_atomic(_BACKEND_OBJECT), options=_LABELS)
_LISTENER = _struct(
    ("name", "port", "protocol"),
    name=_STRING,
    hostname=_STRING,
    port=_INTEGER,
    protocol=_STRING,
    tls=_TLS,
    allowedRoutes=_ALLOWED_ROUTES,
)
_LISTENER_STATUS = _struct(
    ("attachedRoutes", "conditions", "name"),
    name=_STRING,
    supportedKinds=_atomic(_struct(("kind",), group=_STRING, kind=_STRING)),
    attachedRoutes=_INTEGER,
    conditions=_CONDITIONS,
)
_ADDRESS = _struct((), type=_STRING, value=_STRING)
_PARAMETERS = _struct(("group", "kind", "name"), group=_STRING, kind=_STRING, name=_STRING, namespace=_STRING)

DEFINITIONS: dict[str, Raw] = {
    "gateway.v1.GatewayClass": _kind(
        "GatewayClass",
        spec=_struct(
            ("controllerName",), controllerName=_STRING, description=_STRING, parametersRef=_PARAMETERS
        ),
        status=_struct(
            (), conditions=_CONDITIONS, supportedFeatures=_keyed(_struct(("name",), name=_STRING), "name")
        ),
    ),
    "gateway.v1.Gateway": _kind(
        "Gateway",
        spec=_struct(
            ("gatewayClassName", "listeners"),
            gatewayClassName=_STRING,
            listeners=_keyed(_LISTENER, "name"),
            addresses=_atomic(_ADDRESS),
            infrastructure=_struct((), labels=_LABELS, annotations=_LABELS, parametersRef=_PARAMETERS),
            allowedListeners=_UNTYPED,
            tls=_UNTYPED,
            defaultScope=_STRING,
        ),
        status=_struct(
            (),
            addresses=_atomic(_ADDRESS),
            conditions=_CONDITIONS,
            listeners=_keyed(_LISTENER_STATUS, "name"),
            attachedListenerSets=_INTEGER,
        ),
    ),
    "gateway.v1.HTTPRoute": _kind(
        "HTTPRoute",
        spec=_struct(
            (),
            parentRefs=_atomic(_PARENT),
            hostnames=_atomic(_STRING),
            rules=_atomic(_RULE),
            useDefaultGateways=_STRING,
        ),
        status=_struct(("parents",), parents=_atomic(_PARENT_STATUS)),
    ),
}
