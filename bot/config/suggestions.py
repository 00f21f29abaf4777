"""The field of `.greenroom.yml` that was probably meant by an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_LONGEST = 40
"""Characters of a name for which a similar one is searched."""


def similar_field(model: type[BaseModel], path: Sequence[str | int]) -> str | None:
    """A field that resembles the path's last part; None if there is none.

    Names of mappings and indexes of lists in the path lead to no other model.
    """
    if len(str(path[-1])) > _LONGEST:
        return None
    models = [model]
    for part in path[:-1]:
        annotations = [fields[part].annotation for fields in _fields(models) if part in fields]
        models = [inner for annotation in annotations for inner in _models(annotation)] or models
    names = [name for fields in _fields(models) for name in fields]
    return next(iter(difflib.get_close_matches(str(path[-1]), names, 1)), None)


def _fields(models: Sequence[type[BaseModel]]) -> list[dict[str, FieldInfo]]:
    return [model.model_fields for model in models]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation, also in choices, lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
