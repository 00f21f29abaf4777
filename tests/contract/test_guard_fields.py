"""The guard decides on every field that a real API server has for the allowed kinds."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cluster.client.kinds import IN_MANIFESTS
from tests.contract.kubernetes_api import Api, opened
from tests.unit.cluster.guarded_types import Schema, differences

_PRIMITIVE = ("IntOrString", "Quantity", "Time", "MicroTime", "FieldsV1", "RawExtension")
_GROUPS = {kind.api_version for kind in IN_MANIFESTS}


def _described(field: dict[str, Any]) -> str:
    """The content of a field: `Container[]`, `{}`, ""."""
    if field.get("type") == "array":
        return f"{_described(field['items'])}[]"
    if "additionalProperties" in field:
        return f"{_described(field['additionalProperties'])}{{}}"
    (reference,) = [item.get("$ref", "") for item in field.get("allOf", [field])]
    name = reference.rpartition(".")[2]
    return "" if name in _PRIMITIVE else name


async def _server_schema(api: Api) -> Schema:
    schema: dict[str, dict[str, str]] = {}
    for group in _GROUPS:
        path = f"apis/{group}" if "/" in group else f"api/{group}"
        document = await api.call("GET", f"/openapi/v3/{path}")
        for name, definition in document["components"]["schemas"].items():
            fields = definition.get("properties", {})
            schema[name.rpartition(".")[2]] = {field: _described(value) for field, value in fields.items()}
    return schema


@pytest.mark.cluster
async def test_every_field_of_the_api_server_has_a_decision(request: pytest.FixtureRequest) -> None:
    async with opened("real", request) as api:
        assert list(differences(await _server_schema(api))) == []
