"""The containers of objects whose shape is not checked yet. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cluster.manifests import Source
from bot.cluster.pod_templates import CONTAINERS, POD_TEMPLATES
from bot.cluster.render.transforms.base import items, mapping, text
from bot.model.image_reference import split_reference


def image_references(sources: Sequence[Source]) -> list[str]:
    """The images of all containers, application containers before init containers."""
    references = [
        text(mapping(container).get("image"))
        for group in reversed(CONTAINERS)
        for _, pod in _pods(sources)
        for container in items(mapping(pod, "spec").get(group))
    ]
    return list(dict.fromkeys(filter(None, references)))


def image_names(sources: Sequence[Source], selector: Mapping[str, Any]) -> set[str]:
    """The images, without tags, of the pods that a Service selects."""
    return {
        split_reference(text(mapping(container).get("image")))[0]
        for _, pod in _pods(sources)
        if selector.items() <= mapping(pod, "metadata", "labels").items()
        for container in items(mapping(pod, "spec").get("containers"))
    }


def _pods(sources: Sequence[Source]) -> Iterator[tuple[Source, dict[str, Any]]]:
    for source in sources:
        if (path := POD_TEMPLATES.get(source.manifest["kind"])) is not None:
            yield source, mapping(source.manifest, *path)
