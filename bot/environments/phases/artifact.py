"""Artifact phase: resolves each image's tag for this commit to its digest, once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.reasons import CiFailed, ImageMissing
from bot.model.ci import CiState
from bot.model.environment import Phase
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
        )
    )
    images, missing = {}, []
    for (name, source), digest in zip(sources.items(), digests, strict=True):
        if digest is None:
            missing.append(f"{source.repository}:{source.tag_for(commit)}")
        else:
            images[name] = Image(source.repository, digest)
    if not missing:
        context.update_attempt(replace(context.attempt, images=images))
        _show_images(context, images)
        return Done()
    ci = await context.ports.checks.ci(context.environment.repository, commit)
    if ci.state is CiState.FAILED:
        return Failed(CiFailed(commit, tuple(ci.failed), tuple(missing)), final=ci.settled)
    return context.wait(Phase.ARTIFACT, ImageMissing(tuple(missing), ci.state))


def _show_images(context: ReconcileContext, images: Mapping[str, Image]) -> None:
    digests = {name: image.digest for name, image in images.items()}
    context.update_status(replace(context.status, images=digests))
