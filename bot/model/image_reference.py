"""OCI image references: `nginx`, `ghcr.io/acme/shop:1.0`, `host:5000/a@sha256:…`."""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
DOCKER_HUB_API = "registry-1.docker.io"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
NAME = re.compile(r"[a-zA-Z0-9$<{(%#_][a-zA-Z0-9.:_/$<>{}()%#-]*")
"""A name of an image in manifests: also a placeholder such as `${REGISTRY}/shop`, which CI replaces."""
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A parsed image reference."""

    registry: str
    """Host with optional port; `docker.io` when the reference names none."""
    repository: str
    """Path without host; `library/…` for Docker Hub's official images."""
    tag: str | None = None
    digest: str | None = None

    @property
    def api_host(self) -> str:
        """The host that serves the distribution API."""
        return DOCKER_HUB_API if self.registry == DOCKER_HUB else self.registry

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> ImageReference:
    """A validated reference with its registry. Raises ValueError with a message for the author."""
    name, tag, digest = split_reference(text)
    if digest is not None and not DIGEST.fullmatch(digest):
        raise ValueError(
            f"invalid image reference {text!r}: a digest is `sha256:` and 64 lower-case hexadecimal digits"
        )
    if tag is not None and not TAG.fullmatch(tag):
        raise ValueError(f"invalid image reference {text!r}: {tag!r} is not a tag")
    registry, repository = _split_host(name)
    if not _HOST.fullmatch(registry) or not _port_is_valid(registry):
        raise ValueError(f"invalid image reference {text!r}: {registry!r} is not a host")
    if not _PATH.fullmatch(repository) or len(registry) + 1 + len(repository) > 255:
        raise ValueError(
            f"invalid image reference {text!r}: {repository!r} is not a repository "
            "(lower case, at most 255 characters with the host)"
        )
    return ImageReference(registry, repository, tag, digest)


def repository_key(text: str) -> str:
    """Registry and path of a reference as registries compare them: `acme/web` is `docker.io/acme/web`.

    The name as written for an invalid reference.
    """
    try:
        reference = parse_reference(text)
    except ValueError:
        return split_reference(text)[0]
    return f"{reference.registry}/{reference.repository}"


def is_image_name(text: str) -> bool:
    """Whether registry and path of a reference are valid, unlike those of `<REGISTRY>/shop`."""
    try:
        parse_reference(split_reference(text)[0])
    except ValueError:
        return False
    return True


def is_placeholder(text: str) -> bool:
    """Whether a reference is invalid, but may be the `name` of one in `.greenroom.yml`."""
    return not is_image_name(text) and NAME.fullmatch(split_reference(text)[0]) is not None


def split_reference(text: str) -> tuple[str, str | None, str | None]:
    """Name, tag and digest of a reference as written, without validation."""
    name, at, digest = text.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # the colon, if any, belongs to the host's port
        path, colon, tag = name, "", ""
    return path, tag if colon else None, digest if at else None


def _split_host(path: str) -> tuple[str, str]:
    first, slash, rest = path.partition("/")
    if slash and (first == "localhost" or any(character in first for character in ".:[")):
        hub = first.lower() in (DOCKER_HUB, "index.docker.io", DOCKER_HUB_API)
        registry, repository = (DOCKER_HUB, rest) if hub else (first.lower(), rest)
    else:
        registry, repository = DOCKER_HUB, path
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def _port_is_valid(registry: str) -> bool:
    port = registry.rpartition("]")[2].partition(":")[2]
    return not port or 0 < int(port) <= 65535
