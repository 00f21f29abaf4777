"""Requires that the containers of an environment use the images of the release. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.render.jobs import job_image
from bot.cluster.render.transforms.images import images_by_name, pin_image
from bot.model.errors import ManifestRefused
from bot.model.manifest import Manifest, RenderRequest

_MOST = 20


def require_used(request: RenderRequest, manifests: Sequence[Manifest]) -> None:
    """Raises ManifestRefused for images of the release that no container and no Job of any environment uses.

    Otherwise, an environment would run something else than what CI built.
    """
    templates = [template for manifest in manifests if (template := pod_template(manifest)) is not None]
    written = sorted(
        {str(container["image"]) for template in templates for container in containers(template)}
    )
    by_name = images_by_name(request)
    used = {pin_image(image, by_name) for image in written}
    jobs = [job.image for job in (request.migrations, request.seed, *request.checks) if job is not None]
    used |= {job_image(image, request) for image in (*request.job_images, *jobs)}
    unused = {name: image for name, image in request.images.items() if image.reference not in used}
    if not unused:
        return
    listed = ", ".join(written[:_MOST]) or "none"
    more = f" and {len(written) - _MOST} more" if len(written) > _MOST else ""
    raise ManifestRefused(
        "\n".join(
            f".greenroom.yml, images.{name}: no container and no Job uses "
            f"{request.image_names.get(name, image.repository)}. "
            f"The images in the manifests are: {listed}{more}. Write the same name in both places, "
            "or add `name` to the image."
            for name, image in unused.items()
        )
    )
