"""Deployments and their statuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bot.embedded.github.errors import GitHubError, bad_request, not_found
from bot.embedded.github.state.records import BranchPattern, Environment, Repository
from bot.embedded.github.state.results import Deployment, DeploymentStatus
from bot.embedded.github.state.world import World

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
MAX_DESCRIPTION = 140


@dataclass(frozen=True)
class Actor:
    """The user who acts, and the App in use."""

    login: str
    app: str | None = None


class Deployments:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, full_name: str, ref: str, actor: Actor, fields: dict[str, Any]) -> Deployment:
        """FIELDS is the body of POST /deployments; its `auto_merge` and `required_contexts` are obeyed."""
        world = self._world
        with world.lock:
            repository = world.repository(full_name)
            sha = world.resolve(repository, ref)
            if sha is None:
                raise GitHubError(422, f"No ref found for: {ref}")
            self._check_merge(repository, ref, sha, fields.get("auto_merge", True))
            self._check_contexts(repository, ref, sha, fields.get("required_contexts"))
            environment = fields.get("environment", "production")
            ensure_environment(world, repository, environment)
            now = world.now()
            deployment = Deployment(
                id=world.next_id("deployment"),
                repository_id=repository.id,
                sha=sha,
                ref=ref,
                task=fields.get("task", "deploy"),
                environment=environment,
                payload=fields.get("payload", {}),
                description=fields.get("description"),
                author=actor.login,
                app=actor.app,
                transient=fields.get("transient_environment", False),
                production=fields.get("production_environment", environment == "production"),
                created_at=now,
                updated_at=now,
            )
            world.state.deployments[deployment.id] = deployment
            return deployment

    def _check_merge(self, repository: Repository, ref: str, sha: str, auto_merge: bool) -> None:
        # GitHub merges the default branch into the ref; here the caller gets the conflict instead
        main = repository.branches[repository.default_branch]
        behind = ref in repository.branches and main not in self._world.git(repository).ancestors(sha)
        if auto_merge and behind:
            raise GitHubError(409, f"Conflict merging {repository.default_branch} into {ref}.")

    def _check_contexts(
        self, repository: Repository, ref: str, sha: str, requested: list[str] | None
    ) -> None:
        """None asks for every context that there is; an empty list for none."""
        state = self._world.state
        results: dict[str, bool] = {}
        for status in state.statuses:
            if status.repository_id == repository.id and status.sha == sha:
                results[status.context] = status.state == "success"
        for run in state.runs.values():
            if run.repository_id == repository.id and run.head_sha == sha:
                results[run.name] = run.conclusion in ("success", "neutral", "skipped")
        names = list(results) if requested is None else requested
        if not all(results.get(name) for name in names):
            error = {"resource": "Deployment", "field": "required_contexts", "code": "invalid"}
            raise GitHubError(409, f"Conflict: Commit status checks failed for {ref}.", [error])

    def add_status(self, deployment: Deployment, actor: Actor, fields: dict[str, Any]) -> DeploymentStatus:
        """FIELDS is the body of POST /deployments/ID/statuses; `auto_inactive` retires older ones."""
        with self._world.lock:
            state = fields["state"]
            if state not in STATES:
                raise bad_request(f"For 'properties/state', \"{state}\" is not a possible value.")
            if len(fields.get("description", "")) > MAX_DESCRIPTION:
                supplied = len(fields["description"])
                raise bad_request(f"Only {MAX_DESCRIPTION} characters are allowed; {supplied} were supplied.")
            status = self._append(deployment, actor, fields)
            if state == "success" and fields.get("auto_inactive", True):
                self._retire_others(deployment, actor)
            return status

    def _retire_others(self, newest: Deployment, actor: Actor) -> None:
        for other in self._world.state.deployments.values():
            same = (other.repository_id, other.environment) == (newest.repository_id, newest.environment)
            passing = other.transient or other.production
            if (
                same
                and other.id < newest.id
                and not passing
                and other.state not in ("inactive", "failure", "error")
            ):
                self._append(other, actor, {"state": "inactive"})

    def _append(self, deployment: Deployment, actor: Actor, fields: dict[str, Any]) -> DeploymentStatus:
        world = self._world
        deployment.updated_at = world.now()
        target = fields.get("log_url") or fields.get("target_url", "")
        previous = deployment.statuses[-1].environment_url if deployment.statuses else ""
        status = DeploymentStatus(
            id=world.next_id("deployment_status"),
            state=fields["state"],
            author=actor.login,
            environment=fields.get("environment", deployment.environment),
            description=fields.get("description", ""),
            target_url=target,
            log_url=target,
            environment_url=fields.get("environment_url", previous),
            created_at=deployment.updated_at,
        )
        deployment.statuses.append(status)
        return status

    def of(self, repository: str | int, environment: str | None = None) -> list[Deployment]:
        """The deployments of a repository, oldest first."""
        with self._world.lock:
            record = self._world.repository(repository)
            return [
                d
                for d in self._world.state.deployments.values()
                if d.repository_id == record.id and environment in (None, d.environment)
            ]


def ensure_environment(world: World, repository: Repository, name: str) -> Environment:
    """The environment; created without rules when it does not exist, as a deployment does."""
    environment = repository.environments.get(name.lower())
    if environment is None:
        now = world.now()
        environment = Environment(world.next_id("environment"), name, now, now)
        repository.environments[name.lower()] = environment
    return environment


class Environments:
    """Environments of a repository and the rules that protect them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, full_name: str, name: str) -> Environment:
        with self._world.lock:
            environment = self._world.repository(full_name).environments.get(name.lower())
            if environment is None:
                raise not_found()
            return environment

    def protect(
        self,
        full_name: str,
        name: str,
        *,
        people: Sequence[str] = (),
        teams: Sequence[str] = (),
        wait_minutes: int = 0,
        protected_branches: bool = False,
        branches: Sequence[str] | None = None,
        apps: Sequence[str] = (),
    ) -> Environment:
        """Replace the rules of an environment. BRANCHES are patterns, APPS are slugs of Apps with a rule."""
        world = self._world
        with world.lock:
            repository = world.repository(full_name)
            slugs = {t.slug: t.id for t in world.state.teams if t.organization == repository.owner}
            environment = ensure_environment(world, repository, name)
            environment.wait_minutes = wait_minutes
            environment.people = [world.account(login).id for login in people]
            environment.teams = [slugs[slug] for slug in teams]
            environment.admits = (
                "protected" if protected_branches else "all" if branches is None else "custom"
            )
            environment.updated_at, environment.apps, environment.patterns = world.now(), list(apps), []
            for pattern in branches or ():
                self.admit(environment, pattern)
            return environment

    def admit(
        self, environment: Environment, pattern: str, kind: Literal["branch", "tag"] = "branch"
    ) -> BranchPattern:
        """Add a pattern of branches or tags that may be deployed."""
        with self._world.lock:
            if environment.admits != "custom":
                raise not_found()
            policy = BranchPattern(self._world.next_id("branch_pattern"), pattern, kind)
            environment.patterns.append(policy)
            return policy
