"""Everything the embedded GitHub knows, and how things are looked up in it."""

import re
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bot.embedded.github.errors import GitHubError, not_found

from .apps import App, Delivery, Installation, Token
from .objects import Objects, Signature
from .records import ROLES, Account, Comment, Issue, Pull, Reaction, Repository, Role, Team
from .results import CheckRun, CheckSuite, Deployment, Status

GHOST = "ghost"

_ID_SPACE = 900_000_000


@dataclass
class State:
    accounts: dict[str, Account] = field(default_factory=dict)
    teams: list[Team] = field(default_factory=list)
    repositories: dict[int, Repository] = field(default_factory=dict)
    objects: dict[int, Objects] = field(default_factory=dict)
    pulls: dict[int, dict[int, Pull]] = field(default_factory=dict)
    issues: dict[int, dict[int, Issue]] = field(default_factory=dict)
    deleted_issues: set[tuple[int, int]] = field(default_factory=set)
    comments: dict[int, Comment] = field(default_factory=dict)
    reactions: dict[int, Reaction] = field(default_factory=dict)
    suites: dict[int, CheckSuite] = field(default_factory=dict)
    runs: dict[int, CheckRun] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    deployments: dict[int, Deployment] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)


def _no_delivery(
    _event: str, _action: str | None, _repository: Repository | None, _payload: dict[str, Any]
) -> None:
    return None


def _no_build(_repository: str, _sha: str, _files: dict[str, bytes]) -> None:
    return None


@dataclass
class World:
    """The state with its lock (held for each read and change), addresses and listeners."""

    state: State = field(default_factory=State)
    web: str = ""
    api: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    deliver: Callable[[str, str | None, Repository | None, dict[str, Any]], None] = _no_delivery
    pushed: Callable[[str, str, dict[str, bytes]], None] = _no_build

    def now(self) -> datetime:
        return self.clock()

    def next_id(self, kind: str) -> int:
        # each kind counts from a number of its own, so that a mixed-up id is found out
        first = 1_000_000 + zlib.crc32(kind.encode()) % _ID_SPACE
        value = self.state.counters.get(kind, first) + 1
        self.state.counters[kind] = value
        return value

    def account(self, login: str) -> Account:
        if account := self.state.accounts.get(login.lower()):
            return account
        raise not_found()

    def repository(self, name: str | int) -> Repository:
        """Look up by id or `OWNER/NAME`, also a former name."""
        if isinstance(name, int):
            if repository := self.state.repositories.get(name):
                return repository
            raise not_found()
        requested = name.lower()
        for repository in self.state.repositories.values():
            if repository.full_name.lower() == requested:
                return repository
        for repository in self.state.repositories.values():
            if requested in repository.former_names:
                return repository
        raise not_found()

    def git(self, repository: Repository) -> Objects:
        return self.state.objects[repository.network]

    def pull(self, repository: Repository, number: int) -> Pull:
        if pull := self.state.pulls.get(repository.id, {}).get(number):
            return pull
        raise not_found()

    def pulls(self, repository: Repository) -> list[Pull]:
        return list(self.state.pulls.get(repository.id, {}).values())

    def pulls_from(self, repository: Repository, branch: str) -> Iterator[tuple[Repository, Pull]]:
        """The open pull requests, here and upstream, whose head is this branch."""
        for base_id, pulls in self.state.pulls.items():
            for pull in pulls.values():
                same = pull.head_repository_id == repository.id and pull.head_ref == branch
                if same and pull.state == "open" and base_id in self.state.repositories:
                    yield self.repository(base_id), pull

    def pulls_to(self, repository: Repository, branch: str) -> Iterator[Pull]:
        """The open pull requests whose base is this branch."""
        for pull in self.pulls(repository):
            if pull.base_ref == branch and pull.state == "open":
                yield pull

    def app(self, slug: str) -> App:
        return self.state.apps[slug]

    def installation(self, app: App, repository: Repository) -> Installation | None:
        """The App's installation that sees the repository, also when it is suspended."""
        for installation in self.state.installations.values():
            if installation.app != app.slug or installation.account.lower() != repository.owner.lower():
                continue
            if installation.selection == "all" or repository.id in installation.repository_ids:
                return installation
        return None

    def installed(self, installation: Installation) -> list[Repository]:
        return [
            r
            for r in self.state.repositories.values()
            if r.owner.lower() == installation.account.lower()
            and (installation.selection == "all" or r.id in installation.repository_ids)
        ]

    def role(self, repository: Repository, login: str) -> Role:
        """The highest role of a person, from ownership, membership, collaboration and what is public."""
        if login.lower() == repository.owner.lower():
            return "admin"
        owner = self.account(repository.owner)
        grants: list[Role] = [repository.collaborators.get(login.lower(), "none")]
        membership = owner.members.get(login.lower())
        if membership == "admin":
            grants.append("admin")
        if membership or not repository.private:
            grants.append("read")
        return max(grants, key=ROLES.index)

    def resolve(self, repository: Repository, ref: str) -> str | None:
        """The commit of a branch, tag, `heads/…`, `refs/…`, `pull/N/head` or SHA of at least seven digits."""
        name = ref.removeprefix("refs/")
        if name.startswith("heads/"):
            return repository.branches.get(name.removeprefix("heads/"))
        if name.startswith("tags/"):
            return self._tagged(repository, name.removeprefix("tags/"))
        if match := re.fullmatch(r"pull/(\d+)/head", name):
            pull = self.state.pulls.get(repository.id, {}).get(int(match[1]))
            return pull.head_sha if pull else None
        if sha := repository.branches.get(name) or self._tagged(repository, name):
            return sha
        if name == "HEAD":
            return repository.branches.get(repository.default_branch)
        if re.fullmatch(r"[0-9a-f]{7,40}", name):
            return next((sha for sha in self.git(repository).commits if sha.startswith(name)), None)
        return None

    def _tagged(self, repository: Repository, name: str) -> str | None:
        sha = repository.tags.get(name)
        return self.git(repository).peeled(sha) if sha else None

    def commit_sha(self, repository: Repository, ref: str) -> str:
        if sha := self.resolve(repository, ref):
            return sha
        raise GitHubError(422, f"No commit found for SHA: {ref}")

    def signature(self, login: str) -> Signature:
        account = self.account(login)
        email = f"{account.id}+{account.login}@users.noreply.{self.host}"
        return Signature(account.name, email, self.now(), account.login)

    @property
    def host(self) -> str:
        return self.web.partition("://")[2].partition(":")[0]
