"""What CI built once for one commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.plan import PinnedModule


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
    """Images by their names in `.greenroom.yml`."""
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
    """A preview ran it."""
    DEFAULT_BRANCH = "default branch"
    """CI built it from a commit of the default branch."""


@dataclass(frozen=True, slots=True)
class PromotableRelease:
    """A release that can be promoted. Created once, never rebuilt or resolved again."""

    repository_id: int
    commit: str
    images: Mapping[str, Image]
    manifests_digest: str
    """Digest of the commit's manifests, before an environment's configuration, size and host are applied."""
    origin: Origin
    number: int | None
    """The pull request whose preview ran it."""
    from_fork: bool
    made_at: datetime
    tree: str = ""
    """SHA of the commit's tree: equal trees have equal content. "" until the first promotion.
    """

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits: another commit, image or manifest is another release."""
        images = sorted((name, image.reference) for name, image in self.images.items())
        content = [self.repository_id, self.commit, images, self.manifests_digest]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class CheckedRelease:
    """A release as its preview ran it."""

    release: PromotableRelease
    checks: Mapping[str, bool]
    """Name of each check of the preview to whether it passed."""


@dataclass(frozen=True, slots=True)
class Target:
    """The desired release of a stage: code and configuration, which are rolled back together."""

    release: PromotableRelease
    configuration: str
    """The text of `.greenroom.yml` that it runs with."""
    serial: int
    """Incremented with each new target; each target is verified."""
    replaces_objects: bool = False
    """Whether objects whose immutable fields changed are deleted and created again."""
    rollback: bool = False
    """Whether a rollback set this target, which decides on the hooks of a chart."""
    cluster: str = ""
    """The cluster on which it runs; "" for the stage's current one."""
    plan: str = ""
    """Digest of the Terraform plan that was approved with it; "" where no approval was required."""
    module: PinnedModule | None = None
    """The module that was planned with it, so that a tag which moves later changes nothing."""
