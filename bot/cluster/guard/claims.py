"""Rules for volume claims and their templates: new and empty volumes only."""

from __future__ import annotations

from bot.cluster.guard.decisions import Fixed, Outcome, Refuse, Remove, Scope, fields, refuse, remove
from bot.cluster.node import Node

_EXISTING = "a stage would run without the data of this volume, which may belong to others; remove this field"
_NEW = "each environment gets a new and empty volume; an existing one may belong to others"
_EMPTY = "a claim begins with an empty volume; remove this field and use `data.seed`"


def _storage_class(node: Node, scope: Scope) -> Outcome:
    name = node.text()
    if name == "":
        # It would wait for a volume that the cluster's administrator creates.
        return Refuse(_EXISTING) if scope.of_stage else Remove(_NEW, of_empty=True)
    if name in scope.policy.allowed_storage_classes:
        return None
    return Remove(
        "the default storage class is used; the operator can allow others with "
        "`GREENROOM_ALLOWED_STORAGE_CLASSES`"
    )


def _existing(node: Node, scope: Scope) -> Outcome:
    """A field that selects an existing volume."""
    if node.value == "":
        return None
    return Refuse(_EXISTING) if scope.of_stage else Remove(_NEW)


CLAIM_SPEC = fields(
    "accessModes[] resources:VolumeResourceRequirements storageClassName volumeMode",
    storageClassName=Fixed(_storage_class),
    volumeAttributesClassName=remove("the default of the storage class is used"),
    volumeName=Fixed(_existing),
    selector=Fixed(_existing),
    dataSource=refuse(_EMPTY),
    dataSourceRef=refuse(_EMPTY),
)
