"""Images of the release: containers run them by digest, whatever the tag in the manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.render.transforms.base import Context, Object
from bot.model.image_reference import repository_key
from bot.model.notes import Note
from bot.model.release import Image


def pin_images(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Replaces images of the release by their digests."""
    by_repository = images_by_repository(context.request.images)
    for manifest in objects:
        template = pod_template(manifest)
        for container in containers(template) if template is not None else ():
            container["image"] = pin_image(container["image"], by_repository)
    return list(objects), []


def images_by_repository(images: Mapping[str, Image]) -> dict[str, Image]:
    """The images of a release by registry and path."""
    return {repository_key(image.repository): image for image in images.values()}


def pin_image(image: str, by_repository: Mapping[str, Image]) -> str:
    """An image of the release by its digest, regardless of the tag; other images unchanged."""
    pinned_image = by_repository.get(repository_key(image))
    return pinned_image.reference if pinned_image else image
