"""Typed reasons about the data of an environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeletingData:
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewDataImpossible:
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobWaiting:
    job: str
    """`migrations` or `seed`."""
    message: str


@dataclass(frozen=True, slots=True)
class JobFailed:
    job: str
    command: tuple[str, ...]
    message: str
    attempts: int


@dataclass(frozen=True, slots=True)
class MigrationsPassed:
    command: tuple[str, ...]
    on_existing_data: bool


@dataclass(frozen=True, slots=True)
class Seeded:
    command: tuple[str, ...]


DataReason = DeletingData | NewDataImpossible | JobWaiting | JobFailed | MigrationsPassed | Seeded
