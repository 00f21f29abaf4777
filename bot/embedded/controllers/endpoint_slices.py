"""EndpointSlices: which pods stand behind a Service, and whether they take requests."""

from collections.abc import Iterable, Sequence

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.kinds import ENDPOINT_SLICE, POD, SERVICE
from bot.embedded.controllers import objects
from bot.embedded.informer import Key

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"


class EndpointSlices:
    """Keeps the EndpointSlices of Services that have a selector."""

    def __init__(self, client: KubernetesApi) -> None:
        self._client = client

    async def reconcile(self, key: Key) -> float | None:
        """Bring the slices of one Service to its pods."""
        namespace, name = key
        service = await self._client.find(SERVICE, name, namespace)
        if service is None or objects.is_terminating(service) or not selects(service):
            return None
        labels = objects.selector_text({"matchLabels": service["spec"]["selector"]})
        pods = (await self._client.list(POD, namespace, labels=labels)).items
        desired = {item["metadata"]["name"]: item for item in slices(service, pods)}
        ours = f"{SERVICE_LABEL}={name},{MANAGED_BY}={MANAGER}"
        listed = (await self._client.list(ENDPOINT_SLICE, namespace, labels=ours)).items
        existing = {item["metadata"]["name"]: item for item in objects.controlled_by(listed, service)}
        for slice_name, item in desired.items():
            await self._write(item, existing.get(slice_name))
        for slice_name in existing.keys() - desired.keys():
            await self._client.delete(ENDPOINT_SLICE, slice_name, namespace)
        return None

    async def _write(self, item: Object, existing: Object | None) -> None:
        if existing is None:
            await self._client.create(ENDPOINT_SLICE, item)
        elif any(objects.differs(item[name], existing.get(name)) for name in ("endpoints", "ports")):
            version = existing["metadata"]["resourceVersion"]
            metadata = {**item["metadata"], "resourceVersion": version}
            await self._client.replace(ENDPOINT_SLICE, {**item, "metadata": metadata})


def selects(service: Object) -> bool:
    """Whether pods are looked for at all."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def matches(service: Object, labels: object) -> bool:
    """Whether a pod with these labels stands behind the Service."""
    return (
        selects(service)
        and isinstance(labels, dict)
        and service["spec"]["selector"].items() <= labels.items()
    )


def slices(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The slices of a Service: one for each set of port numbers, at least one."""
    by_ports: dict[tuple[object, ...], tuple[list[Object], list[Object]]] = {}
    for pod in sorted(pods, key=objects.created):
        if not (pod.get("status") or {}).get("podIP") or objects.is_finished(pod):
            continue
        ports = _ports(service, pod)
        numbers = tuple(port["port"] for port in ports)
        by_ports.setdefault(numbers, (ports, []))[1].append(_endpoint(service, pod))
    if not by_ports:
        by_ports[()] = ([], [])
    return [_slice(service, numbers, *content) for numbers, content in by_ports.items()]


def _slice(service: Object, numbers: object, ports: Sequence[Object], endpoints: Sequence[Object]) -> Object:
    metadata = service["metadata"]
    headless = {HEADLESS_LABEL: ""} if service["spec"].get("clusterIP") == "None" else {}
    suffix = objects.content_hash([metadata["uid"], list(numbers) if isinstance(numbers, tuple) else []])[:5]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name'][:57]}-{suffix}",
            "namespace": metadata["namespace"],
            "labels": {
                **(metadata.get("labels") or {}),
                **headless,
                SERVICE_LABEL: metadata["name"],
                MANAGED_BY: MANAGER,
            },
            "ownerReferences": [objects.owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": list(ports),
    }


def _ports(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod has them; a named one that it lacks is left out."""
    result = []
    for port in service["spec"].get("ports") or []:
        protocol = port.get("protocol", "TCP")
        number = _number(port.get("targetPort") or port["port"], protocol, pod)
        if number is not None:
            more = {"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}
            result.append({"name": port.get("name") or "", "port": number, "protocol": protocol, **more})
    return result


def _number(target: int | str, protocol: str, pod: Object) -> int | None:
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def _endpoint(service: Object, pod: Object) -> Object:
    spec, metadata = pod["spec"], pod["metadata"]
    serving, terminating = objects.is_ready(pod), objects.is_terminating(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    named = spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        **({"hostname": spec["hostname"]} if named else {}),
        **({"nodeName": spec["nodeName"]} if spec.get("nodeName") else {}),
        "targetRef": {
            "kind": "Pod",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }
