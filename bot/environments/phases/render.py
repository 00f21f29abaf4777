"""Render phase: the commit's manifests become the objects of this environment, guarded before any write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.environments.commit_files import with_files
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.reasons import ManifestNotes, ManifestsDiffer, ManifestsTransformed, SizeExceeded
from bot.environments.render_request import render_request
from bot.model.errors import ManifestsRefused
from bot.model.manifest import Bundle, LiveObjects, Manifest, NamespaceState, Tool
from bot.model.notes import Effect, Note, counts, grouped


async def render(context: ReconcileContext) -> Outcome:
    """Renders unless the phase runner found the bundle in its cache."""
    target = context.overrides.target
    try:
        bundle = context.bundle = context.bundle or await _render(context)
    except ManifestsRefused as error:
        context.update_status(replace(context.status, manifest_notes=error.mistakes))
        raise
    if target is not None and bundle.manifests_digest != target.release.manifests_digest:
        return Failed(ManifestsDiffer(context.commit, target.release.id), final=True)
    _note(context, bundle.notes)
    if bundle.requests is not None and (excess := bundle.requests.excess(context.size)):
        # Kubernetes would refuse some of the pods, and the rest would wait for them.
        return Failed(SizeExceeded(excess), final=True)
    context.update_status(replace(context.status, release_id=bundle.release.id))
    context.update_attempt(replace(context.attempt, release=bundle.release, load=bundle.load))
    return Done()


def _note(context: ReconcileContext, notes: Sequence[Note]) -> None:
    """Lists what users must know among the notes of the comment, and only the number of everything else."""
    sentences = []
    for group in grouped(notes):
        if group[0].effect is Effect.MISSING or group[0].in_comment:
            context.add_note(ManifestNotes(group))
        else:
            sentences.append(context.describe(ManifestNotes(group)))
    if sentences:
        context.add_note(ManifestsTransformed(counts(notes)))
    context.update_status(replace(context.status, manifest_notes=tuple(sentences)))


async def _render(context: ReconcileContext) -> Bundle:
    environment, target, commit = context.environment, context.overrides.target, context.commit
    live = _live(context)

    async def render_files(files: Mapping[str, bytes]) -> Bundle:
        request = await asyncio.to_thread(  # patterns of seed files, on all files of the commit
            render_request,
            context.loaded_configuration,
            hosts=context.hosts,
            environment=environment.key,
            repository=environment.repository,
            namespace=context.namespace,
            commit=commit,
            images=context.attempt.images,
            files=files,
            secrets=context.secrets.digest,
            external=context.secrets.external,
            external_values=context.secrets.external_digest,
            resets=context.reset_token,
            refreshes=context.overrides.refreshes,
            asleep=context.asleep,
            fork=context.from_fork,
            serial=target.serial if target is not None else 0,
        )
        return await context.ports.renderer.render(replace(request, live=live))

    repository, configuration = environment.repository, context.loaded_configuration
    return await with_files(context.ports.contents, repository, commit, configuration, render_files)


def _live(context: ReconcileContext) -> LiveObjects | None:
    """What templates of a chart can look up. A fork's chart sees nothing of earlier releases."""
    key, namespace = context.environment.key, context.namespace
    if context.loaded_configuration.manifests_of(key).tool is not Tool.HELM or context.from_fork:
        return None

    async def read() -> Sequence[Manifest]:
        view = await context.ports.namespaces.namespace(namespace, key)
        if view.state is not NamespaceState.OURS:
            return ()
        return await context.ports.workloads.deployed(namespace, key)

    return read
