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
    if comparison.unknown:
        return f"{comparison.right} cannot be compared with {comparison.left}: {comparison.unknown}"
    return f"{comparison.right} differs from {comparison.left}: {summarize_differences(comparison)}"


def diff(comparison: Comparison, left: str = "", right: str = "") -> Iterator[str]:
    """Lines of a diff, grouped by object: `-` is the left stage, `+` the right one.

    `left` and `right` follow the stages' names.
    """
    yield f"--- {comparison.left}{left}"
    yield f"+++ {comparison.right}{right}"
    for name, group in groupby(comparison.differences, key=lambda difference: difference.object_name):
        yield f"@@ {name} @@"
        for difference in group:
            for sign, value in (("-", difference.left), ("+", difference.right)):
                if value is not None:
                    yield f"{sign}{difference.path}: {value}" if difference.path else f"{sign}{value}"
    if comparison.more:
        yield f"@@ {comparison.more} more @@"
