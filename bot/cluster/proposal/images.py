"""Which images of the manifests the repository's CI builds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname
from typing import Any

from bot.model.image_reference import is_image_name, is_placeholder, split_reference

_OTHERS = frozenset(
    [
        "alpine",
        "bash",
        "bitnami",
        "bitnamilegacy",
        "busybox",
        "cassandra",
        "cloudsql-docker",
        "consul",
        "curlimages",
        "debian",
        "distroless",
        "elastic",
        "elasticsearch",
        "etcd",
        "fluent",
        "google-containers",
        "google-samples",
        "google_containers",
        "google_samples",
        "grafana",
        "haproxy",
        "hashicorp",
        "influxdb",
        "istio",
        "jaegertracing",
        "k8s.gcr.io",
        "kafka",
        "kibana",
        "library",
        "mailhog",
        "mariadb",
        "memcached",
        "mcr.microsoft.com",
        "minio",
        "mongo",
        "mysql",
        "nats",
        "nginx",
        "nginxinc",
        "node",
        "openpolicyagent",
        "otel",
        "postgis",
        "postgres",
        "prom",
        "prometheus",
        "python",
        "rabbitmq",
        "redis",
        "registry.k8s.io",
        "traefik",
        "ubuntu",
        "valkey",
        "vault",
        "zookeeper",
    ]
)
"""Names, owners and registries of images that others build."""
MOST_IMAGES = 50
"""Maximum number of images in `.greenroom.yml`."""


@dataclass(frozen=True, slots=True)
class OwnImage:
    key: str
    """The name in `.greenroom.yml`."""
    repository: str
    name: str = ""
    """The name in the manifests, if the repository is a guess because it names no registry."""

    @property
    def section(self) -> Any:
        return {"repository": self.repository, "name": self.name} if self.name else self.repository


def own_images(
    references: Iterable[str], built: Sequence[str], owner: str, repository: str
) -> list[OwnImage]:
    """The images that CI builds from the Dockerfiles `built`; at least one if there are references."""
    written = list(dict.fromkeys(split_reference(reference)[0] for reference in references))
    placeholders = [name for name in written if is_placeholder(name)]
    names = [name for name in written if is_image_name(name)]
    chosen = [*placeholders, *_chosen(names, built, owner, repository, placeholders=bool(placeholders))]
    images: dict[str, OwnImage] = {}
    for name in chosen[:MOST_IMAGES]:
        key = _key(basename(name), images)
        images[key] = _own_image(key, name, owner, repository, alone=len(chosen) == 1)
    return list(images.values())


def _chosen(
    names: Sequence[str], built: Sequence[str], owner: str, repository: str, *, placeholders: bool
) -> list[str]:
    """The likely ones among the names of images. Beside placeholders, all others may be images of others."""
    ours = {repository.lower(), *_built_names(built)}
    likely = [name for name in names if not is_others(name)]
    # Several Dockerfiles: images of the same owner belong together.
    related = likely if len(built) > 1 and len({dirname(name) for name in likely}) == 1 else []
    named = [name for name in names if basename(name) in ours or owner.lower() in name.split("/")]
    similar = [name for name in likely if ours & set(re.split(r"[-_]", basename(name)))]
    unknown = [name for name in names if basename(name).lower() not in _OTHERS]
    groups = [named, similar] if placeholders else [related, named, similar, likely, unknown, list(names[:1])]
    chosen = next((group for group in groups if group), [])
    owners = [dirname(name) for name in chosen if not is_others(name)]
    together = {folder for folder in owners if folder and owners.count(folder) > 1}
    return [name for name in names if name in chosen or (name in likely and dirname(name) in together)]


def _own_image(key: str, name: str, owner: str, repository: str, *, alone: bool) -> OwnImage:
    first, slash, _ = name.partition("/")
    if is_image_name(name) and slash and ("." in first or ":" in first or first == "localhost"):
        return OwnImage(key, name)
    guess = guessed_repository(owner, repository)
    part = basename(name) if is_image_name(name) else key
    return OwnImage(key, guess if alone else f"{guess}/{part}", name)


def guessed_repository(owner: str, repository: str) -> str:
    """Where CI may push, in the letters that a registry allows; folders have any name."""
    words = (re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "app" for word in (owner, repository))
    return "/".join(["ghcr.io", *words])


def _built_names(built: Sequence[str]) -> set[str]:
    """Names of folders and suffixes of Dockerfiles: `services/api/Dockerfile`, `Dockerfile.worker`."""
    folders = {basename(dirname(path)).lower() for path in built}
    suffixes = {part for path in built for part in basename(path).lower().split(".")}
    return (folders | suffixes) - {"", "dockerfile", "containerfile", "docker", "build", "src", "app"}


def is_others(name: str) -> bool:
    """Whether an image is known to be built by others."""
    parts = name.lower().split("/")
    return not _OTHERS.isdisjoint((parts[0], *parts[-2:]))


def _key(name: str, taken: Iterable[str]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:36].strip("-") or "app"
    numbers = (f"{slug}-{number}" for number in range(2, MOST_IMAGES + 1))
    return next(key for key in (slug, *numbers) if key not in taken)
