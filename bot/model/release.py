"""What CI built once for one commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


class Origin(StrEnum):
    """Where a release that can be promoted was seen first."""

    PREVIEW = "preview"
    """A preview ran it, and reviewers saw it."""
    DEFAULT_BRANCH = "default branch"
    """CI built it from a commit of the default branch."""


@dataclass(frozen=True, slots=True)
class PromotableRelease:
    """A release as it goes from stage to stage. Made once, and never built or resolved again."""

    repository_id: int
    commit: str
    images: Mapping[str, Image]
    manifests_digest: str
    """Of the manifests as the commit has them, before an environment's own configuration, size and host."""
    origin: Origin
    number: int | None
    """The pull request whose preview ran it."""
    from_fork: bool
    made_at: datetime
    tree: str = ""
    """Git's name of the commit's content: equal trees are equal content, whatever the history.

    Read when the release is promoted first; until then "".
    """

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits: another commit, image or manifest is another release."""
        images = sorted((name, image.reference) for name, image in self.images.items())
        content = [self.repository_id, self.commit, images, self.manifests_digest]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Target:
    """What a stage is to run: code and configuration together, so that both go forward and back as one."""

    release: PromotableRelease
    configuration: str
    """The text of `.greenroom.yml` that it runs with."""
    serial: int
    """Raised each time that a stage is told what to run: each of them is verified anew."""
