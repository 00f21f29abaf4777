"""A repository as GitHub knows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

EVERY_REPOSITORY = "*"
"""All repositories, as an entry of a list."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Known by `id`: owner and name change when it is renamed or transferred."""

    id: int
    installation_id: int
    owner: str
    name: str

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def is_among(self, names: Collection[str]) -> bool:
        """Whether a list contains `OWNER/NAME` or `OWNER/*`, in lower case, or `*` for all."""
        own = (EVERY_REPOSITORY, f"{self.owner.lower()}/*", self.full_name.lower())
        return any(name in names for name in own)
