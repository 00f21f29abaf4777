"""Check runs, commit statuses, comments, reactions and deployments."""

from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.render import pulls, repositories, results
from bot.embedded.github.state.records import Comment
from bot.embedded.github.state.results import CheckRun, Deployment, Status

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
REPO = "/repos/{owner}/{repo}"
COMMITS = "/repos/{owner}/{repo}/commits"
ISSUES = "/repos/{owner}/{repo}/issues"
DEPLOYMENTS = "/repos/{owner}/{repo}/deployments"
READ_COMMENTS = ("issues:read", "pull_requests:read")
WRITE_COMMENTS = ("issues:write", "pull_requests:write")


class CommentBody(TypedDict):
    body: str


class ReactionBody(TypedDict):
    content: str


class CheckRunOutputBody(TypedDict):
    title: str
    summary: str
    text: NotRequired[str]


class CheckRunBody(TypedDict):
    name: str
    head_sha: str
    external_id: NotRequired[str]
    details_url: NotRequired[str]
    status: NotRequired[str]
    conclusion: NotRequired[str]
    output: NotRequired[CheckRunOutputBody]


class DeploymentBody(TypedDict):
    ref: str
    task: NotRequired[str]
    auto_merge: NotRequired[bool]
    required_contexts: NotRequired[list[str] | None]
    payload: NotRequired[dict[str, Any] | str]
    environment: NotRequired[str]
    description: NotRequired[str | None]
    transient_environment: NotRequired[bool]
    production_environment: NotRequired[bool]


class DeploymentStatusBody(TypedDict):
    state: str
    target_url: NotRequired[str]
    log_url: NotRequired[str]
    description: NotRequired[str]
    environment: NotRequired[str]
    environment_url: NotRequired[str]
    auto_inactive: NotRequired[bool]


@ROUTES.get(f"{COMMITS}/{{ref:path}}/check-runs", "checks:read")
def list_check_runs(call: Call) -> Answer:
    repository = call.repository
    sha = call.world.commit_sha(repository, call.params["ref"])
    runs = call.github.checks.runs(repository.full_name, sha, call.query.get("check_name"))
    selected = _filtered(call, runs)
    return paged(call, selected, lambda r: results.check_run(call.world, repository, r), key="check_runs")


@ROUTES.post(f"{REPO}/check-runs", "checks:write")
def create_check_run(call: Call) -> Answer:
    fields = dict(call.body(CheckRunBody))
    repository, actor = call.repository, call.actor
    sha, name = str(fields.pop("head_sha")), str(fields["name"])
    if actor.app is None:
        raise GitHubError(403, "You must authenticate via a GitHub App.")
    run = call.github.checks.create_run(
        repository.full_name, sha, name, app=actor.app, by=actor.login, fields=fields
    )
    answer = results.check_run(call.world, repository, run)
    return Answer(answer, 201, {"Location": answer["url"]})


def _filtered(call: Call, runs: list[CheckRun]) -> list[CheckRun]:
    """Newest first; `filter=latest`, the default, keeps one run of each name and App."""
    newest = sorted(runs, key=lambda r: r.id, reverse=True)
    if app_id := call.query.get("app_id"):
        newest = [r for r in newest if str(call.world.app(r.app).id) == app_id]
    if call.query.get("filter", "latest") == "latest":
        latest: dict[tuple[str, str, int], CheckRun] = {}
        for run in newest:
            latest.setdefault((run.app, run.name, run.suite_id), run)
        newest = list(latest.values())
    return newest


@ROUTES.get(f"{COMMITS}/{{ref:path}}/status", "statuses:read")
def combined_status(call: Call) -> Answer:
    repository = call.repository
    sha = call.world.commit_sha(repository, call.params["ref"])
    latest: dict[str, Status] = {}
    for status in reversed(call.world.state.statuses):
        if status.repository_id == repository.id and status.sha == sha:
            latest.setdefault(status.context, status)
    states = {s.state for s in latest.values()}
    state = "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    api = repositories.url(call.world, repository)
    listed = paged(call, latest.values(), lambda s: results.status(call.world, repository, s), key="statuses")
    assert isinstance(listed.body, dict)
    combined = {
        "state": state,
        "sha": sha,
        "repository": repositories.minimal(call.world, repository),
        "commit_url": f"{api}/commits/{sha}",
        "url": f"{api}/commits/{sha}/status",
    }
    return replace(listed, body={**combined, **listed.body})


