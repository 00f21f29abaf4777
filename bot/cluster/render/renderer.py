"""Renders a commit's manifests as the objects of an environment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.cluster.external_secrets import external_name, external_secrets
from bot.cluster.guard.check import check
from bot.cluster.made_secrets import SYNCED_BY
from bot.cluster.manifests import Source
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
from bot.cluster.pod_templates import pod_template
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.comparable import comparable, without_content
from bot.cluster.render.demand import load_of, requested_size
from bot.cluster.render.generated import Marked
from bot.cluster.render.jobs import check_job, migrations_job, seed_job
from bot.cluster.render.seed_files import config_maps
from bot.cluster.render.tools import Tools
from bot.cluster.render.tracks import with_tracks
from bot.cluster.render.transforms import transform_objects, transform_sources
from bot.cluster.render.transforms.base import Context
from bot.cluster.render.transforms.routes import is_route
from bot.cluster.render.transforms.workloads import hibernated
from bot.cluster.render.used_images import require_used
from bot.cluster.render.variables import with_neutral_settings, with_settings, with_variables
from bot.cluster.render.waves import assign_waves
from bot.cluster.routing.plan import is_kept_route, plan_routes
from bot.cluster.routing.routes import attached
from bot.cluster.routing.services import is_selected
from bot.model.environment import EnvironmentKind
from bot.model.hooks import run_hook
from bot.model.manifest import Bundle, Manifest, RenderRequest, Tool, Wave
from bot.model.parity import Comparable
from bot.model.release import Release

Object = dict[str, Any]

NEUTRAL_NAMESPACE = "greenroom-release"
"""The namespace for which the manifests of a release are rendered for their digest."""


class ManifestRenderer:
    """Renders requests with the tools. Raises ManifestRefused with place and reason."""

    def __init__(self, policy: ClusterPolicy, tools: Tools) -> None:
        self._policy = policy
        self._tools = tools

    async def render(self, request: RenderRequest) -> Bundle:
        marked = await self._tools.sources(with_settings(request, self._policy))
        neutral = None
        production = request.of_production
        if production.tool is Tool.HELM or request.production is not None:
            released = replace(with_neutral_settings(production), namespace=NEUTRAL_NAMESPACE, live=None)
            neutral = (await self._tools.sources(released)).sources
        # Large manifests would block the event loop.
        return await asyncio.to_thread(render, request, marked, self._policy, neutral)

    async def comparable(self, request: RenderRequest) -> Comparable:
        """The comparable form of a request; see comparable()."""
        marked = await self._tools.sources(with_neutral_settings(request))
        bundle = await asyncio.to_thread(render, request, marked, self._policy)
        return await asyncio.to_thread(comparable, bundle)


def render(
    request: RenderRequest,
    marked: Marked,
    policy: ClusterPolicy,
    neutral: Sequence[Source] | None = None,
) -> Bundle:
    """The bundle of a request; `marked` are the objects of the request's files. Pure.

    `neutral` are the objects of the production manifests for NEUTRAL_NAMESPACE, if they differ: the tool
    inserts the namespace, or the environment has manifests of its own.
    Raises ManifestRefused with place and reason.
    """
    policy = policy.within(request.fork)
    sources = marked.sources
    transformed, notes = transform_sources(sources, Context(request, policy))
    of_stage = request.environment.kind is EnvironmentKind.STAGE
    guarded = check(transformed, request.namespace, policy, request.repository, of_stage=of_stage)
    manifests = [manifest for manifest in guarded.manifests if not is_kept_route(manifest)]
    require_used(request, manifests)
    plan = plan_routes(request, guarded.manifests, transformed)
    request = with_variables(request, plan.addresses, policy)
    context = Context(request, policy)
    # Jobs copy settings of the first container with their image: pods behind a route come first.
    manifests.sort(key=lambda manifest: not is_selected(plan.selectors, manifest))
    objects, more_notes = transform_objects([*manifests, *_data_jobs(request, manifests)], context)
    objects += [*_configuration(request), *external_secrets(request)]
    release = Release(request.commit, request.images, _configuration_digest(objects, plan.objects))
    for manifest in objects:
        _name_hook(manifest, release.id, request)
        if is_selected(plan.selectors, manifest) and manifest["kind"] != "Job":
            _label_release(manifest, release.id)
        if request.resets and _data_wave(manifest) is None:
            _restart_for_data(manifest, request.resets)
    if request.tracks:
        with_tracks(objects, plan.selectors)
    waves = assign_waves(
        [with_ownership(manifest, request) for manifest in objects if _data_wave(manifest) is None],
        plan.selectors,
    )
    for manifest in objects:
        if wave := _data_wave(manifest):
            waves[wave] = [with_ownership(manifest, request)]
    if request.asleep:
        waves = {wave: hibernated(objects) for wave, objects in waves.items()}
    routes = [attached(route, release.id, policy) for route in plan.objects]
    # Without a route of its own, the host of a sleeping environment is routed to the waker.
    waves[Wave.ROUTE] = [] if request.asleep else [with_ownership(route, request) for route in routes]
    return Bundle(
        release=release,
        waves={wave: tuple(waves[wave]) for wave in Wave},
        checks=_checks(context, manifests),
        requests=requested_size(running := _running(waves)),
        load=load_of(running, waves[Wave.ROUTE]),
        notes=(*marked.notes, *notes, *guarded.notes, *plan.notes, *more_notes),
        addresses=plan.addresses,
        secrets=bool(request.secrets),
        makes_secrets=any(manifest["kind"] in SYNCED_BY for manifest in waves[Wave.CONFIGURATION]),
        external=external_name(request.external) if request.external else "",
        pull_secrets=policy.pull_secrets_of(request.repository),
        digests={wave: digest(waves[wave]) for wave in Wave},
        manifests_digest=manifests_digest(sources if neutral is None else neutral),
        generated=marked.generated,
    )


def _running(waves: Mapping[Wave, Sequence[Manifest]]) -> list[Manifest]:
    return [*waves[Wave.CONFIGURATION], *waves[Wave.DATA], *waves[Wave.WORKLOADS]]


def _data_jobs(request: RenderRequest, manifests: Sequence[Manifest]) -> list[Manifest]:
    migrations = [migrations_job(request.migrations, request, manifests)] if request.migrations else []
    return [*migrations, *([seed_job(request.seed, request, manifests)] if request.seed else [])]


def _data_wave(manifest: Manifest) -> Wave | None:
    if manifest["kind"] != "Job":
        return None
    kind = data_job(manifest["metadata"]["name"])
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


def _configuration_digest(objects: Sequence[Manifest], routes: Sequence[Manifest]) -> str:
    """Digest of all objects and routes, without the commit and fields that contain the release's id."""
    ordered = sorted(objects, key=lambda manifest: (manifest["kind"], manifest["metadata"]["name"]))
    return f"sha256:{digest([ordered, list(routes)])}"


