"""Records of users, repositories and pull requests. They refer to each other by id, to fit a snapshot."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
AccountKind = Literal["User", "Organization", "Bot"]

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass
class Account:
    id: int
    login: str
    kind: AccountKind
    name: str
    created_at: datetime
    members: dict[str, str] = field(default_factory=dict)  # organisations only: login → "admin" or "member"


@dataclass
class Team:
    id: int
    organization: str
    slug: str
    name: str
    members: dict[str, str] = field(default_factory=dict)  # login → "maintainer" or "member"


@dataclass
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass
class Protection:
    """The merge requirements of a protected branch."""

    contexts: list[str] = field(default_factory=list)
    approving_reviews: int = 0


@dataclass
class BranchPattern:
    id: int
    name: str
    kind: Literal["branch", "tag"] = "branch"


@dataclass
class Environment:
    """A deployment environment with its protection rules."""

    id: int
    name: str
    created_at: datetime
    updated_at: datetime
    wait_minutes: int = 0
    people: list[int] = field(default_factory=list)  # ids of the accounts that may approve
    teams: list[int] = field(default_factory=list)
    admits: Literal["all", "protected", "custom"] = "all"
    patterns: list[BranchPattern] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)  # slugs of the Apps that have a rule of their own here


@dataclass(frozen=True)
class Push:
    """A change of a branch, with the account that made it."""

    id: int
    branch: str
    before: str
    after: str
    by: str
    at: datetime
    forced: bool = False


@dataclass
class Repository:
    id: int
    owner: str
    name: str
    network: int  # forks share the git objects of their network
    default_branch: str
    private: bool
    created_at: datetime
    updated_at: datetime
    pushed_at: datetime
    description: str | None = None
    fork_of: int | None = None
    archived: bool = False
    has_issues: bool = True
    branches: dict[str, str] = field(default_factory=dict)
    pushes: list[Push] = field(default_factory=list)  # the newest last
    tags: dict[str, str] = field(default_factory=dict)  # name → commit, or annotated tag
    protections: dict[str, Protection] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)  # by name in lower case
    collaborators: dict[str, Role] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    former_names: list[str] = field(default_factory=list)
    next_number: int = 1

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass
class Review:
    id: int
    author: str
    state: str  # APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED
    body: str
    commit_id: str
    submitted_at: datetime


@dataclass
class TimelineEvent:
    """An event that the pull request page shows between the comments."""

    actor: str
    text: str
    at: datetime
    kind: str = ""
    """Type in GraphQL; "" if it is not listed there."""


@dataclass
class Pull:
    id: int
    issue_id: int
    repository_id: int
    number: int
    title: str
    body: str | None
    author: str
    head_repository_id: int | None
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    created_at: datetime
    updated_at: datetime
    draft: bool = False
    state: Literal["open", "closed"] = "open"
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    merged_by: str | None = None
    merge_commit_sha: str | None = None
    labels: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    timeline: list[TimelineEvent] = field(default_factory=list)


@dataclass
class Issue:
    """An issue that is not a pull request; both share their numbers."""

    id: int
    repository_id: int
    number: int
    title: str
    body: str | None
    author: str
    app: str | None  # the slug of the App that wrote it
    created_at: datetime
    updated_at: datetime
    state: Literal["open", "closed"] = "open"
    closed_at: datetime | None = None


@dataclass
class Comment:
    id: int
    repository_id: int
    number: int
    author: str
    app: str | None  # the slug of the App that wrote it
    body: str
    created_at: datetime
    updated_at: datetime


@dataclass
class Reaction:
    id: int
    comment_id: int
    author: str
    content: str
    created_at: datetime
