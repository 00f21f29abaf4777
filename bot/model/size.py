"""Resource limits of an environment, in Kubernetes quantities."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

# `kubernetes.utils.quantity` reads the same, but only `cluster/` may import the Kubernetes client, and the
# settings and `.greenroom.yml` compare sizes without a cluster. A test compares both over this grammar.
_QUANTITY = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS: dict[str | None, Fraction] = {
    None: Fraction(1),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate(("k", "M", "G", "T"), start=1)},
    **{unit: Fraction(1024**power) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)},
}


def parse_quantity(quantity: str) -> Fraction:
    """The value of a quantity such as `500m`, `2` or `1.5Gi`; ValueError for other text."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError("expected a quantity such as 500m or 2 for CPU, 512Mi or 8Gi for bytes")
    whole, decimals, unit = match[1], match[2] or "", match[3]
    return Fraction(int(whole + decimals), 10 ** len(decimals)) * _UNITS[unit]


@dataclass(frozen=True, slots=True)
class Size:
    """Limits for all containers of an environment together; one container may use all of them."""

    cpu: str = "4"
    memory: str = "8Gi"
    storage: str = "20Gi"
    """Size of all volumes together."""
    pods: str = "40"

    def __post_init__(self) -> None:
        for quantity in (self.cpu, self.memory, self.storage, self.pods):
            parse_quantity(quantity)

    def __str__(self) -> str:
        return f"cpu={self.cpu},memory={self.memory},storage={self.storage},pods={self.pods}"

    def within(self, largest: Size) -> Size:
        """The smaller value of each limit."""
        return Size(
            smaller(self.cpu, largest.cpu),
            smaller(self.memory, largest.memory),
            smaller(self.storage, largest.storage),
            smaller(self.pods, largest.pods),
        )

    def excess(self, limit: Size) -> dict[str, tuple[str, str]]:
        """The amounts above the limit, with the limit, by name."""
        amounts = {name: (getattr(self, name), getattr(limit, name)) for name in self.__slots__}
        return {
            name: (amount, most)
            for name, (amount, most) in amounts.items()
            if parse_quantity(amount) > parse_quantity(most)
        }


def smaller(left: str, right: str) -> str:
    return left if parse_quantity(left) <= parse_quantity(right) else right
