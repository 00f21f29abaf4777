"""Environments, and the rules that protect them."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from bot.embedded.github.errors import bad_request
from bot.embedded.github.render import environments as render
from bot.embedded.github.state.records import Environment

from .call import Answer, Call, Routes, paged

ROUTES = Routes()
ENVIRONMENTS = "/repos/{owner}/{repo}/environments"


class ReviewerBody(TypedDict):
    type: Literal["User", "Team"]
    id: int


class PolicyBody(TypedDict):
    protected_branches: bool
    custom_branch_policies: bool


class EnvironmentBody(TypedDict):
    wait_timer: NotRequired[int]
    prevent_self_review: NotRequired[bool]
    reviewers: NotRequired[list[ReviewerBody] | None]
    deployment_branch_policy: NotRequired[PolicyBody | None]


class PatternBody(TypedDict):
    name: str
    type: NotRequired[Literal["branch", "tag"]]


def _environment(call: Call) -> Environment:
    return call.github.environments.get(call.repository.full_name, call.params["name"])


@ROUTES.get(ENVIRONMENTS, "actions:read")
def list_environments(call: Call) -> Answer:
    repository = call.repository
    found = sorted(repository.environments.values(), key=lambda e: e.name)
    return paged(call, found, lambda e: render.environment(call.world, repository, e), key="environments")


@ROUTES.get(f"{ENVIRONMENTS}/{{name:path}}", "actions:read")
def get_environment(call: Call) -> Answer:
    return Answer(render.environment(call.world, call.repository, _environment(call)))


@ROUTES.put(f"{ENVIRONMENTS}/{{name:path}}", "administration:write")
def put_environment(call: Call) -> Answer:
    body = call.body(EnvironmentBody)
    policy, reviewers = body.get("deployment_branch_policy"), body.get("reviewers") or []
    admits: Literal["all", "protected", "custom"] = "all"
    if policy is not None:
        if policy["protected_branches"] == policy["custom_branch_policies"]:
            raise bad_request("protected_branches and custom_branch_policies cannot have the same value.")
        admits = "protected" if policy["protected_branches"] else "custom"
    made = call.github.environments.put(
        call.repository,
        call.params["name"],
        wait_minutes=body.get("wait_timer", 0),
        people=[each["id"] for each in reviewers if each["type"] == "User"],
        teams=[each["id"] for each in reviewers if each["type"] == "Team"],
        prevent_self_review=body.get("prevent_self_review", False),
        admits=admits,
    )
    return Answer(render.environment(call.world, call.repository, made))


@ROUTES.delete(f"{ENVIRONMENTS}/{{name:path}}", "administration:write")
def delete_environment(call: Call) -> Answer:
    call.github.environments.delete(call.repository.full_name, call.params["name"])
    return Answer(status=204)


@ROUTES.get(f"{ENVIRONMENTS}/{{name:path}}/deployment-branch-policies", "actions:read")
def list_branch_patterns(call: Call) -> Answer:
    return paged(call, _environment(call).patterns, render.branch_pattern, key="branch_policies")


@ROUTES.post(f"{ENVIRONMENTS}/{{name:path}}/deployment-branch-policies", "administration:write")
def admit_branches(call: Call) -> Answer:
    body = call.body(PatternBody)
    made = call.github.environments.admit(_environment(call), body["name"], body.get("type", "branch"))
    return Answer(render.branch_pattern(made))


@ROUTES.get(f"{ENVIRONMENTS}/{{name:path}}/deployment_protection_rules", "actions:read")
def list_app_rules(call: Call) -> Answer:
    found = _environment(call)
    return paged(
        call,
        found.apps,
        lambda slug: render.app_rule(call.world, found, slug),
        key="custom_deployment_protection_rules",
    )
