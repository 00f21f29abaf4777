"""Comparisons of what two stages run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.model.manifest import Manifest

PARITY_GATE = "parity"
"""Name of the gate that requires equal stages."""


class Category(StrEnum):
    VARIABLE = "missing variable"
    IMAGE = "image"
    PROBE = "probe"
    OBJECT = "missing object"
    LIMIT = "limit"
    OTHER = "other field"


@dataclass(frozen=True, slots=True)
class Comparable:
    """Objects of an environment without names of the environment and without values of variables."""

    objects: Mapping[str, Manifest]
    """Objects by kind and name, such as `Deployment/shop`."""
    variables: frozenset[str] = frozenset()
    """Variables that the manifests give to every container."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two stages. Its texts are short and printable."""

    kind: str
    """ "" for what is in no manifest."""
    name: str
    path: str
    left: str | None
    """None where the left stage has nothing."""
    right: str | None
    category: Category

    @property
    def object_name(self) -> str:
        return f"{self.kind}/{self.name}" if self.kind else self.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of the comparison of two stages."""

    left: str
    right: str
    differences: tuple[Difference, ...] = ()
    """Differences in display order."""
    more: int = 0
    """Number of further differences."""
    unknown: str = ""
    """Why they cannot be compared, without a full stop."""
    compared_key: str = ""
    """Key of the compared releases and configurations."""
    left_cluster: str = ""
    right_cluster: str = ""
    """The clusters of both; "" where both are on the same one."""

    @property
    def equal(self) -> bool:
        return not (self.differences or self.more or self.unknown)


def first_differences(comparison: Sequence[Difference], most: int) -> tuple[tuple[Difference, ...], int]:
    """The first `most` differences and the number of further ones."""
    return tuple(comparison[:most]), max(len(comparison) - most, 0)
