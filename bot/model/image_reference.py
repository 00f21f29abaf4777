"""Image references as container tools read them: `nginx`, `ghcr.io/acme/shop:1.0`, `host:5000/a@sha256:…`."""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
DOCKER_HUB_API = "registry-1.docker.io"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed image reference."""

    registry: str
    """Host with optional port; `docker.io` when none was written."""
    repository: str
    """Path without the host; `library/…` for Docker Hub's official images."""
    tag: str | None = None
    digest: str | None = None

    @property
    def api_host(self) -> str:
        """The host that answers the distribution API."""
        return DOCKER_HUB_API if self.registry == DOCKER_HUB else self.registry

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Reads an image reference; ValueError, with a message for its author, when it is not one."""
    name, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r} is no image: a digest is sha256: and 64 hexadecimal digits")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # the colon, if any, belongs to the host's port
        path, colon, tag = name, "", ""
    if colon and not TAG.fullmatch(tag):
        raise ValueError(f"{text!r} is no image: {tag!r} is not a tag")
    registry, repository = _split_host(path)
    if not _HOST.fullmatch(registry) or not _port_is_valid(registry):
        raise ValueError(f"{text!r} is no image: {registry!r} is not a host")
    if not _PATH.fullmatch(repository) or len(registry) + 1 + len(repository) > 255:
        raise ValueError(
            f"{text!r} is no image: {repository!r} is not a repository (lower case, at most 255)"
        )
    return Reference(registry, repository, tag or None, digest or None)


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
