"""The phases before anything is written to the cluster: configuration, artifact, render."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

from bot.config.configuration import Configuration, host_objection, parse_configuration
from bot.config.fields import format_duration
from bot.environments import secrets
from bot.environments.context import ReconcileContext
from bot.environments.render_request import render_request
from bot.model.ci import CiState
from bot.model.environment import Phase
from bot.model.errors import Rejected
from bot.model.outcome import Done, Failed, Outcome, Waiting
from bot.model.release import Image

ARTIFACT_LIMIT = timedelta(hours=1)
"""How long CI may take to publish an image before the wait has failed."""
_LISTED = 10


async def configuration(run: ReconcileContext) -> Outcome:
    """Parses `.greenroom.yml` as it was read from the default branch, and reads the secrets that it names."""
    text = run.attempt.configuration
    assert text is not None, "the reconciler reads it before the phases begin"
    run.configuration = parse_configuration(text, run.policy.largest_size)
    peers, environment = run.ports, run.environment
    if environment.overrides.target is not None:
        why = host_objection(
            run.configuration, text, environment.key, environment.repository, run.policy.hosts
        )
        if why is not None:
            return Failed(f"{why}.", final=True)
    wanted = run.own.secrets
    run.set(notes=())
    ttl, longest = run.configuration.preview.ttl, run.policy.longest_ttl
    if ttl is not None and ttl > longest and environment.overrides.target is None:
        asked, allowed = format_duration(ttl), format_duration(longest)
        run.note(f"`preview.ttl` is `{asked}`, but the operator allows `{allowed}` at most.")
    if wanted and run.from_fork:
        run.note(f"A fork gets no secrets, so it runs without {_listed(wanted)}.")
        return Done()
    try:
        run.secrets = await secrets.read(
            peers.secrets, wanted, environment.repository, environment.key, run.policy.digest_key
        )
    except Rejected as error:
        # Whoever keeps the secrets can mend it, without a push.
        return Failed(str(error), final=False, detail=error.detail)
    return Done()


async def artifact(run: ReconcileContext) -> Outcome:
    """Resolves each image's tag for this commit to its digest, once."""
    if run.attempt.images:
        run.set(images={name: image.digest for name, image in run.attempt.images.items()})
        return Done()
    config = _configuration(run)
    commit = run.commit
    names = list(config.images)
    sources = [config.images[name] for name in names]
    digests = await asyncio.gather(
        *(run.ports.registry.resolve(source.repository, source.tag_for(commit)) for source in sources)
    )
    found = {
        name: Image(source.repository, digest)
        for name, source, digest in zip(names, sources, digests, strict=True)
        if digest is not None
    }
    if len(found) == len(names):
        run.remember(images=found)
        run.set(images={name: image.digest for name, image in found.items()})
        return Done()
    missing = ", ".join(
        f"{source.repository}:{source.tag_for(commit)}"
        for name, source in zip(names, sources, strict=True)
        if name not in found
    )
    ci = await run.ports.github.ci(run.environment.repository, commit)
    if ci.state is CiState.FAILED:
        return Failed(
            f"CI failed for {commit[:7]} ({', '.join(ci.failed)}), so there is no image {missing}.",
            final=True,
        )
    started = run.status.phases[Phase.ARTIFACT].started_at
    now = run.ports.clock()
    patience = min(max((now - started) / 4, timedelta(seconds=1)), timedelta(seconds=30))
    doing = {
        CiState.PENDING: "CI is still running",
        CiState.PASSED: "CI has passed, but the image is not in the registry",
    }.get(ci.state, "no CI has reported on this commit yet")
    return Waiting(
        f"Waiting for the image {missing}: {doing}.",
        check_again=now + patience,
        until=started + ARTIFACT_LIMIT,
    )


async def render(run: ReconcileContext) -> Outcome:
    """Turns the commit's manifests into the objects of this environment; guarded before any write."""
    target = run.environment.overrides.target
    if run.bundle is None:
        commit = run.commit
        request = render_request(
            _configuration(run),
            host=run.host,
            environment=run.environment.key,
            repository=run.environment.repository,
            namespace=run.namespace,
            commit=commit,
            images=run.attempt.images,
            files=await run.ports.github.files(run.environment.repository, commit),
            secrets=run.secrets.digest,
            resets=run.resets,
            refreshes=run.environment.overrides.refreshes,
            asleep=run.asleep,
            fork=run.from_fork,
            serial=target.serial if target is not None else 0,
        )
        run.bundle = await run.ports.renderer.render(request)
    if target is not None and run.bundle.manifests_digest != target.release.manifests_digest:
        return Failed(
            f"The manifests of {run.commit[:7]} are rendered differently than for release "
            f"{target.release.id}, so this would not be what was promoted.",
            final=True,
        )
    if run.bundle.left_out:
        run.note(
            f"A fork gets no accounts of the cluster, so it runs without {_listed(run.bundle.left_out)}."
        )
    run.set(release_id=run.bundle.release.id)
    run.remember(release=run.bundle.release)
    return Done()


def _listed(names: Collection[str]) -> str:
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join([*(f"`{name}`" for name in sorted(names)[:_LISTED]), *more])


def _configuration(run: ReconcileContext) -> Configuration:
    assert run.configuration is not None, "the configuration phase runs first"
    return run.configuration
