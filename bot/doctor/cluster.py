"""Does the cluster answer, allow what the bot does, and carry the routes of environments?"""

from __future__ import annotations

import os
from typing import Self

from bot.cluster.client.access import gateway_problem, missing_rights
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.connection import connect
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import GATEWAY, SECRET
from bot.cluster.policy import ClusterPolicy
from bot.doctor.findings import CheckFailed
from bot.secrets.environment import GRANT, PREFIX, EnvironmentSecrets
from bot.secrets.kubernetes import REPOSITORIES
from bot.settings import Settings


class ClusterChecks:
    """`version` comes first: it connects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = ClusterPolicy.of(settings)
        self._connected: KubernetesApi | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connected is not None:
            await self._connected.close()

    @property
    def _api(self) -> KubernetesApi:
        assert self._connected is not None, "the check of the version connects"
        return self._connected

    async def version(self) -> str:
        self._connected = await connect(self._settings.kubeconfig)
        version = await self._api.read("/version")
        return f"Kubernetes {version.get('gitVersion', '')}"

    async def rights(self) -> str:
        missing = await missing_rights(self._api)
        if missing:
            told = [
                f"{', '.join(right.verbs)} {right.resource} ({right.group or 'core'})" for right in missing
            ]
            advice = "Apply deploy/base/rights.yaml, and see that its binding names the bot's account."
            raise CheckFailed("\n".join(["The bot's account in the cluster may not:", *told, advice]))
        return "the bot's account has them all"

    async def secrets(self) -> str:
        """Whether each secret that the operator keeps for environments says for which repositories."""
        granted = EnvironmentSecrets(os.environ).grants()
        problems = [
            f"{PREFIX}{name} is for nobody: name repositories in {PREFIX}{name}{GRANT}."
            for name, repositories in granted.items()
            if not repositories
        ]
        told = sorted(f"env:{name}" for name in granted)
        for namespace in self._settings.secrets_namespaces:
            found = await self._api.list(SECRET, namespace)
            marked = [
                each["metadata"]["name"]
                for each in found.items
                if (each["metadata"].get("annotations") or {}).get(REPOSITORIES)
            ]
            told += [f"kubernetes:{namespace}/{name}" for name in sorted(marked)]
            if not marked:
                problems.append(f"No Secret in the namespace {namespace} has the annotation {REPOSITORIES}.")
        if problems:
            raise CheckFailed("\n".join(problems))
        return f"for environments there are {', '.join(told)}" if told else "none are kept for environments"

    async def gateway_api(self) -> str:
        try:
            served = await self._api.read(f"/apis/{GATEWAY.api_version}")
        except Refused as error:
            if error.status != 404:
                raise
            served = {}
        if not {"gateways", "httproutes"} <= {each["name"] for each in served.get("resources", ())}:
            advice = "install its CRDs (standard channel) and a controller for it"
            raise CheckFailed(f"The cluster does not know {GATEWAY.api_version}: {advice}.")
        return GATEWAY.api_version

    async def gateway(self) -> str:
        problem = await gateway_problem(self._api, self._policy)
        if problem:
            raise CheckFailed(problem)
        domains = filter(None, (self._settings.base_domain, self._settings.fork_base_domain))
        carried = " and ".join([*(f"*.{domain.host}" for domain in domains), *self._policy.hosts])
        return f"{self._settings.gateway} carries {carried}"
