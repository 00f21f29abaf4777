"""All checks, in the order of the installation guide."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

from bot.cluster.guard.kind_fields import check_settings
from bot.doctor.checks import Check, CheckFailed, Finding, State, run
from bot.doctor.cluster import ClusterChecks
from bot.doctor.gateway import check_gateway_answers
from bot.doctor.github import GitHubChecks
from bot.doctor.repositories import check_images, check_manifest_tools
from bot.doctor.values import check_sign_in, check_variables, check_webhook_secrets
from bot.model.errors import StoreUnavailable
from bot.settings import Settings, SettingsError, read_settings
from bot.store import Store

T = TypeVar("T")


def run_all_checks() -> list[Finding]:
    """Reads the settings from the environment and checks that they work."""
    try:
        settings = read_settings()
        check_settings(settings)
    except SettingsError as error:
        return [Finding("settings", State.FAILED, "\n".join(error.problems))]
    return [Finding("settings", State.PASSED, "complete"), *asyncio.run(_run_checks(settings))]


async def _run_checks(settings: Settings) -> list[Finding]:
    async with GitHubChecks(settings) as github, ClusterChecks(settings) as cluster:
        return await run(
            [
                Check("variables", lambda: _now(check_variables, os.environ)),
                Check("webhook secret", lambda: _now(check_webhook_secrets, settings)),
                Check("sign-in", lambda: _now(check_sign_in, settings)),
                Check("database", lambda: _database(settings)),
                Check("GitHub App", github.app),
                Check("permissions", github.permissions, needs="GitHub App"),
                Check("webhook", github.webhook, needs="GitHub App"),
                Check("images", lambda: check_images(github.client, settings), needs="GitHub App"),
                Check("manifests", lambda: check_manifest_tools(github.client), needs="GitHub App"),
                Check("cluster", cluster.version),
                Check("rights", cluster.rights, needs="cluster"),
                Check("confinement", cluster.confinement, needs="rights"),
                Check("active store", cluster.active_store, needs="confinement"),
                Check("secrets", cluster.secrets, needs="cluster"),
                Check("Gateway API", cluster.gateway_api, needs="cluster"),
                Check("gateway", cluster.gateway, needs="Gateway API"),
                Check("base domain", lambda: check_gateway_answers(settings)),
                Check("traffic", cluster.traffic, needs="base domain"),
            ]
        )


async def _now(check: Callable[[T], str], subject: T) -> str:
    return check(subject)


async def _database(settings: Settings) -> str:
    store = await Store.open(settings.database_url.get_secret_value(), create=False)
    try:
        await store.ping()
    except StoreUnavailable as error:
        raise CheckFailed(f"{error} `greenroom migrate` creates the tables of a new database.") from None
    finally:
        await store.close()
    return "reachable, tables exist"
