"""Check runs, check suites, commit statuses, deployments and the CI's workflow runs."""

from __future__ import annotations

from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.results import CheckRun, CheckSuite, Deployment, DeploymentStatus, Status
from bot.embedded.github.state.world import World

from .accounts import app, user
from .basics import Json, node_id, stamp, when
from .commits import head_commit
from .pulls import reference
from .repositories import page, url


def _pulls(world: World, repository: Repository, sha: str) -> list[Json]:
    return [
        reference(world, repository, pull)
        for pull in world.pulls(repository)
        if pull.head_sha == sha and pull.state == "open" and pull.head_repository_id == repository.id
    ]


def check_run(world: World, repository: Repository, run: CheckRun) -> Json:
    api = f"{url(world, repository)}/check-runs/{run.id}"
    web = f"{page(world, repository)}/runs/{run.id}"
    return {
        "id": run.id,
        "name": run.name,
        "node_id": node_id("CheckRun", run.id),
        "head_sha": run.head_sha,
        "external_id": run.external_id,
        "url": api,
        "html_url": web,
        "details_url": run.details_url or web,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": when(run.started_at),
        "completed_at": when(run.completed_at),
        "output": {
            "title": run.output.title,
            "summary": run.output.summary,
            "text": run.output.text,
            "annotations_count": len(run.output.annotations),
            "annotations_url": f"{api}/annotations",
        },
        "check_suite": {"id": run.suite_id},
        "app": app(world, world.app(run.app)),
        "pull_requests": _pulls(world, repository, run.head_sha),
    }


def webhook_check_run(world: World, repository: Repository, run: CheckRun) -> Json:
    """The form of the check_run webhook, which carries the suite too."""
    suite = world.state.suites[run.suite_id]
    short = suite_core(world, repository, suite)
    return check_run(world, repository, run) | {"check_suite": short}


def suite_core(world: World, repository: Repository, suite: CheckSuite) -> Json:
    return {
        "id": suite.id,
        "node_id": node_id("CheckSuite", suite.id),
        "head_branch": suite.head_branch,
        "head_sha": suite.head_sha,
        "status": suite.status,
        "conclusion": suite.conclusion,
        "url": f"{url(world, repository)}/check-suites/{suite.id}",
        "before": suite.before,
        "after": suite.head_sha,
        "pull_requests": _pulls(world, repository, suite.head_sha),
        "app": app(world, world.app(suite.app)),
        "created_at": stamp(suite.created_at),
        "updated_at": stamp(suite.updated_at),
    }


def webhook_suite(world: World, repository: Repository, suite: CheckSuite) -> Json:
    runs = sum(run.suite_id == suite.id for run in world.state.runs.values())
    return suite_core(world, repository, suite) | {
        "rerequestable": True,
        "runs_rerequestable": True,
        "latest_check_runs_count": runs,
        "check_runs_url": f"{url(world, repository)}/check-suites/{suite.id}/check-runs",
        "head_commit": head_commit(world.git(repository).commits[suite.head_sha]),
    }


def status(world: World, repository: Repository, status: Status) -> Json:
    person = user(world, status.author)
    return {
        "url": f"{url(world, repository)}/statuses/{status.sha}",
        "avatar_url": person["avatar_url"],
        "id": status.id,
        "node_id": node_id("StatusContext", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": stamp(status.created_at),
        "updated_at": stamp(status.created_at),
    }


def deployment(world: World, repository: Repository, deployment: Deployment) -> Json:
    api = f"{url(world, repository)}/deployments/{deployment.id}"
    return {
        "url": api,
        "id": deployment.id,
        "node_id": node_id("Deployment", deployment.id),
        "task": deployment.task,
        "original_environment": deployment.environment,
        "environment": deployment.environment,
        "description": deployment.description,
        "created_at": stamp(deployment.created_at),
        "updated_at": stamp(deployment.updated_at),
        "statuses_url": f"{api}/statuses",
        "repository_url": url(world, repository),
        "creator": user(world, deployment.author),
        "sha": deployment.sha,
        "ref": deployment.ref,
        "payload": deployment.payload,
        "transient_environment": deployment.transient,
        "production_environment": deployment.production,
        "performed_via_github_app": app(world, world.app(deployment.app)) if deployment.app else None,
    }


def deployment_status(
    world: World, repository: Repository, parent: Deployment, status: DeploymentStatus
) -> Json:
    api = f"{url(world, repository)}/deployments/{parent.id}"
    return {
        "url": f"{api}/statuses/{status.id}",
        "id": status.id,
        "node_id": node_id("DeploymentStatus", status.id),
        "state": status.state,
        "creator": user(world, status.author),
        "description": status.description,
        "environment": status.environment,
        "target_url": status.target_url,
        "created_at": stamp(status.created_at),
        "updated_at": stamp(status.created_at),
        "deployment_url": api,
        "repository_url": url(world, repository),
        "environment_url": status.environment_url,
        "log_url": status.log_url,
        "performed_via_github_app": app(world, world.app(parent.app)) if parent.app else None,
    }
