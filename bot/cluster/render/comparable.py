"""The comparable form of an environment's objects. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.cluster.client.kinds import GRPC_ROUTE, HTTP_ROUTE
from bot.cluster.names import PREFIX, object_name
from bot.cluster.pod_templates import CONTAINERS, containers, pod_template
from bot.cluster.routing.routes import without_release
from bot.model.hooks import run_hook
from bot.model.manifest import Bundle, Manifest
from bot.model.parity import Comparable

Object = dict[str, Any]

_VALUES = ("data", "binaryData", "stringData")
_CONTENT_SUFFIX = re.compile(r"-[0-9a-f]{10}$")
"""The digest of the content at the end of a Job's name."""
_PRESENT = "set"


def comparable(bundle: Bundle) -> Comparable:
    """The objects without values of variables, ConfigMaps and Secrets; only their names remain.

    Labels and annotations of the bot, and hosts and releases of routes, are omitted as well.
    """
    manifests = [manifest for objects in bundle.waves.values() for manifest in objects]
    comparables: dict[str, Manifest] = {}
    for manifest in manifests:
        name = without_content(manifest)
        # Two Jobs whose names differ only in the digest keep their full names.
        key = f"{manifest['kind']}/{name}"
        comparables[object_name(manifest) if key in comparables else key] = _bare(manifest, name)
    return Comparable(comparables, _variables(manifests))


def without_content(manifest: Manifest) -> str:
    """The name of an object without the digest of its content."""
    name: str = manifest["metadata"]["name"]
    has_digest = manifest["kind"] == "Job" or run_hook(manifest) is not None
    return _CONTENT_SUFFIX.sub("", name) if has_digest else name


def _bare(manifest: Manifest, name: str) -> Object:
    if manifest["kind"] == "Secret":
        # Annotations are omitted, since they may repeat values of the Secret.
        return {"type": manifest.get("type", "Opaque"), "data": dict.fromkeys(_keys(manifest), _PRESENT)}
    bare: Object = _unmarked(manifest)
    bare["metadata"] = {key: value for key, value in bare["metadata"].items() if key != "namespace"}
    bare["metadata"]["name"] = name
    if manifest["kind"] == "ConfigMap":
        bare = {key: value for key, value in bare.items() if key not in _VALUES}
        return {**bare, "data": dict.fromkeys(_keys(manifest), _PRESENT)}
    if manifest["kind"] in (HTTP_ROUTE.name, GRPC_ROUTE.name):
        return {**bare, "spec": {"rules": [without_release(rule) for rule in bare["spec"]["rules"]]}}
    template = pod_template(bare)
    if template is not None:
        for group in CONTAINERS:
            if template["spec"].get(group):
                template["spec"][group] = [_by_names(container) for container in template["spec"][group]]
    return bare


def _by_names(container: Object) -> Object:
    names = (str(variable.get("name")) for variable in container.get("env") or [])
    return {**container, "env": dict.fromkeys(names, _PRESENT)}


def _unmarked(value: Any) -> Any:
    """A copy without labels and annotations of the bot."""
    if isinstance(value, Mapping):
        return {key: _unmarked(item) for key, item in value.items() if not str(key).startswith(PREFIX)}
    return [_unmarked(item) for item in value] if isinstance(value, list | tuple) else value


def _variables(manifests: list[Manifest]) -> frozenset[str]:
    sources = {
        (manifest["kind"], manifest["metadata"]["name"]): _keys(manifest)
        for manifest in manifests
        if manifest["kind"] in ("ConfigMap", "Secret")
    }
    templates = (pod_template(manifest) for manifest in manifests)
    variables = [
        frozenset(_variables_of(container, sources))
        for template in templates
        if template is not None
        for container in containers(template)
    ]
    return frozenset.intersection(*variables) if variables else frozenset()


def _variables_of(container: Manifest, sources: Mapping[tuple[str, str], list[str]]) -> Iterator[str]:
    for variable in container.get("env") or []:
        yield str(variable.get("name"))
    for source in container.get("envFrom") or []:
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = (source.get(field) or {}).get("name", "")
            yield from (f"{source.get('prefix') or ''}{key}" for key in sources.get((kind, name), ()))


def _keys(manifest: Manifest) -> list[str]:
    values = (manifest.get(field) for field in _VALUES)
    return sorted({str(key) for value in values if isinstance(value, Mapping) for key in value})
