"""The rules of a route while two revisions share its traffic. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.cluster.names import candidate_name
from bot.cluster.routing.routes import with_release, without_release

Object = dict[str, Any]

SUFFIX = re.compile(r"-gr[0-9a-f]{8}$")
"""The end of the name of each object of a candidate."""
_WHOLE = 100
_LARGEST = 10_000
"""The weights of a rule have at most seven digits."""
_HEADER_FILTER, _HEADER_FIELD = "RequestHeaderModifier", "requestHeaderModifier"


def weighted(
    rules: Sequence[Mapping[str, Any]], services: Collection[str], suffix: str, weight: int, release: str
) -> list[Object]:
    """The rules with `weight` percent of the traffic of these Services on their candidates.

    The result does not depend on the weights before. With all traffic on one side, the response header names
    its release; with traffic on both it would be wrong for one of them. `release` is "" for routes that do
    not name it.
    """
    return [_rule(rule, services, suffix, weight, release) for rule in rules]


def weight_of(rules: Sequence[Mapping[str, Any]], services: Collection[str], suffix: str) -> set[int]:
    """The candidate's share of each pair of backends, in percent."""
    shares = set()
    for rule in rules:
        weights = {ref["name"]: int(ref.get("weight", 1)) for ref in rule.get("backendRefs") or []}
        for name in services:
            if name in weights:
                other = weights.get(candidate_name(name, suffix), 0)
                total = weights[name] + other
                shares.add(round(100 * other / total) if total else 0)
    return shares


def serving(rules: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ends of the names of candidates that get traffic."""
    return {
        match[0]
        for rule in rules
        for ref in rule.get("backendRefs") or []
        if int(ref.get("weight", 1)) and (match := SUFFIX.search(ref["name"]))
    }


def header_rules(
    rules: Sequence[Mapping[str, Any]], suffix: str, services: Collection[str], header: tuple[str, str]
) -> list[Object]:
    """Rules that route requests with the header to the candidate: each match with the header added.

    A gateway prefers the more exact path and method to the number of headers, so one rule is not enough.
    The header is removed before the request is forwarded.
    """
    name, value = header
    condition = {"type": "Exact", "name": name, "value": value}
    return [
        {
            **rule,
            "matches": [
                {**match, "headers": [*(match.get("headers") or []), condition]}
                for match in rule.get("matches") or [{}]
            ],
            "filters": _without_header(rule.get("filters") or [], name),
            "backendRefs": [_renamed(ref, services, suffix) for ref in rule.get("backendRefs") or []],
        }
        for rule in rules
    ]


def _rule(
    rule: Mapping[str, Any], services: Collection[str], suffix: str, weight: int, release: str
) -> Object:
    original = _original(rule.get("backendRefs") or [])
    if not any(ref["name"] in services for ref in original):
        return {**rule, "backendRefs": original} if "backendRefs" in rule else dict(rule)
    if weight == 0:
        return {**rule, "backendRefs": original}
    references = []
    for ref in original:
        share = min(int(ref.get("weight", 1)), _LARGEST)
        if ref["name"] not in services:
            references.append({**ref, "weight": share * _WHOLE})
            continue
        references.append({**ref, "weight": share * (_WHOLE - weight)})
        references.append({**_renamed(ref, services, suffix), "weight": share * weight})
    if weight == _WHOLE and release:
        filters = with_release(rule.get("filters") or [], release)
        return {**rule, "filters": filters, "backendRefs": references}
    return {**without_release(rule), "backendRefs": references}


def _original(references: Sequence[Mapping[str, Any]]) -> list[Object]:
    """The backends without candidates, with the weights that they had before.

    Another client may have written smaller weights, such as 1 and 1: a backend never loses all traffic by it.
    """
    if not any(SUFFIX.search(ref["name"]) for ref in references):
        return [dict(ref) for ref in references]
    originals = []
    stable: Object | None = None
    for ref in references:
        if SUFFIX.search(ref["name"]) and stable is not None:
            stable["weight"] += int(ref.get("weight", 1))
        else:
            stable = {**ref, "weight": int(ref.get("weight", 1))}
            originals.append(stable)
    return [{**ref, "weight": _before(ref["weight"])} for ref in originals]


def _before(weight: int) -> int:
    """The weight of a backend before it was shared."""
    return max(weight // _WHOLE, 1) if weight else 0


def _renamed(ref: Mapping[str, Any], services: Collection[str], suffix: str) -> Object:
    name = ref["name"]
    return {**ref, "name": candidate_name(name, suffix) if name in services else name}


def _without_header(filters: Sequence[Object], name: str) -> list[Object]:
    """The filters, which also remove the header; a rule may have only one filter of this type."""
    own = next((item for item in filters if item.get("type") == _HEADER_FILTER), None)
    fields = dict(own[_HEADER_FIELD]) if own is not None else {}
    fields["remove"] = [*(fields.get("remove") or []), name]
    others = [item for item in filters if item is not own]
    return [*others, {"type": _HEADER_FILTER, _HEADER_FIELD: fields}]
