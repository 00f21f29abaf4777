"""Lists of repositories that a secret is granted to; an empty list grants it to none."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.repository import Repository


def repositories(text: str) -> Sequence[str]:
    """Parses `acme/shop, acme/web` or `acme/*`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def granted(text: str, repository: Repository) -> bool:
    """Whether the list contains the repository or `OWNER/*`. Case is ignored, as on GitHub."""
    names = {name.lower() for name in repositories(text)}
    return repository.full_name.lower() in names or f"{repository.owner.lower()}/*" in names
