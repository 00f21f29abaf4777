"""What a person may do in a repository, as GitHub names it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role on GitHub, in GitHub's order: each includes the rights of the one before."""

    NONE = "none"
    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    @property
    def may_write(self) -> bool:
        return self in (Role.WRITE, Role.MAINTAIN, Role.ADMIN)
