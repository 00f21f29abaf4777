"""The forms of a response: objects, or a table."""

from dataclasses import dataclass
from typing import Literal

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.resources import Resource
from bot.embedded.kubernetes.web.tables import columns_of, row_of

View = Literal["object", "table"]


def view_of(accept: str) -> View:
    """The first form of an Accept header that this server supports."""
    for choice in accept.split(","):
        if "as=Table" in choice:
            return "table"
        if "json" in choice or "*/*" in choice:
            return "object"
    return "object"


@dataclass(frozen=True)
class Renderer:
    resource: Resource
    view: View
    now: float
    include: str = "Metadata"
    """The part of the object in a table's row: None, Metadata or Object."""

    def single(self, obj: Object, headed: bool = True) -> Object:
        """One object; `headed` false omits a table's column definitions."""
        if self.view == "table":
            version = obj["metadata"].get("resourceVersion", "")
            return self._table([obj], {"resourceVersion": version}, headed)
        return obj

    def many(self, objects: list[Object], metadata: Object) -> Object:
        if self.view == "table":
            return self._table(objects, metadata, True)
        items = objects if self.resource.custom else [_untyped(obj) for obj in objects]
        head = {"kind": f"{self.resource.kind}List", "apiVersion": self.resource.api_version}
        return {**head, "metadata": metadata, "items": items}

    def _table(self, objects: list[Object], metadata: Object, headed: bool) -> Object:
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": columns_of(self.resource) if headed else None,
            "rows": [self._row(obj) for obj in objects],
        }

    def _row(self, obj: Object) -> Object:
        row: Object = {"cells": row_of(self.resource, obj, self.now)}
        if self.include == "Object":
            row["object"] = obj
        elif self.include != "None":
            row["object"] = _partial(obj)
        return row


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _untyped(obj: Object) -> Object:
    """Items of a list of a built-in kind do not repeat kind and version."""
    return {name: value for name, value in obj.items() if name not in {"kind", "apiVersion"}}
