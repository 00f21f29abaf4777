"""What local development with Compose runs and the manifests lack. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from posixpath import basename

from bot.cluster.manifests import Source, is_compose_file
from bot.cluster.proposal.files import Files, documents
from bot.cluster.render.transforms.base import mapping, name_of, text
from bot.model.image_reference import split_reference

_OBSERVING = frozenset(
    [
        "adminer",
        "alertmanager",
        "all-in-one",
        "cadvisor",
        "fluent-bit",
        "fluentd",
        "grafana",
        "jaeger",
        "kibana",
        "loki",
        "node-exporter",
        "opentelemetry-collector",
        "opentelemetry-collector-contrib",
        "phpmyadmin",
        "prometheus",
        "promtail",
        "tempo",
        "zipkin",
    ]
)
"""Images that show what an application does, without which it works."""


def has_compose_file(files: Files) -> bool:
    return any(is_compose_file(basename(path)) for path in files)


def lacking_services(files: Files, sources: Sequence[Source], references: Collection[str]) -> list[str]:
    """Services of Compose that use an image of others, and whose name and image no manifest has."""
    images = {_last_part(reference) for reference in references}
    names = {name_of(source) for source in sources}
    return [
        name
        for name, image in _images(files).items()
        if name not in names and _last_part(image) not in images | _OBSERVING and "$" not in image
    ]


def _images(files: Files) -> Mapping[str, str]:
    """The images that Compose services use without building them, by the service's name."""
    images: dict[str, str] = {}
    for name, service in _services(files):
        image = text(service.get("image"))
        if image and "build" not in service:
            images.setdefault(name, image)
    return images


def _services(files: Files) -> Iterator[tuple[str, Mapping[str, object]]]:
    for path in sorted(files):
        if is_compose_file(basename(path)):
            for document in documents(files, path):
                for name, service in mapping(document, "services").items():
                    yield str(name), mapping(service)


def _last_part(reference: str) -> str:
    return split_reference(reference)[0].rpartition("/")[2]