def manifests_digest(sources: Sequence[Source]) -> str:
    """Digest of the commit's manifests, which must be rendered for the same namespace in all environments.

    Routes do not count, since the environment's route replaces them.
    """
    kept = (source.manifest for source in sources if not is_route(source) and not source.skipped)
    return f"sha256:{digest(sorted(json.dumps(manifest, sort_keys=True) for manifest in kept))}"


def _label_release(manifest: Object, release_id: str) -> None:
    """Labels the pods behind the route with the release."""
    template = pod_template(manifest)
    template["metadata"]["labels"][RELEASE] = release_id
    annotations = template["metadata"]["annotations"]
    annotations[TEMPLATE] = digest([annotations[TEMPLATE], release_id])[:16]


def _name_hook(manifest: Object, release_id: str, request: RenderRequest) -> None:
    """Gives a hook that runs another name in each deployment: its pods are immutable, and it runs again."""
    if run_hook(manifest) is not None:
        name = manifest["metadata"]["name"]
        content = [name, release_id, request.refreshes, request.serial]
        manifest["metadata"]["name"] = content_name(without_content(manifest), content)


def _restart_for_data(manifest: Object, resets: str) -> None:
    """Makes pods restart, and Jobs of the manifests run again, after a reset of the data."""
    template = pod_template(manifest)
    if template is None:
        return
    annotations = template["metadata"]["annotations"]
    annotations[RESETS] = resets
    annotations[TEMPLATE] = digest([annotations[TEMPLATE], resets])[:16]
    if manifest["kind"] == "Job":
        manifest["metadata"]["name"] = content_name(manifest["metadata"]["name"], resets)


def _checks(context: Context, manifests: Sequence[Manifest]) -> Mapping[str, Manifest]:
    request = context.request
    jobs = [check_job(job, request, context.policy, manifests) for job in request.checks]
    objects, _ = transform_objects([*manifests, *jobs], context)
    objects = objects[len(objects) - len(jobs) :]
    return {
        job.name: with_ownership(manifest, request)
        for job, manifest in zip(request.checks, objects, strict=True)
    }
