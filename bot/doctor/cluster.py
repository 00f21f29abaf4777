"""Checks the cluster: version, rights, confinement, secrets, Gateway API and gateway."""

from __future__ import annotations

import os
from typing import Self

from bot.cluster.account import own_account
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.connection import connect
from bot.cluster.client.errors import Refused
from bot.cluster.client.forbidden import lacks_right
from bot.cluster.client.kinds import GATEWAY, SECRET
from bot.cluster.clusters_file import ClusterSettings
from bot.cluster.confinement import prove_confinement
from bot.cluster.lease import StoreLease
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.policy import EXTERNAL_SECRET, SECRET_PROVIDER_CLASS, ClusterPolicy
from bot.cluster.rights import (
    CLUSTER_RIGHTS,
    ENVIRONMENT_RIGHTS,
    STORE_RIGHTS,
    custom_rights,
    missing_rights,
    secret_store_rights,
)
from bot.cluster.routing.gateway_check import gateway_problem
from bot.cluster.secrets import read_credentials, unreadable
from bot.doctor.checks import CheckFailed
from bot.doctor.secret_stores import check_secret_stores
from bot.doctor.traffic import check_traffic
from bot.environments.activation import waiting
from bot.model.errors import Rejected
from bot.secrets.environment import GRANT, PREFIX, EnvironmentSecrets
from bot.secrets.kubernetes import REPOSITORIES
from bot.settings.kinds import CustomKind
from bot.store import Store


