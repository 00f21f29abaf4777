"""Check runs and suites, commit statuses, and the CI's workflow runs."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.operations.checks import CI
from bot.embedded.github.render import commits
from bot.embedded.github.render import repositories as repository_render
from bot.embedded.github.render import results as render
from bot.embedded.github.render.basics import Json, node_id, stamp
from bot.embedded.github.state.results import CheckRun, CheckSuite, Status

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
REPO = "/repos/{owner}/{repo}"


class Output(TypedDict):
    title: NotRequired[str | None]
    summary: str
    text: NotRequired[str | None]
    annotations: NotRequired[list[dict[str, Any]]]


class RunChanges(TypedDict):
    name: NotRequired[str]
    status: NotRequired[str]
    conclusion: NotRequired[str]
    details_url: NotRequired[str]
    external_id: NotRequired[str]
    output: NotRequired[Output]
    actions: NotRequired[list[dict[str, Any]]]


class NewRun(RunChanges):
    name: str  # type: ignore[misc]  # required here, optional in a change
    head_sha: str


class NewStatus(TypedDict):
    state: str
    context: NotRequired[str]
    description: NotRequired[str | None]
    target_url: NotRequired[str | None]


def _run(call: Call) -> CheckRun:
    found = call.world.state.runs.get(call.number("check_run_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found


def _suite(call: Call) -> CheckSuite:
    found = call.world.state.suites.get(call.number("check_suite_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found


@ROUTES.post(f"{REPO}/check-runs", "checks:write")
def create_run(call: Call) -> Answer:
    body = call.body(NewRun)
    if call.actor.app is None:
        raise GitHubError(403, "You must authenticate via a GitHub App.")
    fields: dict[str, Any] = {k: v for k, v in body.items() if k != "head_sha"}
    run = call.github.checks.create_run(
        call.repository.full_name,
        body["head_sha"],
        body["name"],
        app=call.actor.app,
        by=call.actor.login,
        fields=fields,
    )
    return Answer(render.check_run(call.world, call.repository, run), status=201)


@ROUTES.patch(f"{REPO}/check-runs/{{check_run_id}}", "checks:write")
def update_run(call: Call) -> Answer:
    run, body = _run(call), call.body(RunChanges)
    if run.app != call.actor.app:
        app_id = call.github.apps.app.id
        message = (
            f"Invalid app_id `{app_id}` - check run can only be modified by the GitHub App that created it."
        )
        raise GitHubError(403, message)
    call.github.checks.update_run(run, dict(body), by=call.actor.login)
    return Answer(render.check_run(call.world, call.repository, run))


@ROUTES.get(f"{REPO}/check-runs/{{check_run_id}}", "checks:read")
def get_run(call: Call) -> Answer:
    return Answer(render.check_run(call.world, call.repository, _run(call)))


@ROUTES.get(f"{REPO}/check-runs/{{check_run_id}}/annotations", "checks:read")
def run_annotations(call: Call) -> Answer:
    return paged(call, _run(call).output.annotations, lambda a: a)


@ROUTES.get(f"{REPO}/commits/{{ref:path}}/check-runs", "checks:read")
def runs_of_ref(call: Call) -> Answer:
    sha = call.world.commit_sha(call.repository, call.params["ref"])
    found = _filtered(
        call, call.github.checks.runs(call.repository.full_name, sha, call.query.get("check_name"))
    )
    return _run_list(call, found)


@ROUTES.get(f"{REPO}/check-suites/{{check_suite_id}}/check-runs", "checks:read")
def runs_of_suite(call: Call) -> Answer:
    suite = _suite(call)
    found = [r for r in call.world.state.runs.values() if r.suite_id == suite.id]
    return _run_list(call, _filtered(call, found))


def _filtered(call: Call, runs: list[CheckRun]) -> list[CheckRun]:
    """Newest first; `filter=latest`, the default, keeps one run of each name and App."""
    newest = sorted(runs, key=lambda r: r.id, reverse=True)
    if status := call.query.get("status"):
        newest = [r for r in newest if r.status == status]
    if app_id := call.query.get("app_id"):
        newest = [r for r in newest if str(call.world.app(r.app).id) == app_id]
    if call.query.get("filter", "latest") == "latest":
        latest: dict[tuple[str, str, int], CheckRun] = {}
        for run in newest:
            latest.setdefault((run.app, run.name, run.suite_id), run)
        newest = list(latest.values())
    return newest


def _run_list(call: Call, runs: list[CheckRun]) -> Answer:
    repository = call.repository
    return paged(call, runs, lambda r: render.check_run(call.world, repository, r), key="check_runs")


@ROUTES.post(f"{REPO}/check-runs/{{check_run_id}}/rerequest", "checks:write")
def rerequest_run(call: Call) -> Answer:
    call.github.checks.rerequest(_run(call).id, by=call.actor.login)
    return Answer({}, status=201)


@ROUTES.get(f"{REPO}/check-suites/{{check_suite_id}}", "checks:read")
def get_suite(call: Call) -> Answer:
    return Answer(render.check_suite(call.world, call.repository, _suite(call)))


@ROUTES.post(f"{REPO}/check-suites/{{check_suite_id}}/rerequest", "checks:write")
def rerequest_suite(call: Call) -> Answer:
    call.github.checks.rerequest_suite(_suite(call).id, by=call.actor.login)
    return Answer({}, status=201)


@ROUTES.get(f"{REPO}/commits/{{ref:path}}/check-suites", "checks:read")
def suites_of_ref(call: Call) -> Answer:
    repository = call.repository
    sha = call.world.commit_sha(repository, call.params["ref"])
    suites = call.world.state.suites.values()
    found = [s for s in suites if s.repository_id == repository.id and s.head_sha == sha]
    if app_id := call.query.get("app_id"):
        found = [s for s in found if str(call.world.app(s.app).id) == app_id]
    return paged(call, found, lambda s: render.check_suite(call.world, repository, s), key="check_suites")


def _statuses(call: Call) -> list[Status]:
    """Of the commit, newest first."""
    sha = call.world.commit_sha(call.repository, call.params["ref"])
    found = call.world.state.statuses
    return [s for s in reversed(found) if s.repository_id == call.repository.id and s.sha == sha]


@ROUTES.get(f"{REPO}/commits/{{ref:path}}/statuses", "statuses:read")
def list_statuses(call: Call) -> Answer:
    return paged(call, _statuses(call), lambda s: render.full_status(call.world, call.repository, s))


@ROUTES.get(f"{REPO}/commits/{{ref:path}}/status", "statuses:read")
def combined_status(call: Call) -> Answer:
    latest: dict[str, Status] = {}
    for status in _statuses(call):
        latest.setdefault(status.context, status)
    states = {s.state for s in latest.values()}
    state = "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    sha = call.world.commit_sha(call.repository, call.params["ref"])
    api = repository_render.url(call.world, call.repository)
    return Answer(
        {
            "state": state,
            "statuses": [render.status(call.world, call.repository, s) for s in latest.values()],
            "sha": sha,
            "total_count": len(latest),
            "repository": repository_render.minimal(call.world, call.repository),
            "commit_url": f"{api}/commits/{sha}",
            "url": f"{api}/commits/{sha}/status",
        }
    )


@ROUTES.post(f"{REPO}/statuses/{{ref}}", "statuses:write")
def create_status(call: Call) -> Answer:
    body = call.body(NewStatus)
    made = call.github.checks.set_status(
        call.repository.full_name,
        call.params["ref"],
        body["state"],
        by=call.actor.login,
        context=body.get("context", "default"),
        description=body.get("description"),
        target_url=body.get("target_url"),
    )
    return Answer(render.full_status(call.world, call.repository, made), status=201)


@ROUTES.get(f"{REPO}/actions/runs", "actions:read")
def workflow_runs(call: Call) -> Answer:
    """The CI's runs, newest first: one for each of its check suites."""
    repository, sha = call.repository, call.query.get("head_sha")
    suites = [
        s
        for s in reversed(call.world.state.suites.values())
        if s.app == CI and s.repository_id == repository.id and sha in (None, s.head_sha)
    ]
    return paged(call, suites, lambda s: _workflow_run(call, s), key="workflow_runs")


