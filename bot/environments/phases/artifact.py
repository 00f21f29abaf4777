"""Artifact phase: resolves each image's tag for this commit to its digest, once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from bot.environments.context import ReconcileContext
from bot.environments.image_reasons import CiFailed, ImageMissing, RegistryUnavailable
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.reasons import TimedOut
from bot.model.ci import Ci, CiState
from bot.model.environment import Phase
from bot.model.errors import Unavailable
from bot.model.release import Image


async def artifact(context: ReconcileContext) -> Outcome:
    if context.attempt.images:
        _show_images(context, context.attempt.images)
        return Done()
    sources, commit = context.loaded_configuration.images, context.commit
    digests = await asyncio.gather(
        *(
            context.ports.registry.resolve(source.repository, source.tag_for(commit))
            for source in sources.values()
        ),
        return_exceptions=True,
    )
    images: dict[str, Image] = {}
    missing: list[str] = []
    unavailable: list[Unavailable] = []
    for (name, source), digest in zip(sources.items(), digests, strict=True):
        if isinstance(digest, Unavailable):
            unavailable.append(digest)
        elif isinstance(digest, BaseException):
            raise digest
        elif digest is None:
            missing.append(f"{source.repository}:{source.tag_for(commit)}")
        else:
            images[name] = Image(source.repository, digest)
    if len(images) == len(sources):
        context.update_attempt(replace(context.attempt, images=images))
        _show_images(context, images)
        return Done()
    ci = await context.ports.checks.ci(context.environment.repository, commit)
    if missing and ci.state is CiState.FAILED:
        return Failed(CiFailed(commit, tuple(ci.failed), tuple(missing)), final=ci.settled)
    if unavailable:
        return _wait_for_registry(context, unavailable[0], ci)
    return context.wait(Phase.ARTIFACT, ImageMissing(tuple(missing), ci.state))


def _wait_for_registry(context: ReconcileContext, error: Unavailable, ci: Ci) -> Outcome:
    """Waits like for a missing image; when it lasts, it is reported as a failure and still retried."""
    failed = tuple(ci.failed) if ci.state is CiState.FAILED else ()
    waiting = context.wait(Phase.ARTIFACT, RegistryUnavailable(str(error), failed))
    if context.ports.clock() >= waiting.until:
        return Failed(TimedOut(waiting.reason), final=False)
    return replace(waiting, check_again=max(waiting.check_again, error.retry_at or waiting.check_again))


def _show_images(context: ReconcileContext, images: Mapping[str, Image]) -> None:
    digests = {name: image.digest for name, image in images.items()}
    context.update_status(replace(context.status, images=digests))
