"""Jobs that the bot adds to the manifests: migrations, the seed, and checks that run in the namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.cluster.names import COMMIT, JOB, MIGRATIONS, OWN_NAME, REFRESH, RESETS, SEED, SERIAL
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.pod_templates import containers, pod_template
from bot.cluster.render.seed_files import mount
from bot.cluster.render.transforms import pin_image
from bot.model.manifest import JobRequest, Manifest, RenderRequest

Object = dict[str, Any]

SEED_RETRIES = 1
"""A seed may come a moment too early: a Service leads to its pods a little after they are ready."""
_GRACE_SECONDS = 30
"""The pod's deadline comes first, as a pod that its Job's deadline ends takes its log away with it."""
_USER = ("runAsUser", "runAsGroup", "runAsNonRoot")


def seed_job(job: JobRequest, request: RenderRequest, manifests: Sequence[Manifest]) -> Object:
    """The transform names it by its content: that tells a changed seed from one that ran already."""
    template = _template(job, request, manifests)
    mount(template["spec"], job.files)
    return _job(SEED, "seed", SEED_RETRIES, job, template)


def migrations_job(job: JobRequest, request: RenderRequest, manifests: Sequence[Manifest]) -> Object:
    """Named by its content likewise. It is not tried again: half a migration is seldom mended by another."""
    return _job(MIGRATIONS, "migrations", 0, job, _template(job, request, manifests))


def check_job(
    job: JobRequest, request: RenderRequest, policy: ClusterPolicy, manifests: Sequence[Manifest]
) -> Object:
    """Named by its content, commit and target included: each of them is checked anew."""
    template = _template(job, request, manifests)
    marks = {COMMIT: request.commit}
    if request.refreshes:
        marks[REFRESH] = str(request.refreshes)
    if request.resets:
        marks[RESETS] = request.resets
    if request.serial:
        marks[SERIAL] = str(request.serial)
    template["metadata"] = {"annotations": marks}
    if request.host:
        domain = policy.domain_of(request.fork)
        url = f"{domain.scheme}://{request.host}{domain.suffix}"
        [container] = template["spec"]["containers"]
        others = [each for each in container.get("env") or [] if each.get("name") != "GREENROOM_URL"]
        container["env"] = [*others, {"name": "GREENROOM_URL", "value": url}]
    return _job(f"{OWN_NAME}-check-{job.name}", job.name, 0, job, template)


def _job(name: str, label: str, retries: int, job: JobRequest, template: Object) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {JOB: label}},
        "spec": {
            "backoffLimit": retries,
            "activeDeadlineSeconds": job.timeout_seconds + _GRACE_SECONDS,
            "template": template,
        },
    }


def _template(job: JobRequest, request: RenderRequest, manifests: Sequence[Manifest]) -> Object:
    by_repository = {image.repository: image for image in request.images.values()}
    known = request.images.get(job.image)
    image = known.reference if known else pin_image(job.image, by_repository)
    pod: Object = {"restartPolicy": "Never", "activeDeadlineSeconds": job.timeout_seconds}
    container: Object = {"name": "job", "image": image, "command": list(job.command)}
    for manifest in manifests:
        template = pod_template(manifest)
        for other in containers(template) if template is not None else ():
            if pin_image(other["image"], by_repository) == image:
                _borrow(pod, container, template["spec"], other)
                return {"spec": {**pod, "containers": [container]}}
    return {"spec": {**pod, "containers": [container]}}


def _borrow(pod: Object, container: Object, other_pod: Object, other: Object) -> None:
    """Configures it as the manifests configure a container of that image: variables, user, pull secrets."""
    for field in ("imagePullSecrets", "securityContext"):
        if other_pod.get(field):
            pod[field] = other_pod[field]
    if other.get("envFrom"):
        container["envFrom"] = other["envFrom"]
    # A resource field names a container of the other pod.
    variables = [
        each for each in other.get("env") or [] if "resourceFieldRef" not in (each.get("valueFrom") or {})
    ]
    if variables:
        container["env"] = variables
    user = {field: value for field, value in (other.get("securityContext") or {}).items() if field in _USER}
    if user:
        container["securityContext"] = user
