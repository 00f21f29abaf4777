"""How much an environment may take, in Kubernetes' quantities."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_QUANTITY = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS: dict[str | None, Fraction] = {
    None: Fraction(1),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate(("k", "M", "G", "T"), start=1)},
    **{unit: Fraction(1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)},
}


def parse_quantity(quantity: str) -> Fraction:
    """What `500m`, `2`, `1.5Gi` count; ValueError for anything else."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError("a quantity is a number and a unit: 500m or 2 for CPU, 512Mi or 8Gi for bytes")
    whole, part, unit = match[1], match[2] or "", match[3]
    return Fraction(int(whole + part), 10 ** len(part)) * _UNITS[unit]


@dataclass(frozen=True, slots=True)
class Size:
    """All containers of an environment together; one container may take all of `cpu` and `memory`."""

    cpu: str = "4"
    memory: str = "8Gi"
    storage: str = "20Gi"
    """Of all volumes."""
    pods: str = "40"

    def __post_init__(self) -> None:
        for quantity in (self.cpu, self.memory, self.storage, self.pods):
            parse_quantity(quantity)

    def __str__(self) -> str:
        return f"cpu={self.cpu},memory={self.memory},storage={self.storage},pods={self.pods}"

    def within(self, largest: Size) -> Size:
        """Of each the smaller one."""
        return Size(
            smaller(self.cpu, largest.cpu),
            smaller(self.memory, largest.memory),
            smaller(self.storage, largest.storage),
            smaller(self.pods, largest.pods),
        )


def smaller(one: str, other: str) -> str:
    return one if parse_quantity(one) <= parse_quantity(other) else other
