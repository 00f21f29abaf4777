"""The Services behind routes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.node import InvalidShape, Node
from bot.cluster.pod_templates import pod_template
from bot.model.manifest import Manifest


class UnknownService(ValueError):
    """The manifests lack a Service of a route."""


class UnknownPort(ValueError):
    """A Service lacks a port of a route."""


class Services:
    """The Services of the manifests by name. Methods raise UnknownService and UnknownPort."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self._services = {
            manifest["metadata"]["name"]: Node(manifest)
            for manifest in manifests
            if manifest["kind"] == "Service"
        }

    def selector(self, name: str) -> Mapping[str, str]:
        try:
            return {key: value.text() for key, value in self._service(name).at("spec", "selector").pairs()}
        except InvalidShape as error:
            raise UnknownService(f"Service/{name}: {error.finding.reason} in its spec") from None

    def port(self, name: str, port: object) -> int:
        """The number of a port, which may be given by its name."""
        service = self._service(name)
        try:
            ports = [
                (item["port"].value, item["name"].text()) for item in service.at("spec", "ports").items()
            ]
        except InvalidShape as error:
            raise UnknownPort(f"Service/{name}: {error.finding.reason} in its spec") from None
        for number, port_name in ports:
            if port == number or (port and port == port_name):
                return int(number)
        existing = ", ".join(f"{number} ({word})" if word else str(number) for number, word in ports)
        raise UnknownPort(f"the Service {name!r} has no port {port}; it has {existing or 'none'}")

    def _service(self, name: str) -> Node:
        service = self._services.get(name)
        if service is None:
            existing = f"; existing Services: {', '.join(sorted(self._services))}" if self._services else ""
            raise UnknownService(f"the manifests have no Service {name!r}{existing}")
        return service


def selects(selector: Mapping[str, str], manifest: Manifest) -> bool:
    """Whether a Service with this selector selects the pods of an object."""
    template = pod_template(manifest)
    if template is None or not selector:
        return False
    labels = (template.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def is_selected(selectors: Sequence[Mapping[str, str]], manifest: Manifest) -> bool:
    """Whether one of the Services selects the pods of an object."""
    return any(selects(selector, manifest) for selector in selectors)
