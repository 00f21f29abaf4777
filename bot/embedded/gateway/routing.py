"""Which route answers a request, and what it does with it: pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


def answering(routes: Iterable[Object], host: str) -> Object | None:
    """The route for a host: an exact name before a wildcard, the older before the younger."""
    found = [
        (name.startswith("*."), _age(route), route)
        for route in routes
        for name in route["spec"].get("hostnames") or []
        if _fits(name, host)
    ]
    return min(found, key=lambda each: each[:2])[2] if found else None


def holder(routes: Iterable[Object], hostname: str) -> Object | None:
    """The oldest route that names this very hostname."""
    named = [route for route in routes if hostname in (route["spec"].get("hostnames") or [])]
    return min(named, key=_age) if named else None


def matching_rule(route: Object, path: str, headers: Mapping[str, str]) -> Object | None:
    """The rule with the longest path that fits; the first one among equals."""
    best: tuple[int, Object] | None = None
    for rule in route["spec"].get("rules") or []:
        for match in rule.get("matches") or [{}]:
            length = _length(match, path, headers)
            if length is not None and (best is None or length > best[0]):
                best = (length, rule)
    return best[1] if best else None


def choose(backends: Sequence[Object]) -> Object | None:
    """One of the backends, by weight."""
    weights = [int(backend.get("weight", 1)) for backend in backends]
    if not any(weights):
        return None
    return random.choices(list(backends), weights)[0]  # noqa: S311  # spreads load, guards nothing


def modified(headers: Iterable[tuple[str, str]], rule: Object, kind: str) -> list[tuple[str, str]]:
    """The headers after the rule's filters of a kind: requestHeaderModifier or responseHeaderModifier."""
    result = list(headers)
    for each in rule.get("filters") or []:
        change = each.get(kind) or {}
        named = [*change.get("set", []), *({"name": name} for name in change.get("remove", []))]
        gone = {entry["name"].lower() for entry in named}
        result = [(name, value) for name, value in result if name.lower() not in gone]
        added = [*change.get("set", []), *change.get("add", [])]
        result += [(entry["name"], entry["value"]) for entry in added]
    return result


def _age(route: Object) -> tuple[str, str, str]:
    metadata = route["metadata"]
    return metadata.get("creationTimestamp", ""), metadata.get("namespace", ""), metadata["name"]


def _fits(name: str, host: str) -> bool:
    return host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else name == host


def _length(match: Object, path: str, headers: Mapping[str, str]) -> int | None:
    for wanted in match.get("headers") or []:
        if headers.get(wanted["name"].lower()) != wanted["value"]:
            return None
    rule = match.get("path") or {}
    kind, value = rule.get("type", "PathPrefix"), rule.get("value", "/")
    if kind == "Exact":
        return len(value) + 1 if path == value else None
    prefix = value.rstrip("/")
    return len(prefix) if path == prefix or path.startswith(f"{prefix}/") else None
