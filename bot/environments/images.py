"""Compares the images that run with those of the release."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from bot.environments.context import ReconcileContext
from bot.environments.image_reasons import UnexpectedImage
from bot.environments.ports import ImageResolver
from bot.model.errors import Rejected, Unavailable
from bot.model.image_reference import repository_key, split_reference
from bot.model.manifest import RunningContainer
from bot.model.release import Image
from bot.model.rollout import Side


async def unexpected_image(context: ReconcileContext) -> UnexpectedImage | None:
    """The first container that does not run the release's image.

    In a stage, pods of earlier releases count as well.
    """
    objects = [manifest for wave in context.rendered.waves.values() for manifest in wave]
    images = context.attempt.images
    # The other side of a rollout runs another release, or has no traffic and is about to be deleted.
    other = Side.CANDIDATE if context.release_bundle is None else Side.STABLE
    # Workloads without a route move at the finish.
    counts_earlier = not context.is_preview and context.release_bundle is None
    rollout = context.attempt.rollout
    own = f"-{rollout.suffix}-" if rollout is not None and context.release_bundle is not None else ""
    for container in await context.ports.health.running(context.namespace, objects):
        earlier_candidate = container.track == Side.CANDIDATE and own not in container.pod
        if container.track == other or earlier_candidate:
            continue
        wrong = ""
        if container.expected:
            wrong = await unexpected_digest(container, images, context.ports.registry)
        elif (counts_earlier or container.track == Side.CANDIDATE) and _is_earlier(container, images):
            wrong = container.image
        if wrong:
            return UnexpectedImage(container.pod, container.name, wrong)
    return None


async def missing_images(context: ReconcileContext, references: Iterable[str]) -> list[str]:
    """The images that their registry confirms not to have.

    A registry that the bot cannot read proves nothing, unless an image of the release is there.
    """
    own = {image.reference for image in context.attempt.images.values()}

    async def exists(reference: str) -> bool:
        try:
            return await context.ports.registry.exists(reference)
        except (Unavailable, Rejected):
            if reference in own:
                raise
            return True

    ordered = sorted(set(references))
    answers = await asyncio.gather(*(exists(reference) for reference in ordered))
    return [f"image {reference}" for reference, exists in zip(ordered, answers, strict=True) if not exists]


async def unexpected_digest(
    container: RunningContainer, images: Mapping[str, Image], registry: ImageResolver
) -> str:
    """What a container runs instead of the release's image; "" if it runs that, or is not built by CI."""
    image = next((image for image in images.values() if image.reference == container.expected), None)
    if image is None:
        return ""
    if split_reference(container.image)[2] != image.digest:
        return container.image
    if container.digest in ("", image.digest):
        return ""
    names = await registry.digests(image.repository, image.digest)
    return "" if container.digest in names else f"{image.repository}@{container.digest}"


def _is_earlier(container: RunningContainer, images: Mapping[str, Image]) -> bool:
    """Whether the container runs another build of an image of the release."""
    key = repository_key(container.image)
    digests = [image.digest for image in images.values() if repository_key(image.repository) == key]
    return bool(digests) and split_reference(container.image)[2] not in digests
