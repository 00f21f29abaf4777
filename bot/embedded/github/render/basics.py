"""Payloads from templates: `payloads.yaml` has the shape of each, `fill` puts the values in.

`$name`, `$name.attribute` or `${name}` in a template is a value. A text that is nothing else keeps the
value's type; a time is written as GitHub writes it.
The value of `node_id` is a kind and an identity, which are encoded.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

_VALUE = re.compile(r"\$(?:\{([\w.]+)\}|(\w+(?:\.[a-z_]+)*))")


@cache
def _templates() -> dict[str, Json]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = Path(__file__).with_name("payloads.yaml").read_text()
    templates: dict[str, Json] = yaml.load(text, loader)  # noqa: S506 (a safe loader)
    return templates


def fill(name: str, **values: Any) -> Json:
    """The payload of a template."""
    filled: Json = _filled(_templates()[name], values)
    return filled


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        payload = {key: _filled(item, values) for key, item in template.items()}
        if isinstance(encoded := template.get("node_id"), str) and " " in encoded:
            payload["node_id"] = node_id(*payload["node_id"].split(" ", 1))
        return payload
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    if not isinstance(template, str):
        return template
    if match := _VALUE.fullmatch(template):
        return _value(match[1] or match[2], values)
    return _VALUE.sub(lambda match: str(_value(match[1] or match[2], values)), template)


def _value(path: str, values: Mapping[str, Any]) -> Any:
    name, *attributes = path.split(".")
    value = values[name]
    for attribute in attributes:
        value = getattr(value, attribute)
    return stamp(value) if isinstance(value, datetime) else value


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, identity: int | str) -> str:
    return base64.b64encode(f"{len(kind):03}:{kind}{identity}".encode()).decode()
