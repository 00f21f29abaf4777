"""From a commit's objects to those of its environment. Pure: the same request renders the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.guard.check import check
from bot.cluster.jobs import check_job, seed_job
from bot.cluster.kinds import REPLACED
from bot.cluster.names import CONFIG, RELEASE, TEMPLATE, digest, is_own_name
from bot.cluster.ownership import owned
from bot.cluster.policy import Policy
from bot.cluster.reading import Source
from bot.cluster.route import backend_selector, http_route, selects
from bot.cluster.templates import pod_template
from bot.cluster.transform import transform
from bot.cluster.waves import in_waves
from bot.model.manifest import Bundle, Manifest, RenderRequest, Wave
from bot.model.release import Release

Object = dict[str, Any]


def render(request: RenderRequest, sources: Sequence[Source], policy: Policy) -> Bundle:
    """`sources` are the objects that the request's files describe.

    Raises ManifestRefused, which names what is wrong and where.
    """
    kept = [each for each in sources if not _is_replaced(each)]
    check(kept, request.namespace, policy)
    manifests = [source.manifest for source in kept]
    selector = backend_selector(request.backend, manifests) if request.backend else {}
    # A Job that the bot adds is configured like the pods behind the route, where they have its image.
    manifests.sort(key=lambda each: not selects(selector, each))
    objects = transform([*manifests, *_seed(request, manifests)], request, policy)
    objects += _configuration(request)
    release = Release(request.commit, request.images, _configuration_digest(objects, request))
    for each in objects:
        if selects(selector, each) and each["kind"] != "Job":
            _stamp(each, release.id)
    waves = in_waves([owned(each, request) for each in objects if not _is_seed(each)])
    waves[Wave.SEED] = [owned(each, request) for each in objects if _is_seed(each)]
    if request.backend:
        route = http_route(request.host, request.backend, release.id, policy)
        waves[Wave.ROUTE] = [owned(route, request)]
    return Bundle(
        release=release,
        waves={wave: tuple(waves[wave]) for wave in Wave},
        checks=_checks(request, policy, manifests),
        secrets=bool(request.secrets),
        digests={wave: digest(waves[wave]) for wave in Wave},
    )


def _is_replaced(source: Source) -> bool:
    """A route of production would take production's host name."""
    group = source.manifest["apiVersion"].rpartition("/")[0]
    return (group, source.manifest["kind"]) in REPLACED


def _seed(request: RenderRequest, manifests: Sequence[Manifest]) -> list[Manifest]:
    return [seed_job(request.seed, request, manifests)] if request.seed else []


def _is_seed(each: Manifest) -> bool:
    return each["kind"] == "Job" and is_own_name(each["metadata"]["name"])


def _configuration(request: RenderRequest) -> list[Object]:
    if not request.config:
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIG},
            "data": dict(sorted(request.config.items())),
        }
    ]


def _configuration_digest(objects: Sequence[Manifest], request: RenderRequest) -> str:
    """Of all that runs, but neither of the commit nor of what the release's own name decides."""
    backend = request.backend
    route = [request.host, backend.service, backend.port] if backend else []
    ordered = sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"]))
    return f"sha256:{digest([ordered, route])}"


def _stamp(each: Object, release_id: str) -> None:
    """Says on the pods behind the route which release they are."""
    template = pod_template(each)
    template["metadata"]["labels"][RELEASE] = release_id
    annotations = template["metadata"]["annotations"]
    annotations[TEMPLATE] = digest([annotations[TEMPLATE], release_id])[:16]


def _checks(request: RenderRequest, policy: Policy, manifests: Sequence[Manifest]) -> Mapping[str, Manifest]:
    raw = [check_job(job, request, policy, manifests) for job in request.checks]
    made = transform([*manifests, *raw], request, policy)[len(manifests) :]
    return {job.name: owned(each, request) for job, each in zip(request.checks, made, strict=True)}
