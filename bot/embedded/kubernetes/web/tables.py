"""The columns that `kubectl get` prints for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.web import cells
from bot.embedded.kubernetes.web.cells import Cell, at, condition, count, each, labels, since


@dataclass(frozen=True)
class Column:
    name: str
    cell: Cell
    wide: bool = False
    kind: str = "string"
    format: str = ""


def _number(name: str, *path: str) -> Column:
    return Column(name, at(*path, default=0), kind="integer")


_NAME = Column("Name", cells.name, format="name")
_AGE = Column("Age", since("metadata", "creationTimestamp"))
_CUSTOM_AGE = Column("Age", since("metadata", "creationTimestamp"), kind="date")
_CREATED = Column("Created At", at("metadata", "creationTimestamp"), kind="date")
_SELECTOR = Column("Selector", labels("spec", "selector", "matchLabels"), True)


def _containers(*path: str) -> list[Column]:
    return [
        Column("Containers", each(*path, "containers", of="name"), True),
        Column("Images", each(*path, "containers", of="image"), True),
    ]


_TEMPLATE = _containers("spec", "template", "spec")
_PLAIN = [_NAME, _AGE]
_COLUMNS: dict[str, list[Column]] = {
    "namespaces": [_NAME, Column("Status", at("status", "phase")), _AGE],
    "nodes": [
        _NAME,
        Column("Status", cells.node_status),
        Column("Roles", lambda *_: cells.NONE),
        _AGE,
        Column("Version", at("status", "nodeInfo", "kubeletVersion", default="")),
    ],
    "pods": [
        _NAME,
        Column("Ready", cells.ready_containers),
        Column("Status", cells.pod_status),
        Column("Restarts", cells.restarts),
        _AGE,
        Column("IP", at("status", "podIP"), True),
        Column("Node", at("spec", "nodeName"), True),
        Column("Nominated Node", at("status", "nominatedNodeName"), True),
        Column("Readiness Gates", lambda *_: cells.NONE, True),
    ],
    "services": [
        _NAME,
        Column("Type", at("spec", "type")),
        Column("Cluster-IP", at("spec", "clusterIP")),
        Column("External-IP", cells.external_address),
        Column("Port(s)", cells.service_ports),
        _AGE,
        Column("Selector", labels("spec", "selector"), True),
    ],
    "configmaps": [_NAME, Column("Data", count(("data",), ("binaryData",)), kind="integer"), _AGE],
    "secrets": [_NAME, Column("Type", at("type")), Column("Data", count(("data",))), _AGE],
    "persistentvolumeclaims": [
        _NAME,
        Column("Status", at("status", "phase")),
        Column("Volume", at("spec", "volumeName", default="")),
        Column("Capacity", at("status", "capacity", "storage", default="")),
        Column("Access Modes", lambda obj, _: ",".join(obj.get("status", {}).get("accessModes") or ())),
        Column("StorageClass", at("spec", "storageClassName", default="")),
        Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
        _AGE,
        Column("VolumeMode", at("spec", "volumeMode", default="<unset>"), True),
    ],
    "resourcequotas": [
        _NAME,
        Column("Request", cells.quota(limits=False)),
        Column("Limit", cells.quota(limits=True)),
        _AGE,
    ],
    "limitranges": [_NAME, _CREATED],
    "roles": [_NAME, _CREATED],
    "clusterroles": [_NAME, _CREATED],
    "rolebindings": [
        _NAME,
        Column("Role", cells.role),
        _AGE,
        Column("Users", cells.subjects("User"), True),
        Column("Groups", cells.subjects("Group"), True),
        Column("ServiceAccounts", cells.subjects("ServiceAccount"), True),
    ],
    "endpoints": [_NAME, Column("Endpoints", cells.subset_addresses), _AGE],
    "endpointslices": [
        _NAME,
        Column("AddressType", at("addressType")),
        Column("Ports", each("ports", of="port", default="<unset>")),
        Column("Endpoints", cells.slice_addresses),
        _AGE,
    ],
    "events": [
        Column("Last Seen", since("lastTimestamp")),
        Column("Type", at("type", default="")),
        Column("Reason", at("reason", default="")),
        Column("Object", cells.involved),
        Column("Subobject", at("involvedObject", "fieldPath", default=""), True),
        Column("Source", at("source", "component", default=""), True),
        Column("Message", at("message", default="")),
        Column("First Seen", since("firstTimestamp"), True),
        Column("Count", at("count", default=1), True),
        Column("Name", cells.name, True, format="name"),
    ],
    "deployments": [
        _NAME,
        Column("Ready", cells.ready_replicas),
        _number("Up-to-date", "status", "updatedReplicas"),
        _number("Available", "status", "availableReplicas"),
        _AGE,
        *_TEMPLATE,
        _SELECTOR,
    ],
    "replicasets": [
        _NAME,
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        _AGE,
        *_TEMPLATE,
        _SELECTOR,
    ],
    "statefulsets": [_NAME, Column("Ready", cells.ready_replicas), _AGE, *_TEMPLATE],
    "daemonsets": [
        _NAME,
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        _number("Up-to-date", "status", "updatedNumberScheduled"),
        _number("Available", "status", "numberAvailable"),
        Column("Node Selector", labels("spec", "template", "spec", "nodeSelector")),
        _AGE,
        *_TEMPLATE,
        _SELECTOR,
    ],
    "jobs": [
        _NAME,
        Column("Status", cells.job_status),
        Column("Completions", cells.completions),
        Column("Duration", cells.job_duration),
        _AGE,
        *_TEMPLATE,
        _SELECTOR,
    ],
    "cronjobs": [
        _NAME,
        Column("Schedule", at("spec", "schedule")),
        Column("Timezone", at("spec", "timeZone")),
        Column("Suspend", lambda obj, _: str(bool(obj["spec"].get("suspend"))), kind="boolean"),
        Column("Active", count(("status", "active")), kind="integer"),
        Column("Last Schedule", since("status", "lastScheduleTime", default=cells.NONE)),
        _AGE,
        *_containers("spec", "jobTemplate", "spec", "template", "spec"),
        Column("Selector", labels("spec", "jobTemplate", "spec", "selector", "matchLabels"), True),
    ],
    "ingresses": [
        _NAME,
        Column("Class", at("spec", "ingressClassName")),
        Column("Hosts", cells.hosts),
        Column("Address", each("status", "loadBalancer", "ingress", of="ip", default="")),
        Column("Ports", cells.ingress_ports),
        _AGE,
    ],
    "networkpolicies": [_NAME, Column("Pod-Selector", labels("spec", "podSelector", "matchLabels")), _AGE],
    "poddisruptionbudgets": [
        _NAME,
        Column("Min Available", lambda obj, _: str(obj["spec"].get("minAvailable", "N/A"))),
        Column("Max Unavailable", lambda obj, _: str(obj["spec"].get("maxUnavailable", "N/A"))),
        _number("Allowed Disruptions", "status", "disruptionsAllowed"),
        _AGE,
    ],
    "leases": [_NAME, Column("Holder", at("spec", "holderIdentity", default="")), _AGE],
    "gatewayclasses": [
        _NAME,
        Column("Controller", at("spec", "controllerName")),
        Column("Accepted", condition("Accepted")),
        _CUSTOM_AGE,
    ],
    "gateways": [
        _NAME,
        Column("Class", at("spec", "gatewayClassName")),
        Column("Address", each("status", "addresses", of="value", default=None)),
        Column("Programmed", condition("Programmed")),
        _CUSTOM_AGE,
    ],
    "httproutes": [_NAME, Column("Hostnames", cells.quoted_list("spec", "hostnames")), _CUSTOM_AGE],
}


def columns_of(resource: Resource) -> list[Object]:
    return [
        {
            "name": column.name,
            "type": column.kind,
            "format": column.format,
            "description": column.name,
            "priority": 1 if column.wide else 0,
        }
        for column in _COLUMNS.get(resource.plural, _PLAIN)
    ]


def row_of(resource: Resource, obj: Object, now: float) -> list[Any]:
    return [column.cell(obj, now) for column in _COLUMNS.get(resource.plural, _PLAIN)]
