"""Compares the guard's decisions with the types of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.cluster.client.kinds import IN_MANIFESTS
from bot.cluster.guard.kind_fields import TYPES

Schema = Mapping[str, Mapping[str, str]]
"""The fields of each type with the type of their content: `Container[]`, `{}` for a map of scalars, ""."""


def differences(schema: Schema) -> Iterator[str]:
    """Fields without a decision, decisions without a field, and fields of another type."""
    seen: set[str] = set()
    pending = [kind.name for kind in IN_MANIFESTS]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        decisions, fields = TYPES.get(name, {}), schema[name]
        for field in sorted(decisions.keys() ^ fields.keys()):
            yield f"{name}.{field}: {'no decision' if field in fields else 'no such field'}"
        for field, decision in decisions.items():
            described = f"{decision.type}{decision.container}"
            if decision.type is not None and fields.get(field, described) != described:
                yield f"{name}.{field}: {described!r} in the guard, {fields[field]!r} in Kubernetes"
            if decision.type:
                pending.append(decision.type)
    yield from (f"{name}: not part of an allowed kind" for name in TYPES.keys() - seen)
