"""The JSON schema of `.greenroom.yml`, for editors. `greenroom schema` prints it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.config.schema import Configuration
from bot.model.rollout import Strategy

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_DURATION = {"type": "string", "pattern": "^([1-9][0-9]{0,5}|0)[smhd]$", "examples": ["30m", "24h", "3d"]}
_QUANTITY = {"anyOf": [_TEXT, {"type": "number", "exclusiveMinimum": 0}]}
_SHORT_FORMS: Mapping[str, Mapping[str, Any]] = {
    "After": _TEXTS,
    "HttpTarget": _TEXT,
    "ImageSource": _TEXT,
    "ModuleSource": _TEXT,
    "PathMatch": _TEXT,
    "RolloutPolicy": {"enum": [strategy.value for strategy in Strategy]},
}
"""What may stand in place of a mapping; validators in the models turn it into one."""
_TEXT_OR_LIST = (("Manifests", "plain"), ("PreviewManifests", "plain"))


def json_schema() -> dict[str, Any]:
    """A schema that accepts what `parse_configuration` accepts, except for rules across fields."""
    schema = Configuration.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema["$defs"]
    for name, part in definitions.items():
        definitions[name] = _completed(part)
    for name, short in _SHORT_FORMS.items():
        definitions[name] = {"anyOf": [short, definitions[name]]}
    for name, field in _TEXT_OR_LIST:
        definitions[name]["properties"][field]["anyOf"].insert(0, _TEXT)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_completed(schema)}


def json_schema_text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _completed(part: Any) -> Any:
    """Durations and quantities as the file writes them, without titles and defaults of the models."""
    if isinstance(part, list):
        return [_completed(item) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("format") == "duration":
        return dict(_DURATION)
    kept = {
        key: value
        for key, value in part.items()
        if key not in ("default", "discriminator") and not (key == "title" and isinstance(value, str))
    }
    completed = {key: _completed(value) for key, value in kept.items()}
    if part.get("title") == "PreviewSize" or part.get("title") == "Size":
        completed["properties"] = dict.fromkeys(completed["properties"], _QUANTITY)
    return completed
