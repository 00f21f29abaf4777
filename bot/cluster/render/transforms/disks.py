"""Disks and shares of a storage system: a preview or demo gets new and empty volumes in their place."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from bot.cluster.guard.check import field_text
from bot.cluster.guard.pod_fields import STORAGE_VOLUMES
from bot.cluster.manifests import Source
from bot.cluster.names import content_name
from bot.cluster.pod_templates import POD_TEMPLATES
from bot.cluster.render.transforms.base import Context, Object, items, mapping, name_of, subject, text
from bot.model.environment import EnvironmentKind
from bot.model.notes import Effect, Note

_SIZE = "1Gi"
_LONGEST_NAME = 63
_MOUNT_ONLY = frozenset(("fsType", "partition", "readOnly"))
"""Fields that do not distinguish disks."""
_EMPTY = (
    "the environment has a new and empty claim in place of existing storage; the operator can allow the "
    "storage with `GREENROOM_ALLOWED_FIELDS`"
)


def replace_disks(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Replaces disks and shares in pods of previews and demos with new and empty volume claims."""
    if context.request.environment.kind is EnvironmentKind.STAGE:
        return list(sources), []  # a stage without its data is worse than none: the guard refuses it
    claims: dict[str, Source] = {}
    taken = {name_of(source) for source in sources if source.manifest["kind"] == "PersistentVolumeClaim"}
    notes: list[Note] = []
    for source in sources:
        for field, volume, kind in _disks(source):
            if f"Volume.{kind}" in context.policy.allowed_fields:
                continue
            identity = _identity(kind, volume.pop(kind))
            if identity not in claims:
                name = _claim_name(source, volume, identity, taken)
                taken.add(name)
                claims[identity] = replace(source, manifest=_claim(name))
            name = name_of(claims[identity])
            # Shared and read-only storage has content that a new volume lacks, so pods may write to it.
            volume["persistentVolumeClaim"] = {"claimName": name}
            place = f"{field}.{kind}"
            notes.append(Note(Effect.REWRITTEN, subject(source), _EMPTY, place, name, in_comment=True))
    return [*sources, *claims.values()], notes


def _disks(source: Source) -> Iterator[tuple[str, Object, str]]:
    """The volumes with exactly one source, of a type that is replaced, with their fields."""
    path = POD_TEMPLATES.get(source.manifest["kind"])
    if path is None:
        return
    spec = mapping(source.manifest, *path, "spec")
    for index, volume in enumerate(map(mapping, items(spec.get("volumes")))):
        kinds = volume.keys() - {"name"}
        if len(kinds) == 1 and (kind := next(iter(kinds))) in STORAGE_VOLUMES:
            yield field_text((*path, "spec", "volumes", index)), volume, kind


def _identity(kind: str, storage: object) -> str:
    """The same for volumes of one disk, which pods share."""
    named = {key: value for key, value in mapping(storage).items() if key not in _MOUNT_ONLY}
    return json.dumps([kind, named], sort_keys=True)


def _claim_name(source: Source, volume: Object, identity: str, taken: Collection[str]) -> str:
    """The name of the workload and of the volume."""
    words = re.findall(r"[a-z0-9]+", f"{name_of(source)} {text(volume.get('name'))}".lower())
    name = "-".join(words)
    return content_name(name, identity) if len(name) > _LONGEST_NAME or name in taken else name


def _claim(name: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": _SIZE}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": spec,
    }
