"""What two stages have to have alike, and how it is told where they have not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from bot.model.manifest import Manifest

PARITY_GATE = "parity"
"""The name of the gate that asks for it."""


class Category(StrEnum):
    VARIABLE = "missing variable"
    IMAGE = "image"
    PROBE = "probe"
    OBJECT = "missing object"
    LIMIT = "limit"
    OTHER = "other field"


@dataclass(frozen=True, slots=True)
class Comparable:
    """The objects of an environment without what names the place, and without any value of a variable."""

    objects: Mapping[str, Manifest]
    """Such as `Deployment/shop` to what it is."""
    variables: frozenset[str] = frozenset()
    """Those that every container has by itself, whatever else is injected."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two stages differ. All of it is safe to print, and short."""

    kind: str
    """ "" for what no manifest says."""
    name: str
    path: str
    left: str | None
    """None where there is nothing."""
    right: str | None
    category: Category

    @property
    def object_name(self) -> str:
        return f"{self.kind}/{self.name}" if self.kind else self.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found when two stages were compared."""

    left: str
    right: str
    differences: tuple[Difference, ...] = ()
    """In the order in which they are told."""
    more: int = 0
    """How many others there are."""
    unknown: str = ""
    """Why they cannot be compared; a sentence without its full stop."""
    compared_key: str = ""
    """To what was compared: another one for another release, or another configuration of either stage."""

    @property
    def equal(self) -> bool:
        return not (self.differences or self.more or self.unknown)


def first_differences(comparison: Sequence[Difference], most: int) -> tuple[tuple[Difference, ...], int]:
    """The first ones, and how many others there are."""
    return tuple(comparison[:most]), max(len(comparison) - most, 0)


def summarize_differences(comparison: Comparison) -> str:
    """Such as `1 missing variable, 2 images`."""
    counted = Counter(each.category for each in comparison.differences)
    told = [f"{counted[each]} {each}{'s' * (counted[each] > 1)}" for each in Category if counted[each]]
    return ", ".join([*told, *([f"{comparison.more} more"] if comparison.more else [])])


def mismatch_reason(comparison: Comparison) -> str:
    """Why the two are not alike."""
    if comparison.unknown:
        return f"{comparison.right} cannot be compared with {comparison.left}: {comparison.unknown}"
    return f"{comparison.right} differs from {comparison.left}: {summarize_differences(comparison)}"


def diff(comparison: Comparison, left: str = "", right: str = "") -> Iterator[str]:
    """The differences as lines of a diff, grouped by object: `-` is the left stage, `+` the right one.

    `left` and `right` are told beside their names.
    """
    yield f"--- {comparison.left}{left}"
    yield f"+++ {comparison.right}{right}"
    for about, group in groupby(comparison.differences, key=lambda each: each.object_name):
        yield f"@@ {about} @@"
        for each in group:
            for sign, told in (("-", each.left), ("+", each.right)):
                if told is not None:
                    yield f"{sign}{each.path}: {told}" if each.path else f"{sign}{told}"
    if comparison.more:
        yield f"@@ {comparison.more} more @@"
