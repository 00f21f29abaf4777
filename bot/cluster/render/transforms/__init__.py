"""Transforms: pure functions that turn a commit's manifests into the objects of an environment.

A transform takes the objects and a Context, and returns the objects and its notes. To add one:

1. Write it in the module of its noun. A SourceTransform runs before the guard, so that what it rewrites or
   leaves out is not refused; an ObjectTransform runs after it.
2. Add it to SOURCE_TRANSFORMS or OBJECT_TRANSFORMS, which run in their order.
3. Return a Note for everything that it leaves out, rewrites or generates in the manifests. It then appears in
   the check run, on the pages, in `greenroom render`, and (counted) in the comment.
4. Run `make tables`: the first line of its docstring is its row in `docs/manifests.md`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from bot.cluster.manifests import Source
from bot.cluster.render.transforms.accounts import bind_accounts, withhold_accounts
from bot.cluster.render.transforms.base import Context, Object, ObjectTransform, SourceTransform
from bot.cluster.render.transforms.configuration import inject_configuration, mark_pods
from bot.cluster.render.transforms.disks import replace_disks
from bot.cluster.render.transforms.files import leave_out_files
from bot.cluster.render.transforms.images import fill_placeholders, pin_images
from bot.cluster.render.transforms.kinds import (
    leave_out_ignored,
    leave_out_unneeded,
    mark_kinds,
    withhold_kinds,
)
from bot.cluster.render.transforms.labels import rename_labels
from bot.cluster.render.transforms.namespaces import (
    leave_out_namespaces,
    move_objects,
    rewrite_service_names,
)
from bot.cluster.render.transforms.node_files import replace_node_files
from bot.cluster.render.transforms.pull_secrets import add_pull_secrets
from bot.cluster.render.transforms.references import name_missing
from bot.cluster.render.transforms.repetitions import leave_out_repeated
from bot.cluster.render.transforms.routes import prepare_routes
from bot.cluster.render.transforms.sealed_secrets import place_sealed_secrets
from bot.cluster.render.transforms.security import confine_pods
from bot.cluster.render.transforms.versions import name_objects, update_versions
from bot.cluster.render.transforms.workload_kinds import replace_daemon_sets, replace_workloads
from bot.cluster.render.transforms.workloads import label_claims, name_jobs
from bot.model.manifest import Manifest
from bot.model.notes import Note

SOURCE_TRANSFORMS: tuple[SourceTransform, ...] = (
    leave_out_files,
    leave_out_repeated,
    leave_out_ignored,
    prepare_routes,
    withhold_kinds,
    place_sealed_secrets,
    leave_out_unneeded,
    leave_out_namespaces,
    update_versions,
    replace_workloads,
    replace_node_files,
    replace_daemon_sets,
    rename_labels,
    replace_disks,
    fill_placeholders,
    name_objects,
    rewrite_service_names,
    move_objects,
)
"""Applied to the objects of the repository before the guard."""
OBJECT_TRANSFORMS: tuple[ObjectTransform, ...] = (
    withhold_accounts,
    mark_kinds,
    add_pull_secrets,
    name_missing,
    bind_accounts,
    pin_images,
    inject_configuration,
    confine_pods,
    mark_pods,
    label_claims,
    name_jobs,
)
"""Applied to guarded objects and the bot's own Jobs. `mark_pods` sees the result of those before it."""


def transform_sources(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """The objects for the guard, with the notes of all source transforms."""
    remaining = [replace(source, manifest=_copy(source.manifest)) for source in sources]
    notes = list[Note]()
    for transform in SOURCE_TRANSFORMS:
        remaining, added = transform(remaining, context)
        notes += added
    return remaining, notes


def transform_objects(manifests: Sequence[Manifest], context: Context) -> tuple[list[Object], list[Note]]:
    """The environment's objects for guarded manifests, without labels and annotations of ownership."""
    objects, notes = [_copy(manifest) for manifest in manifests], list[Note]()
    for transform in OBJECT_TRANSFORMS:
        objects, added = transform(objects, context)
        notes += added
    return objects, notes


def _copy(manifest: Manifest) -> Object:
    """A deep copy without values shared by YAML aliases."""
    copy: Object = json.loads(json.dumps(manifest))
    return copy
