"""Images of the release: containers run them by digest, whatever tag or placeholder the manifests have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.cluster.guard.check import field_text
from bot.cluster.manifests import Source
from bot.cluster.pod_templates import CONTAINERS, POD_TEMPLATES, containers, pod_template
from bot.cluster.render.transforms.base import Context, Object, items, mapping, subject, text
from bot.model.image_reference import is_image_name, repository_key
from bot.model.manifest import RenderRequest
from bot.model.notes import Effect, Note
from bot.model.release import Image

_PLACEHOLDER = "`images` of `.greenroom.yml` names this placeholder"


def fill_placeholders(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Replaces placeholders such as `${REGISTRY}/shop`, which `images` names, with images of the release."""
    by_name = images_by_name(context.request)
    notes: list[Note] = []
    for source in sources:
        for field, container in _containers(source):
            reference = text(container.get("image"))
            image = by_name.get(repository_key(reference))
            if image is not None and not is_image_name(reference):
                container["image"] = image.repository
                notes.append(Note(Effect.REWRITTEN, subject(source), _PLACEHOLDER, field, image.repository))
    return list(sources), notes


def _containers(source: Source) -> Iterator[tuple[str, Object]]:
    """The containers of an unguarded object, with the fields of their images."""
    path = POD_TEMPLATES.get(source.manifest["kind"])
    for group in CONTAINERS if path is not None else ():
        place = (*(path or ()), "spec")
        for index, container in enumerate(items(mapping(source.manifest, *place).get(group))):
            yield field_text((*place, group, index, "image")), mapping(container)


def pin_images(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Replaces images of the release with their digests."""
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
