"""The guard decides on every field of every allowed kind, as the pinned Kubernetes client describes them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kubernetes.client import models

from bot.cluster.client.kinds import IN_MANIFESTS
from bot.cluster.guard.kind_fields import TYPES
from tests.unit.cluster.guarded_types import Schema, differences

_TYPE = re.compile(r"(?:(List|Dict)\[(?:str, )?)?(\w+)\]?")
_VERSION = re.compile(r"(Core|Rbac)?V\d+((alpha|beta)\d+)?(?=[A-Z])")


def _client_schema() -> Schema:
    schema: dict[str, dict[str, str]] = {}
    pending = [f"{_versioned(kind.api_version)}{kind.name}" for kind in IN_MANIFESTS]
    while pending:
        model: Any = getattr(models, name := pending.pop())
        if _bare(name) in schema:
            continue
        schema[_bare(name)] = {}
        for field, text in model.openapi_types.items():
            match = _TYPE.fullmatch(text)
            assert match is not None, text
            is_model = _VERSION.match(match[2]) is not None
            pending += [match[2]] if is_model else []
            container = {"List": "[]", "Dict": "{}", None: ""}[match[1]]
            schema[_bare(name)][model.attribute_map[field]] = (
                f"{_bare(match[2]) if is_model else ''}{container}"
            )
    return schema


def _versioned(api_version: str) -> str:
    return api_version.rpartition("/")[2].replace("v", "V", 1)


def _bare(name: str) -> str:
    return _VERSION.sub("", name)


def test_every_field_of_the_client_has_a_decision() -> None:
    assert list(differences(_client_schema())) == []


@pytest.mark.parametrize(
    ("type_name", "field"), [("PodSpec", "hostNetwork"), ("ObjectMeta", "finalizers"), ("Volume", "nfs")]
)
def test_field_without_a_decision_is_reported(
    type_name: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced = {name: decision for name, decision in TYPES[type_name].items() if name != field}
    monkeypatch.setattr("tests.unit.cluster.guarded_types.TYPES", {**TYPES, type_name: reduced})
    assert f"{type_name}.{field}: no decision" in differences(_client_schema())
