"""Texts of comparisons between stages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from bot.model.parity import Category, Comparison


def summarize_differences(comparison: Comparison) -> str:
    """Such as `1 missing variable, 2 images`."""
    counts = Counter(difference.category for difference in comparison.differences)
    parts = [f"{counts[kind]} {kind}{'s' * (counts[kind] > 1)}" for kind in Category if counts[kind]]
    return ", ".join([*parts, *([f"{comparison.more} more"] if comparison.more else [])])


def mismatch_reason(comparison: Comparison) -> str:
    """Why the stages are not equal, without a full stop."""
    left, right = names(comparison)
    if comparison.unknown:
        return f"{right} cannot be compared with {left}: {comparison.unknown}"
    return f"{right} differs from {left}: {summarize_differences(comparison)}"


def names(comparison: Comparison) -> tuple[str, str]:
    """Both stages, with their clusters where these differ."""
    left = _named(comparison.left, comparison.left_cluster)
    return left, _named(comparison.right, comparison.right_cluster)


def _named(stage: str, cluster: str) -> str:
    return f"{stage} (cluster {cluster})" if cluster else stage


def diff(comparison: Comparison, left: str = "", right: str = "") -> Iterator[str]:
    """Lines of a diff, grouped by object: `-` is the left stage, `+` the right one.

    `left` and `right` follow the stages' names.
    """
    named = names(comparison)
    yield f"--- {named[0]}{left}"
    yield f"+++ {named[1]}{right}"
    for name, group in groupby(comparison.differences, key=lambda difference: difference.object_name):
        yield f"@@ {name} @@"
        for difference in group:
            for sign, value in (("-", difference.left), ("+", difference.right)):
                if value is not None:
                    yield f"{sign}{difference.path}: {value}" if difference.path else f"{sign}{value}"
    if comparison.more:
        yield f"@@ {comparison.more} more @@"
