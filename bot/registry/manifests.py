"""Manifests and indexes of images: the digests that they contain. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bot.model.errors import Unavailable
from bot.model.image_reference import DIGEST

_MAX_CHILDREN = 50
"""Platforms of an index that are read."""


def parse_manifest(body: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The manifests of an index, and the configuration of a manifest; one of both is empty."""
    try:
        manifest = json.loads(body)
        children = tuple(_digests(manifest.get("manifests") or []))
        return children[:_MAX_CHILDREN], tuple(_digests([manifest.get("config") or {}]))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise Unavailable("the registry responds with an invalid manifest") from None


def parse_layers(body: bytes) -> dict[str, str]:
    """The digest of the first layer of each media type."""
    try:
        layers = json.loads(body).get("layers") or []
        descriptors = ((layer["mediaType"], digest) for layer in layers for digest in _digests([layer]))
        return dict(reversed(list(descriptors)))
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        raise Unavailable("the registry responds with an invalid manifest") from None


def _digests(descriptors: list[dict[str, object]]) -> Iterator[str]:
    for descriptor in descriptors:
        digest = descriptor.get("digest")
        if isinstance(digest, str) and DIGEST.fullmatch(digest):
            yield digest
