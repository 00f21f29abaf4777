"""Images of the release: containers run them by digest, whatever the tag in the manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.render.transforms.base import Context, Object
from bot.model.image_reference import repository_key
from bot.model.manifest import RenderRequest
from bot.model.notes import Note
from bot.model.release import Image


def pin_images(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Replaces images of the release by their digests."""
    by_name = images_by_name(context.request)
    for manifest in objects:
        template = pod_template(manifest)
        for container in containers(template) if template is not None else ():
            container["image"] = pin_image(container["image"], by_name)
    return list(objects), []


def images_by_name(request: RenderRequest) -> dict[str, Image]:
    """The images of a release by registry and path, as the manifests name them and as CI pushes them.

    A name in the manifests of one image takes precedence over the repository of another one.
    """
    pushed = {repository_key(image.repository): image for image in request.images.values()}
    return pushed | {
        repository_key(request.image_names.get(name, image.repository)): image
        for name, image in request.images.items()
    }


def pin_image(image: str, by_name: Mapping[str, Image]) -> str:
    """An image of the release by its digest, regardless of the tag; other images unchanged."""
    pinned_image = by_name.get(repository_key(image))
    return pinned_image.reference if pinned_image else image
