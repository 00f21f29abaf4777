"""Check suites and runs, commit statuses, and results of the CI."""

from typing import Any

from bot.embedded.github.errors import GitHubError, bad_request, invalid
from bot.embedded.github.hooks import events
from bot.embedded.github.hooks.events import NO_COMMIT
from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.results import CheckOutput, CheckRun, CheckSuite, Status
from bot.embedded.github.state.world import World

CI = "github-actions"
STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
MAX_TEXT = 65_535
# The first of these that a run of the suite has is the conclusion of the suite.
CONCLUSIONS = (
    "failure",
    "timed_out",
    "action_required",
    "cancelled",
    "stale",
    "success",
    "neutral",
    "skipped",
)


def open_suites(
    world: World, repository: Repository, branch: str, before: str, sha: str, sender: str
) -> None:
    """Every installed App that writes checks gets a suite for each pushed commit."""
    for app in world.state.apps.values():
        installation = world.installation(app, repository)
        if installation and installation.permissions.get("checks") == "write":
            previous = None if before == NO_COMMIT else before
            suite = _suite(world, repository, app.slug, sha, branch, previous)
            events.check_suite(world, repository, suite, "requested", sender)


def _suite(
    world: World, repository: Repository, app: str, sha: str, branch: str | None, before: str | None
) -> CheckSuite:
    for suite in world.state.suites.values():
        if (suite.repository_id, suite.app, suite.head_sha) == (repository.id, app, sha):
            return suite
    now = world.now()
    suite = CheckSuite(world.next_id("suite"), repository.id, app, branch, sha, before, now, now)
    world.state.suites[suite.id] = suite
    return suite


class Checks:
    def __init__(self, world: World) -> None:
        self._world = world

    def create_run(
        self, full_name: str, sha: str, name: str, *, app: str, by: str, fields: dict[str, Any] | None = None
    ) -> CheckRun:
        """FIELDS is the rest of the body of POST /check-runs."""
        world = self._world
        with world.lock:
            repository = world.repository(full_name)
            if sha not in world.git(repository).commits:
                raise GitHubError(422, f"No commit found for SHA: {sha}")
            branch = next((b for b, tip in repository.branches.items() if tip == sha), None)
            suite = _suite(world, repository, app, sha, branch, None)
            started = world.now()
            run = CheckRun(
                world.next_id("run"), repository.id, suite.id, app, name, sha, "queued", started_at=started
            )
            _update(world, run, fields or {})
            world.state.runs[run.id] = run
            events.check_run(world, repository, run, "created", by)
            self._after_change(repository, run, by, was_completed=False)
            return run

    def update_run(self, run: CheckRun, fields: dict[str, Any], *, by: str) -> CheckRun:
        with self._world.lock:
            was_completed = run.status == "completed"
            _update(self._world, run, fields)
            self._after_change(
                self._world.repository(run.repository_id), run, by, was_completed=was_completed
            )
            return run

    def rerequest(self, run_id: int, *, by: str) -> None:
        """A person presses “Re-run” on a check."""
        with self._world.lock:
            run = self._world.state.runs[run_id]
            suite = self._world.state.suites[run.suite_id]
            suite.status, suite.conclusion = "queued", None
            events.check_run(self._world, self._world.repository(run.repository_id), run, "rerequested", by)

    def rerequest_suite(self, suite_id: int, *, by: str) -> None:
        with self._world.lock:
            suite = self._world.state.suites[suite_id]
            suite.status, suite.conclusion = "queued", None
            repository = self._world.repository(suite.repository_id)
            events.check_suite(self._world, repository, suite, "rerequested", by)

    def _after_change(self, repository: Repository, run: CheckRun, by: str, *, was_completed: bool) -> None:
        suite = self._world.state.suites[run.suite_id]
        siblings = [r for r in self._world.state.runs.values() if r.suite_id == suite.id]
        suite.updated_at = self._world.now()
        if run.status == "completed" and not was_completed:
            events.check_run(self._world, repository, run, "completed", by)
        if all(r.status == "completed" for r in siblings):
            conclusions = {r.conclusion for r in siblings}
            conclusion = next((c for c in CONCLUSIONS if c in conclusions), None)
            changed = (suite.status, suite.conclusion) != ("completed", conclusion)
            suite.status, suite.conclusion = "completed", conclusion
            if changed:
                events.check_suite(self._world, repository, suite, "completed", by)
        else:
            suite.status, suite.conclusion = "in_progress", None

    def runs(self, full_name: str, sha: str | None = None, name: str | None = None) -> list[CheckRun]:
        """All check runs of a repository or commit, oldest first."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            return [
                run
                for run in self._world.state.runs.values()
                if run.repository_id == repository.id
                and (sha is None or run.head_sha == sha)
                and (name is None or run.name == name)
            ]

    def ci(self, full_name: str, sha: str, conclusion: str | None, *, name: str = "build") -> CheckRun:
        """Report the CI's result for a commit; None means running. Updates an existing check run."""
        with self._world.lock:
            runs = [r for r in self.runs(full_name, sha, name) if r.app == CI]
            fields: dict[str, Any] = {"status": "in_progress"}
            if conclusion:
                fields = {"conclusion": conclusion}
            by = self._world.app(CI).bot_login
            if runs:
                return self.update_run(runs[-1], fields, by=by)
            return self.create_run(full_name, sha, name, app=CI, by=by, fields=fields)

    def set_status(
        self,
        full_name: str,
        sha: str,
        state: str,
        *,
        by: str,
        context: str = "build",
        description: str | None = None,
        target_url: str | None = None,
    ) -> Status:
        """A commit status; STATE is error, failure, pending or success."""
        world = self._world
        with world.lock:
            repository = world.repository(full_name)
            sha = world.commit_sha(repository, sha)
            if state not in ("error", "failure", "pending", "success"):
                raise invalid("Status", "state", "invalid", "state is not included in the list")
            status = Status(
                world.next_id("status"),
                repository.id,
                sha,
                context,
                state,
                by,
                target_url,
                description,
                world.now(),
            )
            world.state.statuses.append(status)
            events.status(world, repository, status)
            return status


def _update(world: World, run: CheckRun, fields: dict[str, Any]) -> None:
    conclusion, status = fields.get("conclusion"), fields.get("status")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise bad_request(f"For 'properties/conclusion', \"{conclusion}\" is not a possible value.")
    if status is not None and status not in STATUSES:
        raise bad_request(f"For 'properties/status', \"{status}\" is not a possible value.")
    if status == "completed" and conclusion is None:
        raise bad_request('"conclusion" wasn\'t supplied.')
    output = _output(run.output, fields["output"]) if fields.get("output") else run.output
    run.output = output
    for name in ("name", "details_url", "external_id"):
        if name in fields:
            setattr(run, name, fields[name])
    if conclusion is not None:
        run.status, run.conclusion = "completed", conclusion
        run.completed_at = world.now()
    elif status is not None:
        run.status, run.conclusion, run.completed_at = status, None, None


def _output(current: CheckOutput, given: dict[str, Any]) -> CheckOutput:
    if "summary" not in given:
        raise bad_request('"summary" wasn\'t supplied.')
    for field in ("summary", "text"):
        if len((given.get(field) or "").encode()) > MAX_TEXT:
            message = f"{field} exceeds a maximum bytesize of {MAX_TEXT}"
            raise invalid("CheckRun", field, "custom", message)
    return CheckOutput(given.get("title", current.title), given["summary"], given.get("text"))
