"""Typed reasons about the images of a release."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.ci import CiState


@dataclass(frozen=True, slots=True)
class CiFailed:
    commit: str
    checks: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageMissing:
    images: tuple[str, ...]
    ci: CiState


@dataclass(frozen=True, slots=True)
class RegistryUnavailable:
    """A registry does not answer, or denies access."""

    message: str
    failed_checks: tuple[str, ...]
    """Failed checks of CI, a possible reason for the missing image."""


@dataclass(frozen=True, slots=True)
class UnexpectedImage:
    """A container runs something else than the release's image."""

    pod: str
    container: str
    image: str


ImageReason = CiFailed | ImageMissing | RegistryUnavailable | UnexpectedImage
