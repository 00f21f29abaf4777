"""How the manifests of previews differ from those of production. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import mapping, text
from bot.model.notes import Effect, Note

_ADDED = "only previews have it (`preview.manifests`)"
_REMOVED = "previews run without it (`preview.manifests`)"
_CHANGED = "previews have another version of it (`preview.manifests`)"


def overlay_notes(preview: Sequence[Source], production: Sequence[Source]) -> list[Note]:
    """Every object that differs; the comment shows them, since reviewers saw only the version of previews."""
    ours, theirs = _by_name(preview), _by_name(production)
    added = [name for name in ours if name not in theirs]
    removed = [name for name in theirs if name not in ours]
    changed = [name for name, manifest in ours.items() if name in theirs and theirs[name] != manifest]
    return [
        Note(effect, name, reason, in_comment=True)
        for effect, reason, names in (
            (Effect.KEPT, _ADDED, added),
            (Effect.LEFT_OUT, _REMOVED, removed),
            (Effect.REWRITTEN, _CHANGED, changed),
        )
        for name in names
    ]


def _by_name(sources: Sequence[Source]) -> dict[str, dict[str, Any]]:
    objects = [source.manifest for source in sources if not source.skipped]
    return {f"{manifest['kind']}/{_name(manifest)}": manifest for manifest in objects}


def _name(manifest: dict[str, Any]) -> str:
    metadata = mapping(manifest, "metadata")
    return text(metadata.get("name")) or text(metadata.get("generateName")) or "(unnamed)"
