"""Somebody with an account on GitHub."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Known by `id`: a login can be changed, and then be taken by somebody else."""

    id: int
    login: str
