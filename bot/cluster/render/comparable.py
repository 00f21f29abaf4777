"""An environment's objects as they can be compared with another one's. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.cluster.names import PREFIX, ROUTE
from bot.cluster.render.pod_templates import CONTAINERS, containers, pod_template
from bot.model.manifest import Bundle, Manifest
from bot.model.parity import Comparable

Object = dict[str, Any]

_VALUES = ("data", "binaryData", "stringData")
_BY_CONTENT = re.compile(r"-[0-9a-f]{10}$")
"""What ends the name of a Job, as another content is another Job."""
_SET = "set"


def comparable(bundle: Bundle) -> Comparable:
    """Values of variables, ConfigMaps and Secrets are left out wherever they stand: only names remain.

    So are labels and annotations of ours, and what the route says of host and release.
    """
    everything = [each for objects in bundle.waves.values() for each in objects]
    found: dict[str, Manifest] = {}
    for each in everything:
        name = _name(each)
        # Two Jobs with long names that begin alike keep what tells them apart.
        key = f"{each['kind']}/{name}"
        found[key if key not in found else f"{each['kind']}/{each['metadata']['name']}"] = _bare(each, name)
    return Comparable(found, _variables(everything))


def _name(each: Manifest) -> str:
    name: str = each["metadata"]["name"]
    return _BY_CONTENT.sub("", name) if each["kind"] == "Job" else name


def _bare(each: Manifest, name: str) -> Object:
    if each["kind"] == "Secret":
        # Nothing else: an annotation may repeat what is in it.
        return {"type": each.get("type", "Opaque"), "data": dict.fromkeys(_keys(each), _SET)}
    bare: Object = _unmarked(each)
    bare["metadata"] = {key: value for key, value in bare["metadata"].items() if key != "namespace"}
    bare["metadata"]["name"] = name
    if each["kind"] == "ConfigMap":
        bare = {key: value for key, value in bare.items() if key not in _VALUES}
        return {**bare, "data": dict.fromkeys(_keys(each), _SET)}
    if each["kind"] == "HTTPRoute" and name == ROUTE:
        bare["spec"] = {"backendRefs": [rule["backendRefs"] for rule in bare["spec"]["rules"]]}
        return bare
    template = pod_template(bare)
    if template is not None:
        for group in CONTAINERS:
            if template["spec"].get(group):
                template["spec"][group] = [_by_names(container) for container in template["spec"][group]]
    return bare


def _by_names(container: Object) -> Object:
    names = (str(each.get("name")) for each in container.get("env") or [])
    return {**container, "env": dict.fromkeys(names, _SET)}


def _unmarked(value: Any) -> Any:
    """A copy without labels and annotations of ours; manifests may not use them."""
    if isinstance(value, Mapping):
        return {key: _unmarked(each) for key, each in value.items() if not str(key).startswith(PREFIX)}
    return [_unmarked(each) for each in value] if isinstance(value, list | tuple) else value


def _variables(everything: list[Manifest]) -> frozenset[str]:
    sources = {
        (each["kind"], each["metadata"]["name"]): _keys(each)
        for each in everything
        if each["kind"] in ("ConfigMap", "Secret")
    }
    templates = (pod_template(each) for each in everything)
    found = [
        frozenset(_own(container, sources))
        for template in templates
        if template is not None
        for container in containers(template)
    ]
    return frozenset.intersection(*found) if found else frozenset()


def _own(container: Manifest, sources: Mapping[tuple[str, str], list[str]]) -> Iterator[str]:
    for variable in container.get("env") or []:
        yield str(variable.get("name"))
    for source in container.get("envFrom") or []:
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = (source.get(field) or {}).get("name", "")
            yield from (f"{source.get('prefix') or ''}{key}" for key in sources.get((kind, name), ()))


def _keys(each: Manifest) -> list[str]:
    values = (each.get(field) for field in _VALUES)
    return sorted({str(key) for found in values if isinstance(found, Mapping) for key in found})
