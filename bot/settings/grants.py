"""Settings that grant something to repositories: `acme/shop=A,B,acme/*=C`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

REPOSITORIES = re.compile(r"[a-z0-9-]+/([a-z0-9._-]+|\*)")


def repository_grants(text: str, parse: Callable[[str], str], expected: str) -> Mapping[str, tuple[str, ...]]:
    """Values by repository or `OWNER/*`, in lower case. `expected` is the error about a missing one.

    An entry without a repository belongs to the one before it.
    """
    grants: dict[str, tuple[str, ...]] = {}
    repository = ""
    for entry in entries(text):
        name, equals, value = entry.rpartition("=")
        repository = name.strip().lower() if equals else repository
        if not REPOSITORIES.fullmatch(repository):
            raise ValueError(expected)
        grants[repository] = (*grants.get(repository, ()), parse(value.strip()))
    return grants


def entries(text: str) -> tuple[str, ...]:
    """The entries of a list that is separated by commas, without empty ones."""
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())
