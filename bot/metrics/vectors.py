"""The answers of Prometheus to instant queries, as counts by source. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bot.metrics.queries import Unit
from bot.model.rollout import NO_COUNTS, Counts

Sample = tuple[Mapping[str, str], int]


def samples(content: bytes) -> list[Sample]:
    """The labels and values of an instant vector. Raises ValueError for another answer, or a partial one."""
    answer = json.loads(content)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise ValueError(
            str(answer.get("error", "no result"))[:300] if isinstance(answer, dict) else "no result"
        )
    if answer.get("warnings"):
        raise ValueError(f"the answer may be incomplete: {answer['warnings'][0]}"[:300])
    data = answer.get("data") or {}
    if data.get("resultType") != "vector":
        raise ValueError("the query does not return an instant vector")
    return [(item["metric"], _count(item["value"][1])) for item in data["result"]]


def counts_by_source(
    requests: Sequence[Sample], errors: Sequence[Sample], durations: Sequence[Sample], unit: Unit
) -> Mapping[str, Counts]:
    """Joins the vectors. Raises ValueError for errors or durations of a source that has no requests."""
    totals: dict[str, Counts] = {}
    for labels, value in requests:
        source = _source(labels)
        totals[source] = totals.get(source, NO_COUNTS) + Counts(value)
    for labels, value in errors:
        _add(totals, labels, Counts(0, value), "errors")
    for labels, value in durations:
        if "le" not in labels:
            raise ValueError("a series of `durations` has no label `le`")
        _add(totals, labels, Counts(buckets={_bound(labels["le"], unit): value}), "durations")
    return totals


def _add(totals: dict[str, Counts], labels: Mapping[str, str], counts: Counts, query: str) -> None:
    source = _source(labels)
    if source not in totals:
        raise ValueError(f"`{query}` has a series with labels that no series of `requests` has")
    totals[source] = totals.get(source, NO_COUNTS) + counts


def _source(labels: Mapping[str, str]) -> str:
    return json.dumps(
        {name: value for name, value in labels.items() if name not in ("le", "__name__")}, sort_keys=True
    )


def _count(value: Any) -> int:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value} is not a counter")
    return round(number)


def _bound(text: str, unit: Unit) -> str:
    return f"{float(text) / 1000:g}" if unit is Unit.MILLISECONDS else text
