"""Payloads of check runs, check suites, commit statuses and deployments."""

from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.results import CheckRun, CheckSuite, Deployment, DeploymentStatus, Status
from bot.embedded.github.state.world import World

from .accounts import app, user
from .basics import Json, fill
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
    web = f"{page(world, repository)}/runs/{run.id}"
    return fill(
        "check_run",
        run=run,
        api=f"{url(world, repository)}/check-runs/{run.id}",
        page=web,
        details=run.details_url or web,
        suite={"id": run.suite_id},
        app=app(world, world.app(run.app)),
        pulls=_pulls(world, repository, run.head_sha),
    )


def webhook_check_run(world: World, repository: Repository, run: CheckRun) -> Json:
    """The form of the check_run webhook, which has the suite too."""
    suite = _suite(world, repository, world.state.suites[run.suite_id])
    return check_run(world, repository, run) | {"check_suite": suite}


def _suite(world: World, repository: Repository, suite: CheckSuite) -> Json:
    return fill(
        "check_suite",
        suite=suite,
        api=f"{url(world, repository)}/check-suites/{suite.id}",
        pulls=_pulls(world, repository, suite.head_sha),
        app=app(world, world.app(suite.app)),
    )


def webhook_suite(world: World, repository: Repository, suite: CheckSuite) -> Json:
    runs = sum(run.suite_id == suite.id for run in world.state.runs.values())
    return _suite(world, repository, suite) | {
        "rerequestable": True,
        "runs_rerequestable": True,
        "latest_check_runs_count": runs,
        "check_runs_url": f"{url(world, repository)}/check-suites/{suite.id}/check-runs",
        "head_commit": head_commit(world.git(repository).commits[suite.head_sha]),
    }


def status(world: World, repository: Repository, status: Status) -> Json:
    avatar = user(world, status.author)["avatar_url"]
    return fill("status", status=status, api=url(world, repository), avatar=avatar)


def deployment(world: World, repository: Repository, deployment: Deployment) -> Json:
    return fill(
        "deployment",
        deployment=deployment,
        api=f"{url(world, repository)}/deployments/{deployment.id}",
        repository_api=url(world, repository),
        creator=user(world, deployment.author),
        app=app(world, world.app(deployment.app)) if deployment.app else None,
    )


def deployment_status(
    world: World, repository: Repository, deployment: Deployment, status: DeploymentStatus
) -> Json:
    return fill(
        "deployment_status",
        status=status,
        api=f"{url(world, repository)}/deployments/{deployment.id}",
        repository_api=url(world, repository),
        creator=user(world, status.author),
        app=app(world, world.app(deployment.app)) if deployment.app else None,
    )
