"""Records of what is reported about commits: check runs, statuses and deployments."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class CheckSuite:
    id: int
    repository_id: int
    app: str
    head_branch: str | None
    head_sha: str
    before: str | None
    created_at: datetime
    updated_at: datetime
    status: str = "queued"
    conclusion: str | None = None


@dataclass
class CheckOutput:
    title: str | None = None
    summary: str | None = None
    text: str | None = None


@dataclass
class CheckRun:
    id: int
    repository_id: int
    suite_id: int
    app: str
    name: str
    head_sha: str
    status: str
    started_at: datetime | None
    conclusion: str | None = None
    completed_at: datetime | None = None
    details_url: str | None = None
    external_id: str = ""
    output: CheckOutput = field(default_factory=CheckOutput)


@dataclass
class Status:
    id: int
    repository_id: int
    sha: str
    context: str
    state: str
    author: str
    target_url: str | None
    description: str | None
    created_at: datetime


@dataclass
class DeploymentStatus:
    id: int
    state: str
    author: str
    environment: str
    description: str
    target_url: str
    log_url: str
    environment_url: str
    created_at: datetime


@dataclass
class Deployment:
    id: int
    repository_id: int
    sha: str
    ref: str
    task: str
    environment: str
    payload: Any
    description: str | None
    author: str
    app: str | None
    transient: bool
    production: bool
    created_at: datetime
    updated_at: datetime
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The state of the newest status; `pending` when there is none."""
        return self.statuses[-1].state if self.statuses else "pending"
