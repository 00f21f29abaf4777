"""docs/configuration.md lists every field of `.greenroom.yml` with its default, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.config.loader import parse_configuration
from bot.config.schema import Configuration

_PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
_ELSEWHERE = {"preview.ttl", "preview.checks[].name", "stages.NAME.checks[].name", "demo.NAME.checks[].name"}
"""Fields whose default is computed."""


def test_page_lists_every_field_with_its_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| .+ \|$", _PAGE, re.MULTILINE)
    documented = dict(rows)
    assert len(rows) == len(documented)
    fields = dict(_fields(Configuration))
    assert documented.keys() == fields.keys()
    assert {name: documented[name] for name in fields.keys() - _ELSEWHERE} == {
        name: _default(field) for name, field in fields.items() if name not in _ELSEWHERE
    }


def test_every_example_is_valid() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)
    assert examples
    smallest = {"version": 1, "images": {"shop": "acme/shop"}, "manifests": {"plain": "deploy"}}
    smallest |= {"route": {"service": "shop", "port": 80}}
    for example in examples:
        parse_configuration(yaml.safe_dump({**smallest, **yaml.safe_load(example)}))


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field of the file by its path, also those below a list or a name of the user's choice."""
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        yield path, field
        for inner, suffix in _models(field.annotation):
            yield from _fields(inner, f"{path}{suffix}.")


def _models(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
        return
    suffix = {tuple: "[]", Mapping: ".NAME"}.get(get_origin(annotation), "")
    for argument in get_args(annotation):
        for model, inner in _models(argument):
            yield model, suffix + inner


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    match value:
        case None | () | {} | "" | BaseModel():
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f"`{value.value}`"
        case timedelta():
            return f"`{value.days}d`" if value.days else f"`{value.seconds // 60}m`"
        case tuple():
            return f"`{list(value)}`"
        case _:
            return f"`{value}`"
