"""The phases before anything is written to the cluster: configuration, artifact, render."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

from bot.config.loader import host_objection, parse_configuration
from bot.config.schema import Configuration
from bot.environments import secrets
from bot.environments.context import ReconcileContext
from bot.environments.render_request import render_request
from bot.model.ci import CiState
from bot.model.durations import format_duration
from bot.model.environment import Phase
from bot.model.errors import Rejected
from bot.model.outcome import Done, Failed, Outcome, Waiting
from bot.model.release import Image

ARTIFACT_LIMIT = timedelta(hours=1)
"""How long CI may take to publish an image before the wait has failed."""
_LISTED = 10


async def configuration(context: ReconcileContext) -> Outcome:
    """Parses `.greenroom.yml` as it was read from the default branch, and reads the secrets that it names."""
    text = context.attempt.configuration
    assert text is not None, "the reconciler reads it before the phases begin"
    context.configuration = parse_configuration(text, context.policy.largest_size)
    peers, environment = context.ports, context.environment
    if environment.overrides.target is not None:
        why = host_objection(
            context.configuration, text, environment.key, environment.repository, context.policy.hosts
        )
        if why is not None:
            return Failed(f"{why}.", final=True)
    wanted = context.section.secrets
    context.set(notes=())
    ttl, longest = context.configuration.preview.ttl, context.policy.longest_ttl
    if ttl is not None and ttl > longest and environment.overrides.target is None:
        asked, allowed = format_duration(ttl), format_duration(longest)
        context.add_note(f"`preview.ttl` is `{asked}`, but the operator allows `{allowed}` at most.")
    if wanted and context.from_fork:
        context.add_note(f"A fork gets no secrets, so it runs without {_code_list(wanted)}.")
        return Done()
    try:
        context.secrets = await secrets.read_secrets(
            peers.secrets, wanted, environment.repository, environment.key, context.policy.digest_key
        )
    except Rejected as error:
        # Whoever keeps the secrets can mend it, without a push.
        return Failed(str(error), final=False, detail=error.detail)
    return Done()


async def artifact(context: ReconcileContext) -> Outcome:
    """Resolves each image's tag for this commit to its digest, once."""
    if context.attempt.images:
        context.set(images={name: image.digest for name, image in context.attempt.images.items()})
        return Done()
    config = _configuration(context)
    commit = context.commit
    names = list(config.images)
    sources = [config.images[name] for name in names]
    digests = await asyncio.gather(
        *(context.ports.registry.resolve(source.repository, source.tag_for(commit)) for source in sources)
    )
    found = {
        name: Image(source.repository, digest)
        for name, source, digest in zip(names, sources, digests, strict=True)
        if digest is not None
    }
    if len(found) == len(names):
        context.remember(images=found)
        context.set(images={name: image.digest for name, image in found.items()})
        return Done()
    missing = ", ".join(
        f"{source.repository}:{source.tag_for(commit)}"
        for name, source in zip(names, sources, strict=True)
        if name not in found
    )
    ci = await context.ports.checks.ci(context.environment.repository, commit)
    if ci.state is CiState.FAILED:
        return Failed(
            f"CI failed for {commit[:7]} ({', '.join(ci.failed)}), so there is no image {missing}.",
            final=True,
        )
    started = context.status.phases[Phase.ARTIFACT].started_at
    now = context.ports.clock()
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


async def render(context: ReconcileContext) -> Outcome:
    """Turns the commit's manifests into the objects of this environment; guarded before any write."""
    target = context.environment.overrides.target
    if context.bundle is None:
        commit = context.commit
        request = render_request(
            _configuration(context),
            host=context.host,
            environment=context.environment.key,
            repository=context.environment.repository,
            namespace=context.namespace,
            commit=commit,
            images=context.attempt.images,
            files=await context.ports.contents.files(context.environment.repository, commit),
            secrets=context.secrets.digest,
            resets=context.reset_token,
            refreshes=context.environment.overrides.refreshes,
            asleep=context.asleep,
            fork=context.from_fork,
            serial=target.serial if target is not None else 0,
        )
        context.bundle = await context.ports.renderer.render(request)
    if target is not None and context.bundle.manifests_digest != target.release.manifests_digest:
        return Failed(
            f"The manifests of {context.commit[:7]} are rendered differently than for release "
            f"{target.release.id}, so this would not be what was promoted.",
            final=True,
        )
    if context.bundle.left_out:
        names = _code_list(context.bundle.left_out)
        context.add_note(f"A fork gets no accounts of the cluster, so it runs without {names}.")
    context.set(release_id=context.bundle.release.id)
    context.remember(release=context.bundle.release)
    return Done()


def _code_list(names: Collection[str]) -> str:
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return ", ".join([*(f"`{name}`" for name in sorted(names)[:_LISTED]), *more])


def _configuration(context: ReconcileContext) -> Configuration:
    assert context.configuration is not None, "the configuration phase runs first"
    return context.configuration