class ClusterChecks:
    """`version` must run first: it connects."""

    def __init__(self, cluster: ClusterSettings) -> None:
        self._settings = cluster.settings
        self._context = cluster.context
        self._policy = ClusterPolicy.of(cluster.settings)
        self._connected: KubernetesApi | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connected is not None:
            await self._connected.close()

    @property
    def _api(self) -> KubernetesApi:
        assert self._connected is not None, "version() connects"
        return self._connected

    async def version(self) -> str:
        self._connected = await connect(self._settings.kubeconfig, context=self._context)
        version = await self._api.read("/version")
        return f"Kubernetes {version.get('gitVersion', '')}"

    async def rights(self) -> str:
        """Rights in all namespaces, and in one environment's namespace if there is one."""
        everywhere = CLUSTER_RIGHTS | secret_store_rights(self._policy.all_stores)
        missing = list(await missing_rights(self._api, everywhere))
        own = await own_account(self._api)
        missing += await missing_rights(self._api, STORE_RIGHTS, own["namespace"])
        app_id = self._settings.github_app_id
        namespaces = await KubernetesNamespaces(self._api, self._policy, app_id).owned_namespaces()
        namespace = next((owned.name for owned in namespaces if not owned.terminating), None)
        required = ENVIRONMENT_RIGHTS | custom_rights(self._policy.allowed_kinds)
        if namespace is not None:
            missing += await missing_rights(self._api, required, namespace)
        if missing:
            rights = [f"{right.verb} {right.resource} ({right.group or 'core'})" for right in missing]
            advice = (
                "Apply deploy/base/rights.yaml, whose binding must name the bot's service account, and then "
                "the output of `greenroom rights`."
            )
            raise CheckFailed("\n".join(["The bot's service account lacks these rights:", *rights, advice]))
        return "complete" if namespace is None else f"complete, also in the namespace {namespace}"

    async def confinement(self) -> str:
        await prove_confinement(self._api, self._settings.github_app_id)
        return f"writes are limited to namespaces of the App {self._settings.github_app_id}"

    async def active_store(self) -> str:
        """The bot's process holds the Lease; this one only looks."""
        url = self._settings.database_url.get_secret_value()
        store = await Store.open(url, create=False)
        try:
            identity = await store.identity.read()
        finally:
            await store.close()
        holder = await StoreLease(self._api).look(identity.id)
        if holder is not None and holder.seconds:
            raise CheckFailed(waiting(holder))
        return f"the store {identity.id} can work"

    async def secrets(self) -> str:
        """Every secret for environments must name its repositories."""
        grants = EnvironmentSecrets(os.environ).grants()
        problems = [
            f"{PREFIX}{name} has no repositories. Set {PREFIX}{name}{GRANT}, such as acme/shop."
            for name, repositories in grants.items()
            if not repositories
        ]
        secrets = sorted(f"env:{name}" for name in grants)
        for namespace in self._settings.secrets_namespaces:
            try:
                listed = await self._api.list(SECRET, namespace)
            except Refused as error:
                if not lacks_right(error):
                    raise
                problems.append(unreadable(namespace))
                continue
            names = [
                secret["metadata"]["name"]
                for secret in listed.items
                if (secret["metadata"].get("annotations") or {}).get(REPOSITORIES)
            ]
            secrets += [f"kubernetes:{namespace}/{name}" for name in sorted(names)]
            if not names:
                problems.append(
                    f"No Secret in namespace {namespace} has the annotation {REPOSITORIES}. "
                    "Add it to the Secrets, or remove the namespace from GREENROOM_SECRETS_NAMESPACES."
                )
        problems += await self._unusable_pull_secrets()
        if problems:
            raise CheckFailed("\n".join(problems))
        return f"available: {', '.join(secrets)}" if secrets else "none configured"

    async def _unusable_pull_secrets(self) -> list[str]:
        names = dict.fromkeys(name for names in self._settings.pull_secrets.values() for name in names)
        problems = []
        for name in names:
            try:
                await read_credentials(self._api, name)
            except Rejected as error:
                problems.append(str(error))
        return problems

    async def allowed_kinds(self) -> str:
        """Kinds of the operator and of the External Secrets Operator."""
        kinds = self._policy.allowed_kinds
        served = {version: await self._served(version) for version in {kind.api_version for kind in kinds}}
        problems = [
            f"The cluster does not serve {kind.resource}/{kind.version}. {_advice(kind)}"
            for kind in kinds
            if kind.plural not in served[kind.api_version]
        ]
        if problems:
            raise CheckFailed("\n".join(problems))
        return ", ".join(kind.kind for kind in kinds) or "none configured"

    async def secret_stores(self) -> str:
        return await check_secret_stores(self._api, self._policy)

    async def _served(self, api_version: str) -> set[str]:
        """The resources of a group and version."""
        try:
            served = await self._api.read(f"/apis/{api_version}")
        except Refused as error:
            if error.status != 404:
                raise
            return set()
        return {resource["name"] for resource in served.get("resources", ())}

    async def gateway_api(self) -> str:
        if not {"gateways", "httproutes"} <= await self._served(GATEWAY.api_version):
            raise CheckFailed(
                f"The cluster does not serve {GATEWAY.api_version}. "
                "Install the CRDs of the Gateway API (standard channel) and a controller."
            )
        return GATEWAY.api_version

    async def gateway(self) -> str:
        problem = await gateway_problem(self._api, self._policy)
        if problem:
            raise CheckFailed(problem)
        domains = filter(None, (self._settings.base_domain, self._settings.fork_base_domain))
        hosts = " and ".join([*(f"*.{domain.host}" for domain in domains), *self._policy.hosts])
        return f"{self._settings.gateway} serves {hosts}"

    async def traffic(self) -> str:
        return await check_traffic(self._api, self._settings, self._policy)


def _advice(kind: CustomKind) -> str:
    if kind == EXTERNAL_SECRET:
        return (
            "Install the External Secrets Operator, version 0.16 or newer, or remove GREENROOM_SECRET_STORES."
        )
    if kind == SECRET_PROVIDER_CLASS:
        return "Install the Secrets Store CSI driver, or remove `csi` from GREENROOM_RUNTIME_SECRETS."
    return "Install its CustomResourceDefinition, or remove it from GREENROOM_ALLOWED_KINDS."
