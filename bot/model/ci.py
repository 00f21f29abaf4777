"""Results of the repository's CI for a commit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CiState(StrEnum):
    NONE = "none"
    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ci:
    state: CiState
    failed: tuple[str, ...] = ()
    """Names of the checks that failed."""
    settled: bool = True
    """Whether no check is pending, so that the result is final."""
