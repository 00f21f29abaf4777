"""Terraform runs of an environment: plan, state, outputs, and the record of what was done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.model.manifest import NamespaceState


class RunKind(StrEnum):
    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"


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


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as the program wrote it. It can contain secrets."""

    content: bytes = field(repr=False)
    lock: str = field(repr=False)
    """The dependency lock file, so that the apply uses the same providers; "" when there is none."""
    digest: str
    summary: PlanSummary


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

    @property
    def name(self) -> str:
        return f"greenroom-{self.kind}-{self.number}"


@dataclass(frozen=True, slots=True)
class InfrastructureRecord:
    """What was done last, kept in the namespace of the infrastructure, where it survives the store."""

    run: Run = Run(RunKind.APPLY, 0)
    finished: bool = True
    """Whether the run succeeded; a run that failed stays unfinished."""
    digest: str = ""
    """Of the module and its inputs for which the run was made; "" before the first one."""
    plan: str = ""
    """Digest of the saved plan."""
    summary: PlanSummary = PlanSummary()
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