@ROUTES.get(f"{ISSUES}/{{number}}/comments", *READ_COMMENTS)
def list_comments(call: Call) -> Answer:
    repository, number = call.repository, call.number("number")
    call.world.pull(repository, number)
    on_pull = call.github.comments.on(repository.full_name, number)
    return paged(call, on_pull, lambda c: pulls.comment(call.world, repository, c))


@ROUTES.post(f"{ISSUES}/{{number}}/comments", *WRITE_COMMENTS)
def create_comment(call: Call) -> Answer:
    repository, actor, number = call.repository, call.actor, call.number("number")
    body = call.body(CommentBody)["body"]
    comment = call.github.comments.create(repository.full_name, number, body, by=actor.login, app=actor.app)
    answer = pulls.comment(call.world, repository, comment)
    return Answer(answer, 201, {"Location": answer["url"]})


def _comment(call: Call) -> Comment:
    comment = call.world.state.comments.get(call.number("comment_id"))
    if comment is None or comment.repository_id != call.repository.id:
        raise not_found()
    return comment


@ROUTES.get(f"{ISSUES}/comments/{{comment_id}}", *READ_COMMENTS)
def get_comment(call: Call) -> Answer:
    return Answer(pulls.comment(call.world, call.repository, _comment(call)))


@ROUTES.post(f"{ISSUES}/comments/{{comment_id}}/reactions", *WRITE_COMMENTS)
def create_reaction(call: Call) -> Answer:
    content = call.body(ReactionBody)["content"]
    reaction, new = call.github.comments.react(_comment(call).id, content, by=call.actor.login)
    return Answer(pulls.reaction(call.world, reaction), status=201 if new else 200)


@ROUTES.get(DEPLOYMENTS, "deployments:read")
def list_deployments(call: Call) -> Answer:
    repository = call.repository
    newest = call.github.deployments.of(repository.id)[::-1]
    for name in ("sha", "ref", "task", "environment"):
        if value := call.query.get(name):
            newest = [d for d in newest if getattr(d, name) == value]
    return paged(call, newest, lambda d: results.deployment(call.world, repository, d))


@ROUTES.post(DEPLOYMENTS, "deployments:write")
def create_deployment(call: Call) -> Answer:
    body = call.body(DeploymentBody)
    deployment = call.github.deployments.create(
        call.repository.full_name, body["ref"], call.actor, dict(body)
    )
    answer = results.deployment(call.world, call.repository, deployment)
    return Answer(answer, 201, {"Location": answer["url"]})


def _deployment(call: Call) -> Deployment:
    deployment = call.world.state.deployments.get(call.number("deployment_id"))
    if deployment is None or deployment.repository_id != call.repository.id:
        raise not_found()
    return deployment


@ROUTES.get(f"{DEPLOYMENTS}/{{deployment_id}}/statuses", "deployments:read")
def list_deployment_statuses(call: Call) -> Answer:
    deployment, repository = _deployment(call), call.repository
    newest = deployment.statuses[::-1]
    return paged(call, newest, lambda s: results.deployment_status(call.world, repository, deployment, s))


@ROUTES.post(f"{DEPLOYMENTS}/{{deployment_id}}/statuses", "deployments:write")
def create_deployment_status(call: Call) -> Answer:
    deployment, body = _deployment(call), call.body(DeploymentStatusBody)
    status = call.github.deployments.add_status(deployment, call.actor, dict(body))
    answer = results.deployment_status(call.world, call.repository, deployment, status)
    return Answer(answer, 201, {"Location": answer["url"]})
