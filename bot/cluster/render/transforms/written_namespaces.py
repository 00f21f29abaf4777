"""The namespaces that manifests name, if the objects of all of them can share that of the environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bot.cluster.manifests import Source
from bot.cluster.pod_templates import POD_TEMPLATES
from bot.cluster.render.transforms.base import Object, mapping, name_of, text

_SYSTEM = "kube-"
"""Objects in namespaces of the cluster itself are meant for the cluster."""


def written_namespaces(sources: Sequence[Source]) -> frozenset[str]:
    """The namespaces that all objects with a namespace name; none if there are several that must not be one.

    Together, no two objects may have the same name, and none may select pods of another namespace.
    """
    names = frozenset(map(_namespace, sources)) - {""}
    if len(names) < 2:
        return names
    system = any(name.startswith(_SYSTEM) for name in names)
    return frozenset() if system or _collide(sources) or _mix(sources) else names


def _namespace(source: Source) -> str:
    return text(mapping(source.manifest, "metadata").get("namespace"))


def _collide(sources: Sequence[Source]) -> bool:
    keys = Counter((source.manifest["kind"], name_of(source)) for source in sources)
    return any(number > 1 for number in keys.values())


def _mix(sources: Sequence[Source]) -> bool:
    """Whether an object of one namespace would select pods of another one."""
    pods = [
        (_namespace(source), mapping(source.manifest, *path, "metadata", "labels"))
        for source in sources
        if (path := POD_TEMPLATES.get(source.manifest["kind"])) is not None
    ]
    return any(
        namespace != _namespace(source) and selector.items() <= labels.items()
        for source in sources
        for selector in _selectors(source.manifest)
        for namespace, labels in pods
    )


def _selectors(manifest: Object) -> Iterator[Object]:
    """The labels by which an object selects pods; a policy or budget without labels selects all."""
    kind, spec = manifest["kind"], mapping(manifest, "spec")
    if kind == "Service":
        if selector := mapping(spec, "selector"):
            yield selector
    elif kind == "NetworkPolicy":
        yield mapping(spec, "podSelector", "matchLabels")
    elif kind in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        yield mapping(spec, "selector", "matchLabels")
