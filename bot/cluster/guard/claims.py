"""Rules for volume claims and their templates: new and empty volumes only."""

from __future__ import annotations

from bot.cluster.guard.decisions import Fixed, Outcome, Refuse, Remove, Scope, fields, refuse, remove
from bot.cluster.node import Node

_EXISTING = "a claim must not request an existing volume, which may belong to others; remove this field"
_EMPTY = "a claim begins with an empty volume; remove this field and use `data.seed`"


def _storage_class(node: Node, scope: Scope) -> Outcome:
    name = node.text()
    if name == "":
        return Refuse(_EXISTING)
    if name in scope.policy.allowed_storage_classes:
        return None
    return Remove(
        "the default storage class is used; the operator can allow others with "
        "`GREENROOM_ALLOWED_STORAGE_CLASSES`"
    )


CLAIM_SPEC = fields(
    "accessModes[] resources:VolumeResourceRequirements storageClassName volumeMode",
    storageClassName=Fixed(_storage_class),
    volumeAttributesClassName=remove("the default of the storage class is used"),
    volumeName=Fixed(refuse(_EXISTING, unless=("",))),
    selector=Fixed(refuse(_EXISTING)),
    dataSource=refuse(_EMPTY),
    dataSourceRef=refuse(_EMPTY),
)
