"""From a commit's objects to those of its environment. Pure: the same request renders the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster.client.kinds import REPLACED
from bot.cluster.guard.check import check
from bot.cluster.names import (
    CONFIG,
    MIGRATIONS,
    RELEASE,
    RESETS,
    SEED,
    TEMPLATE,
    content_name,
    data_job,
    digest,
    with_ownership,
)
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.forks import account_names, without_accounts
from bot.cluster.render.hibernate import hibernated
from bot.cluster.render.jobs import check_job, migrations_job, seed_job
from bot.cluster.render.manifests import Source
from bot.cluster.render.pod_templates import pod_template
from bot.cluster.render.seed_files import config_maps
from bot.cluster.render.transforms import transform
from bot.cluster.render.waves import assign_waves
from bot.cluster.routing.route import backend_selector, http_route, selects
from bot.model.manifest import Bundle, Manifest, RenderRequest, Wave
from bot.model.release import Release

Object = dict[str, Any]


def render(request: RenderRequest, sources: Sequence[Source], policy: ClusterPolicy) -> Bundle:
    """`sources` are the objects that the request's files describe.

    Raises ManifestRefused, which names what is wrong and where.
    """
    kept = [each for each in sources if not _is_replaced(each)]
    check(kept, request.namespace, policy)
    manifests = [source.manifest for source in kept]
    selector = backend_selector(request.backend, manifests) if request.backend else {}
    # A Job that the bot adds is configured like the pods behind the route, where they have its image.
    manifests.sort(key=lambda each: not selects(selector, each))
    objects = transform([*manifests, *_data_jobs(request, manifests)], request, policy)
    left_out = account_names(objects) if request.fork else ()
    if request.fork:
        objects = without_accounts(objects)
    objects += _configuration(request)
    release = Release(request.commit, request.images, _configuration_digest(objects, request))
    for each in objects:
        if selects(selector, each) and each["kind"] != "Job":
            _stamp(each, release.id)
        if request.resets and _data_wave(each) is None:
            _renew(each, request.resets)
    waves = assign_waves(
        [with_ownership(each, request) for each in objects if _data_wave(each) is None], selector
    )
    for each in objects:
        if wave := _data_wave(each):
            waves[wave] = [with_ownership(each, request)]
    if request.asleep:
        waves = {wave: hibernated(objects) for wave, objects in waves.items()}
    if request.backend:
        route = http_route(request.host, request.backend, release.id, policy)
        waves[Wave.ROUTE] = [with_ownership(route, request)]
    return Bundle(
        release=release,
        waves={wave: tuple(waves[wave]) for wave in Wave},
        checks=_checks(request, policy, manifests),
        left_out=left_out,
        secrets=bool(request.secrets),
        digests={wave: digest(waves[wave]) for wave in Wave},
        manifests_digest=_manifests_digest(kept, request),
    )


def _is_replaced(source: Source) -> bool:
    """A route of production would take production's host name."""
    group = source.manifest["apiVersion"].rpartition("/")[0]
    return (group, source.manifest["kind"]) in REPLACED


def _data_jobs(request: RenderRequest, manifests: Sequence[Manifest]) -> list[Manifest]:
    migrations = [migrations_job(request.migrations, request, manifests)] if request.migrations else []
    return [*migrations, *([seed_job(request.seed, request, manifests)] if request.seed else [])]


def _data_wave(each: Manifest) -> Wave | None:
    if each["kind"] != "Job":
        return None
    kind = data_job(each["metadata"]["name"])
    return {SEED: Wave.SEED, MIGRATIONS: Wave.MIGRATIONS}.get(kind or "")


def _configuration(request: RenderRequest) -> list[Object]:
    files = config_maps(request.seed.files) if request.seed else []
    if not request.config:
        return files
    return [
        *files,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIG},
            "data": dict(sorted(request.config.items())),
        },
    ]


def _configuration_digest(objects: Sequence[Manifest], request: RenderRequest) -> str:
    """Of all that runs, but neither of the commit nor of what the release's own name decides."""
    backend = request.backend
    route = [request.host, backend.service, backend.port] if backend else []
    ordered = sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"]))
    return f"sha256:{digest([ordered, route])}"


def _manifests_digest(sources: Sequence[Source], request: RenderRequest) -> str:
    """Of what the commit describes; a chart may have been told the namespace, which is the environment's."""
    texts = (json.dumps(source.manifest, sort_keys=True) for source in sources)
    return f"sha256:{digest(sorted(text.replace(request.namespace, '') for text in texts))}"


def _stamp(each: Object, release_id: str) -> None:
    """Says on the pods behind the route which release they are."""
    template = pod_template(each)
    template["metadata"]["labels"][RELEASE] = release_id
    annotations = template["metadata"]["annotations"]
    annotations[TEMPLATE] = digest([annotations[TEMPLATE], release_id])[:16]


def _renew(each: Object, resets: str) -> None:
    """Makes pods start anew, and a Job of the manifests run again, with new data."""
    template = pod_template(each)
    if template is None:
        return
    annotations = template["metadata"]["annotations"]
    annotations[RESETS] = resets
    annotations[TEMPLATE] = digest([annotations[TEMPLATE], resets])[:16]
    if each["kind"] == "Job":
        each["metadata"]["name"] = content_name(each["metadata"]["name"], resets)


def _checks(
    request: RenderRequest, policy: ClusterPolicy, manifests: Sequence[Manifest]
) -> Mapping[str, Manifest]:
    raw = [check_job(job, request, policy, manifests) for job in request.checks]
    made = transform([*manifests, *raw], request, policy)[len(manifests) :]
    return {job.name: with_ownership(each, request) for job, each in zip(request.checks, made, strict=True)}