def _workflow_run(call: Call, suite: CheckSuite) -> Json:
    world, repository = call.world, call.repository
    api = f"{repository_render.url(world, repository)}/actions/runs/{suite.id}"
    short = render.suite_core(world, repository, suite)
    minimal = repository_render.minimal(world, repository)
    actor = minimal["owner"]
    links = ("jobs", "logs", "artifacts", "cancel", "rerun")
    return {
        "id": suite.id,
        "name": "build",
        "node_id": node_id("WorkflowRun", suite.id),
        "head_branch": suite.head_branch,
        "head_sha": suite.head_sha,
        "path": ".github/workflows/build.yml",
        "display_title": "build",
        "run_number": 1,
        "event": "push",
        "status": suite.status,
        "conclusion": suite.conclusion,
        "workflow_id": 1,
        "check_suite_id": suite.id,
        "check_suite_node_id": node_id("CheckSuite", suite.id),
        "url": api,
        "html_url": f"{repository_render.page(world, repository)}/actions/runs/{suite.id}",
        "pull_requests": short["pull_requests"],
        "created_at": stamp(suite.created_at),
        "updated_at": stamp(suite.updated_at),
        "actor": actor,
        "run_attempt": 1,
        "run_started_at": stamp(suite.created_at),
        "triggering_actor": actor,
        **{f"{name}_url": f"{api}/{name}" for name in links},
        "check_suite_url": short["url"],
        "previous_attempt_url": None,
        "workflow_url": f"{repository_render.url(world, repository)}/actions/workflows/1",
        "head_commit": commits.head_commit(world.git(repository).commits[suite.head_sha]),
        "repository": minimal,
        "head_repository": minimal,
    }
