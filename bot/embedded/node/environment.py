"""The environment of a container's process. Pure: all objects that it refers to are given."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping

from bot.cluster.client.api import Object
from bot.embedded.node.addresses import ServiceAddresses, twin

_VARIABLE = re.compile(r"\$(?:(\$)|\(([^()\s]+)\))")
_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
}
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")

Source = tuple[str, str]
"""`ConfigMap` or `Secret`, and its name."""


class ConfigError(Exception):
    """The container cannot be configured: something that it refers to is missing or not supported."""


def sources_of(container: Object) -> set[Source]:
    """The ConfigMaps and Secrets that a container's environment refers to."""
    results = {_source(entry) for entry in container.get("envFrom") or []}
    for variable in container.get("env") or []:
        reference = variable.get("valueFrom") or {}
        if key := reference.get("configMapKeyRef"):
            results.add(("ConfigMap", key["name"]))
        if key := reference.get("secretKeyRef"):
            results.add(("Secret", key["name"]))
    return results


def service_variables(services: Iterable[Object], addresses: ServiceAddresses) -> dict[str, str]:
    """`NAME_SERVICE_HOST`, `NAME_SERVICE_PORT` and their kin for each Service with an address."""
    fields: dict[str, str] = {}
    for service in services:
        address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or []
        if not ports or address in (None, "", "None"):
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        for index, port in enumerate(ports):
            host, number = addresses.of(address, port["port"])
            if index == 0:
                fields[f"{name}_SERVICE_HOST"] = host
                fields[f"{name}_SERVICE_PORT"] = str(number)
                fields[f"{name}_PORT"] = f"tcp://{host}:{number}"
            if port.get("name"):
                fields[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(number)
    return fields


def container_environment(
    pod: Object,
    container: Object,
    pod_ip: str,
    objects: Mapping[Source, Object | None],
    base: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment: `base` (image and Services), then `envFrom`, then `env`; the latter win."""
    result = dict(base)
    for entry in container.get("envFrom") or []:
        source = _source(entry)
        content = objects.get(source)
        reference = entry.get("configMapRef") or entry["secretRef"]
        if content is None and not reference.get("optional"):
            raise _missing(source)
        result.update({entry.get("prefix", "") + key: value for key, value in _entries(content)})
    for variable in container.get("env") or []:
        value = _value(pod, variable, pod_ip, objects, result)
        if value is not None:
            result[variable["name"]] = value
    return result


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` with its value; an unknown one stays as it is and `$$` is a dollar sign."""

    def replace(value: re.Match[str]) -> str:
        return "$" if value[1] else variables.get(value[2], value[0])

    return _VARIABLE.sub(replace, text)


def field(pod: Object, path: str, pod_ip: str) -> str:
    """The downward API: a field of the pod itself. Addresses are the ones that work inside of it."""
    if path in ("status.podIP", "status.podIPs"):
        return twin(pod_ip)
    if path in ("status.hostIP", "status.hostIPs"):
        return "127.0.0.1"
    if path in _FIELDS:
        section, key = _FIELDS[path]
        return str(pod[section].get(key) or "")
    if subscript := _SUBSCRIPT.fullmatch(path):
        return str((pod["metadata"].get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(entries.items()))
    raise ConfigError(f"unsupported fieldPath: {path}")


def _value(
    pod: Object,
    variable: Object,
    pod_ip: str,
    objects: Mapping[Source, Object | None],
    current: Mapping[str, str],
) -> str | None:
    reference = variable.get("valueFrom")
    if not reference:
        return expand(variable.get("value") or "", current)
    if path := reference.get("fieldRef"):
        return field(pod, path["fieldPath"], pod_ip)
    for kind, name in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if key := reference.get(name):
            return _keyed(pod, (kind, key["name"]), key, objects)
    raise ConfigError(f"{variable['name']}: {', '.join(reference)} is not supported by this node")


def _keyed(
    pod: Object, source: Source, reference: Object, objects: Mapping[Source, Object | None]
) -> str | None:
    content = objects.get(source)
    if content is not None:
        for key, value in _entries(content):
            if key == reference["key"]:
                return value
    if reference.get("optional"):
        return None
    if content is None:
        raise _missing(source)
    kind, name = source
    raise ConfigError(f"couldn't find key {reference['key']} in {kind} {pod['metadata']['namespace']}/{name}")


def _source(entry: Object) -> Source:
    if reference := entry.get("configMapRef"):
        return "ConfigMap", reference["name"]
    return "Secret", entry["secretRef"]["name"]


def _missing(source: Source) -> ConfigError:
    kind, name = source
    return ConfigError(f'{kind.lower()} "{name}" not found')


def _entries(item: Object | None) -> Iterator[tuple[str, str]]:
    if item is None:
        return
    for key, value in (item.get("data") or {}).items():
        yield key, base64.b64decode(value).decode(errors="replace") if item["kind"] == "Secret" else value
