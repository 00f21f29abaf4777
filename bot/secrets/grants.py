"""Which repositories a secret is for. Nobody unless somebody says so."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.repository import Repository


def repositories(text: str) -> Sequence[str]:
    """Reads `acme/shop, acme/web` or `acme/*`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def granted(text: str, repository: Repository) -> bool:
    """Whether the list names the repository, or its owner with `/*`. Names on GitHub have no case."""
    names = {name.lower() for name in repositories(text)}
    return repository.full_name.lower() in names or f"{repository.owner.lower()}/*" in names
