"""Jobs that the bot adds: migrations, seed and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.cluster.names import COMMIT, JOB, MIGRATIONS, OWN_NAME, REFRESH, RESETS, SEED, SERIAL
from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.seed_files import mount
from bot.cluster.render.transforms.images import images_by_name, pin_image
from bot.cluster.render.variables import URL, url
from bot.model.manifest import JobRequest, Manifest, RenderRequest

Object = dict[str, Any]

RETRIES = 2
"""Kubernetes retries after 10 and 20 s. A node may route to a Service seconds after its pods are ready."""
_GRACE_SECONDS = 30
"""The Job's deadline is later than the pod's, since a Job deletes its pod, and the log, at its deadline.

It covers all attempts, so a Job that times out is not repeated in full.
"""
_USER = ("runAsUser", "runAsGroup", "runAsNonRoot")


def seed_job(job: JobRequest, request: RenderRequest, manifests: Sequence[Manifest]) -> Object:
    """The seed. Its name gets a digest of its content, so that a changed seed runs again."""
    template = _template(job, request, manifests)
    mount(template["spec"], job.files)
    return _job(SEED, "seed", job, template)


def migrations_job(job: JobRequest, request: RenderRequest, manifests: Sequence[Manifest]) -> Object:
    """The migrations, named like the seed."""
    return _job(MIGRATIONS, "migrations", job, _template(job, request, manifests))


def check_job(
    job: JobRequest, request: RenderRequest, policy: ClusterPolicy, manifests: Sequence[Manifest]
) -> Object:
    """A check, named by its content with commit and target, so that each of them is checked."""
    template = _template(job, request, manifests)
    annotations = {COMMIT: request.commit}
    if request.refreshes:
        annotations[REFRESH] = str(request.refreshes)
    if request.resets:
        annotations[RESETS] = request.resets
    if request.serial:
        annotations[SERIAL] = str(request.serial)
    template["metadata"] = {"annotations": annotations}
    if request.hosts.own:
        [container] = template["spec"]["containers"]
        others = [variable for variable in container.get("env") or [] if variable.get("name") != URL]
        container["env"] = [*others, {"name": URL, "value": url(request.hosts.own, request, policy)}]
    return _job(f"{OWN_NAME}-check-{job.name}", job.name, job, template)


def _job(name: str, label: str, job: JobRequest, template: Object) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {JOB: label}},
        "spec": {
            "backoffLimit": RETRIES,
            "activeDeadlineSeconds": job.timeout_seconds + _GRACE_SECONDS,
            "template": template,
        },
    }


def job_image(image: str, request: RenderRequest) -> str:
    """The image of a Job, which is the name of an image of the release or a reference."""
    release_image = request.images.get(image)
    return release_image.reference if release_image else pin_image(image, images_by_name(request))


def _template(job: JobRequest, request: RenderRequest, manifests: Sequence[Manifest]) -> Object:
    by_name = images_by_name(request)
    image = job_image(job.image, request)
    pod: Object = {"restartPolicy": "Never", "activeDeadlineSeconds": job.timeout_seconds}
    container: Object = {"name": "job", "image": image, "command": list(job.command)}
    for manifest in manifests:
        template = pod_template(manifest)
        for other in containers(template) if template is not None else ():
            if pin_image(other["image"], by_name) == image:
                _copy_settings(pod, container, template["spec"], other)
                return {"spec": {**pod, "containers": [container]}}
    return {"spec": {**pod, "containers": [container]}}


def _copy_settings(pod: Object, container: Object, other_pod: Object, other: Object) -> None:
    """Copies variables, user and pull secrets of a container of the manifests with the same image."""
    for field in ("imagePullSecrets", "securityContext"):
        if other_pod.get(field):
            pod[field] = other_pod[field]
    if other.get("envFrom"):
        container["envFrom"] = other["envFrom"]
    # A resourceFieldRef names a container of the other pod.
    variables = [
        variable
        for variable in other.get("env") or []
        if "resourceFieldRef" not in (variable.get("valueFrom") or {})
    ]
    if variables:
        container["env"] = variables
    user = {field: value for field, value in (other.get("securityContext") or {}).items() if field in _USER}
    if user:
        container["securityContext"] = user
