"""Plans of Terraform: what they change, and what users approve of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What a plan would change, as addresses of resources. It contains no value."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    """Destroyed and created again."""
    destroyed: tuple[str, ...] = ()
    outputs: bool = False
    """Whether an output changes."""

    @property
    def destructive(self) -> tuple[str, ...]:
        return (*self.destroyed, *self.replaced)

    @property
    def is_empty(self) -> bool:
        return not (self.created or self.updated or self.destructive or self.outputs)


NO_CHANGES = PlanSummary()


@dataclass(frozen=True, slots=True)
class PinnedModule:
    """A module of another repository, and the commit to which its ref was resolved."""

    repository: str
    ref: str
    """A tag or a full commit SHA."""
    commit: str


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """The plan that was applied last in an environment."""

    summary: PlanSummary
    module: PinnedModule | None = None
    """None for a module in the environment's own repository."""


def approvable_digest(digest: str, module: PinnedModule | None) -> str:
    """Digest to which approvals of a plan are bound: the commit of its module is part of it."""
    if module is None:
        return digest
    return hashlib.sha256(f"{digest} {module.repository} {module.commit}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as the program wrote it. It can contain secrets."""

    content: bytes = field(repr=False)
    lock: str = field(repr=False)
    """The dependency lock file, so that the apply uses the same providers; "" when there is none."""
    digest: str
    """Keyed digest of the changes: equal for plans that do the same."""
    summary: PlanSummary


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What users see of a plan, and approve."""

    digest: str
    summary: PlanSummary
    needs_approval: bool = False
    """Whether it waits for an approval even where the stage requires none."""
    module: PinnedModule | None = None
    """None for a module of the release's own commit."""

    @property
    def id(self) -> str:
        """The first digits, by which users name it."""
        return self.digest[:12]
