"""Deployments and their statuses."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from bot.embedded.github.errors import not_found
from bot.embedded.github.render import results as render
from bot.embedded.github.state.results import Deployment

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
DEPLOYMENTS = "/repos/{owner}/{repo}/deployments"


class NewDeployment(TypedDict):
    ref: str
    task: NotRequired[str]
    auto_merge: NotRequired[bool]
    required_contexts: NotRequired[list[str] | None]
    payload: NotRequired[dict[str, Any] | str]
    environment: NotRequired[str]
    description: NotRequired[str | None]
    transient_environment: NotRequired[bool]
    production_environment: NotRequired[bool]


class NewStatus(TypedDict):
    state: str
    target_url: NotRequired[str]
    log_url: NotRequired[str]
    description: NotRequired[str]
    environment: NotRequired[str]
    environment_url: NotRequired[str]
    auto_inactive: NotRequired[bool]


def _deployment(call: Call) -> Deployment:
    found = call.world.state.deployments.get(call.number("deployment_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found


@ROUTES.get(DEPLOYMENTS, "deployments:read")
def list_deployments(call: Call) -> Answer:
    repository, query = call.repository, call.query
    found = call.github.deployments.of(repository.id)[::-1]
    for name in ("sha", "ref", "task", "environment"):
        if wanted := query.get(name):
            found = [d for d in found if getattr(d, name) == wanted]
    return paged(call, found, lambda d: render.deployment(call.world, repository, d))


@ROUTES.post(DEPLOYMENTS, "deployments:write")
def create_deployment(call: Call) -> Answer:
    body = call.body(NewDeployment)
    made = call.github.deployments.create(call.repository.full_name, body["ref"], call.actor, dict(body))
    answer = render.deployment(call.world, call.repository, made)
    return Answer(answer, 201, {"Location": answer["url"]})


@ROUTES.get(f"{DEPLOYMENTS}/{{deployment_id}}", "deployments:read")
def get_deployment(call: Call) -> Answer:
    return Answer(render.deployment(call.world, call.repository, _deployment(call)))


@ROUTES.delete(f"{DEPLOYMENTS}/{{deployment_id}}", "deployments:write")
def delete_deployment(call: Call) -> Answer:
    call.github.deployments.delete(_deployment(call))
    return Answer(status=204)


@ROUTES.get(f"{DEPLOYMENTS}/{{deployment_id}}/statuses", "deployments:read")
def list_statuses(call: Call) -> Answer:
    deployment, repository = _deployment(call), call.repository
    newest_first = deployment.statuses[::-1]
    return paged(
        call, newest_first, lambda s: render.deployment_status(call.world, repository, deployment, s)
    )


@ROUTES.post(f"{DEPLOYMENTS}/{{deployment_id}}/statuses", "deployments:write")
def create_status(call: Call) -> Answer:
    deployment, body = _deployment(call), call.body(NewStatus)
    made = call.github.deployments.add_status(deployment, call.actor, dict(body))
    answer = render.deployment_status(call.world, call.repository, deployment, made)
    return Answer(answer, 201, {"Location": answer["url"]})


@ROUTES.get(f"{DEPLOYMENTS}/{{deployment_id}}/statuses/{{status_id}}", "deployments:read")
def get_status(call: Call) -> Answer:
    deployment, wanted = _deployment(call), call.number("status_id")
    for status in deployment.statuses:
        if status.id == wanted:
            return Answer(render.deployment_status(call.world, call.repository, deployment, status))
    raise not_found()
