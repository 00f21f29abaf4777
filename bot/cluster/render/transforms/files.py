"""Files beside the manifests: of Compose, Kustomize and Helm, and others that contain no objects."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import Context
from bot.model.notes import Effect, Note


def leave_out_files(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out files in the folders of plain manifests that belong to other tools."""
    skipped = dict.fromkeys((source.file, source.skipped) for source in sources if source.skipped)
    notes = [Note(Effect.LEFT_OUT, file, reason) for file, reason in skipped]
    return [source for source in sources if not source.skipped], notes
