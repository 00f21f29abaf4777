"""Terraform runs of an environment: state, outputs, and the record of what was done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.manifest import NamespaceState
from bot.model.plan import NO_CHANGES, PinnedModule, PlanSummary


def slot_suffix(promotion: str) -> str:
    """Ends the names of what belongs to the plan of a promotion, beside that of the environment."""
    return f"-{promotion}" if promotion else ""


class RunKind(StrEnum):
    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"
    COMPARE = "compare"
    """A plan that only finds out whether resources still are what was applied."""


DRIFT_SLOT = "drift"
"""Slot of a comparison, in place of a promotion's id."""


@dataclass(frozen=True, slots=True)
class Output:
    value: str = field(repr=False)
    sensitive: bool


@dataclass(frozen=True, slots=True)
class TerraformState:
    resources: int
    """Number of managed resource instances."""
    outputs: Mapping[str, Output]


@dataclass(frozen=True, slots=True)
class Run:
    """One Job."""

    kind: RunKind
    number: int
    promotion: str = ""
    """The promotion for which it plans before the environment changes, or DRIFT_SLOT; "" for runs of the
    environment."""

    @property
    def name(self) -> str:
        return f"greenroom-{self.kind}-{self.number}{slot_suffix(self.promotion)}"


@dataclass(frozen=True, slots=True)
class InfrastructureRecord:
    """What was done last, kept in the namespace of the infrastructure, where it survives the store."""

    run: Run = Run(RunKind.APPLY, 0)
    finished: bool = True
    """Whether the run succeeded; a run that failed stays unfinished."""
    digest: str = ""
    """Digest of the module and its inputs for which the run was made; "" before the first one."""
    plan: str = ""
    """Digest of the saved plan."""
    summary: PlanSummary = NO_CHANGES
    module: PinnedModule | None = None
    """Module of the run; None for one in the environment's own repository."""
    drifted: bool = False
    """Whether resources differ from what the run applied, so that the next deployment plans again."""
    failures: int = 0
    """Number of destroy runs that failed in a row."""
    failed_at: datetime | None = None
    """When the last of them failed."""


@dataclass(frozen=True, slots=True)
class InfrastructureView:
    """What was read from the namespace of an environment's infrastructure."""

    namespace: NamespaceState
    record: InfrastructureRecord = InfrastructureRecord()
    state: TerraformState | None = None
    """None before the first run."""
    concealed: Collection[str] = field(default=(), repr=False)
    """Secret values that a run was given or made, which no text may show."""


@dataclass(frozen=True, slots=True)
class InfrastructureRequest:
    """All that a run is given besides credentials and state."""

    files: Mapping[str, bytes]
    """The module's files by path from its root."""
    variables: Mapping[str, str] = field(repr=False)
    """Values of variables, secret ones among them."""
    secrets: Collection[str] = ()
    """The names of the secret ones."""

    @property
    def secret_values(self) -> tuple[str, ...]:
        return tuple(self.variables[name] for name in self.secrets)
