"""What CI built once for one commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a release: where it is and which bytes it is."""

    repository: str
    """Registry and path without tag, such as `ghcr.io/acme/shop`."""
    digest: str
    """`sha256:` and 64 hexadecimal digits."""

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Release:
    """Immutable: a commit, the digests of its images and the digest of its rendered configuration."""

    commit: str
    images: Mapping[str, Image]
    """By the name that `.greenroom.yml` gives them."""
    configuration_digest: str

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that fit a label; equal for equal content, whatever the commit."""
        content = [
            sorted((name, image.reference) for name, image in self.images.items()),
            self.configuration_digest,
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
