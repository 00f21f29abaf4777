"""Environments and their rules."""

from __future__ import annotations

from bot.embedded.github.state.records import BranchPattern, Environment, Repository
from bot.embedded.github.state.world import World

from .accounts import team, user
from .basics import Json, node_id, stamp
from .repositories import page, url


def environment(world: World, repository: Repository, record: Environment) -> Json:
    restricted = record.admits != "all"
    policy = {
        "protected_branches": record.admits == "protected",
        "custom_branch_policies": record.admits == "custom",
    }
    return {
        "id": record.id,
        "node_id": node_id("Environment", record.id),
        "name": record.name,
        "url": f"{url(world, repository)}/environments/{record.name}",
        "html_url": f"{page(world, repository)}/deployments/activity_log?environments_filter={record.name}",
        "created_at": stamp(record.created_at),
        "updated_at": stamp(record.updated_at),
        "can_admins_bypass": True,
        "protection_rules": _rules(world, record),
        "deployment_branch_policy": policy if restricted else None,
    }


def _rules(world: World, record: Environment) -> list[Json]:
    rules: list[Json] = []
    if record.wait_minutes:
        rules.append({"type": "wait_timer", "wait_timer": record.wait_minutes})
    if record.people or record.teams:
        accounts = {account.id: account.login for account in world.state.accounts.values()}
        teams = {each.id: each for each in world.state.teams}
        reviewers = [{"type": "User", "reviewer": user(world, accounts[id])} for id in record.people]
        reviewers += [{"type": "Team", "reviewer": team(world, teams[id])} for id in record.teams]
        rules.append(
            {
                "type": "required_reviewers",
                "prevent_self_review": record.prevent_self_review,
                "reviewers": reviewers,
            }
        )
    if record.admits != "all":
        rules.append({"type": "branch_policy"})
    return [_numbered(record, rule) for rule in rules]


def _numbered(record: Environment, rule: Json) -> Json:
    identity = record.id * 10 + ("wait_timer", "required_reviewers", "branch_policy").index(rule["type"])
    return {"id": identity, "node_id": node_id("Gate", identity), **rule}


def branch_pattern(pattern: BranchPattern) -> Json:
    return {
        "id": pattern.id,
        "node_id": node_id("GateBranchPolicy", pattern.id),
        "name": pattern.name,
        "type": pattern.kind,
    }


def app_rule(world: World, record: Environment, slug: str) -> Json:
    app = world.app(slug)
    identity = f"{record.id}:{app.id}"
    return {
        "id": record.id * 10 + 9,
        "node_id": node_id("DeploymentProtectionRule", identity),
        "enabled": True,
        "app": {
            "id": app.id,
            "node_id": node_id("App", app.id),
            "slug": app.slug,
            "integration_url": f"{world.api}/apps/{app.slug}",
        },
    }
