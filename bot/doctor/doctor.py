"""All checks, in the order of the installation guide."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from bot.cluster.clusters_file import ClusterSettings, read_clusters
from bot.cluster.guard.kind_fields import check_settings
from bot.doctor.checks import Check, CheckFailed, Finding, State, run
from bot.doctor.cluster import ClusterChecks
from bot.doctor.gateway import check_gateway_answers
from bot.doctor.github import GitHubChecks
from bot.doctor.metrics import check_gateway_metrics
from bot.doctor.repositories import check_images, check_manifest_tools
from bot.doctor.values import check_sign_in, check_variables, check_webhook_secrets
from bot.metrics.provider_file import read_providers
from bot.model.errors import GreenroomError, StoreUnavailable
from bot.secrets.managers import check_managers
from bot.settings import Settings, SettingsError, read_settings
from bot.store import Store

T = TypeVar("T")

_GITHUB = (
    "Correct GREENROOM_GITHUB_API_URL, and let the bot reach it: proxy, firewall and the bot's NetworkPolicy."
)
_CLUSTER = "Correct the server's address in the kubeconfig, and let the bot reach it."


def run_all_checks(*, installed: bool = True) -> list[Finding]:
    """Reads the settings from the environment and checks that they work.

    `installed` is False before the bot runs in its cluster: only what can be checked from elsewhere is.
    """
    try:
        settings = read_settings()
        check_settings(settings)
        clusters = read_clusters(settings)
        read_providers(settings.metrics_providers)
    except SettingsError as error:
        return [Finding("settings", State.FAILED, "\n".join(error.problems))]
    return [
        Finding("settings", State.PASSED, "complete"),
        *asyncio.run(_run_checks(settings, clusters, installed)),
    ]


async def _run_checks(
    settings: Settings, clusters: Sequence[ClusterSettings], installed: bool
) -> list[Finding]:
    async with AsyncExitStack() as stack:
        github = await stack.enter_async_context(GitHubChecks(settings))
        checks: list[Check] = []
        for entry in clusters:
            cluster = await stack.enter_async_context(ClusterChecks(entry))
            checks += _cluster_checks(cluster, entry.settings, f"{entry.name}: " if len(clusters) > 1 else "")
        every = [
            Check("variables", lambda: _now(check_variables, os.environ)),
            Check("webhook secret", lambda: _now(check_webhook_secrets, settings)),
            Check("sign-in", lambda: _now(check_sign_in, settings)),
            Check("database", lambda: _database(settings), of_installation=True),
            Check("GitHub App", github.app, advice=_GITHUB),
            Check("permissions", github.permissions, needs=("GitHub App",), advice=_GITHUB),
            Check("webhook", github.webhook, needs=("GitHub App",), advice=_GITHUB),
            Check(
                "images",
                lambda: check_images(github.client, settings),
                needs=("GitHub App",),
                advice=_GITHUB,
            ),
            Check(
                "manifests",
                lambda: check_manifest_tools(github.client),
                needs=("GitHub App",),
                of_installation=True,
                advice=_GITHUB,
            ),
            Check("secret managers", lambda: _secret_managers(settings)),
            *checks,
        ]
        return await run([check for check in every if installed or not check.of_installation])


async def _now(check: Callable[[T], str], subject: T) -> str:
    return check(subject)


def _cluster_checks(cluster: ClusterChecks, settings: Settings, prefix: str) -> list[Check]:
    """`prefix`: the cluster's name where there are several."""

    def of_cluster(
        name: str, run: Callable[[], Awaitable[str]], *needs: str, of_installation: bool = False
    ) -> Check:
        needed = tuple(f"{prefix}{need}" for need in needs)
        return Check(f"{prefix}{name}", run, needed, _CLUSTER, of_installation)

    return [
        of_cluster("cluster", cluster.version),
        of_cluster("rights", cluster.rights, "cluster", of_installation=True),
        of_cluster("confinement", cluster.confinement, "rights", of_installation=True),
        Check(
            f"{prefix}active store",
            cluster.active_store,
            ("database", f"{prefix}confinement"),
            _CLUSTER,
            of_installation=True,
        ),
        of_cluster("secrets", cluster.secrets, "cluster"),
        of_cluster("allowed kinds", cluster.allowed_kinds, "cluster"),
        of_cluster("secret stores", cluster.secret_stores, "allowed kinds"),
        of_cluster("Gateway API", cluster.gateway_api, "cluster"),
        of_cluster("gateway", cluster.gateway, "Gateway API"),
        Check(f"{prefix}base domain", lambda: check_gateway_answers(settings)),
        Check(f"{prefix}gateway metrics", lambda: check_gateway_metrics(settings)),
        of_cluster("traffic", cluster.traffic, "cluster", "base domain"),
    ]


async def _secret_managers(settings: Settings) -> str:
    try:
        lines = await check_managers(settings.secrets_managers)
    except GreenroomError as error:
        raise CheckFailed(f"{error}.") from None
    return "; ".join(lines) or "none configured"


async def _database(settings: Settings) -> str:
    store = await Store.open(settings.database_url.get_secret_value(), create=False)
    try:
        await store.ping()
    except StoreUnavailable as error:
        raise CheckFailed(f"{error} `greenroom migrate` creates the tables of a new database.") from None
    finally:
        await store.close()
    return "reachable, tables exist"
