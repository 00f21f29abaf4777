"""The cluster as the rest of the bot knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cluster import data, namespaces, secrets
from bot.cluster.apply import apply_all, prune
from bot.cluster.client.api import Api
from bot.cluster.client.kinds import NAMESPACE
from bot.cluster.health.observe import observe, old_pods, running
from bot.cluster.policy import Policy
from bot.cluster.render.renderer import Renderer
from bot.cluster.render.tools.tools import Tools
from bot.environments.ports import Fence
from bot.model.data import DataRecord
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Bundle, Manifest, NamespaceView, ObjectState, OwnedNamespace, RenderRequest
from bot.model.repository import Repository
from bot.model.size import Size


class KubernetesCluster:
    """Raises TryAgain when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: Api, policy: Policy, tools: Tools) -> None:
        self._api = api
        self._policy = policy
        self._renderer = Renderer(policy, tools)

    async def render(self, request: RenderRequest) -> Bundle:
        return await self._renderer.render(request)

    async def namespace(self, name: str, environment: EnvironmentKey) -> NamespaceView:
        return namespaces.view(await self._api.get(NAMESPACE, name), environment)

    async def prepare(
        self,
        name: str,
        environment: EnvironmentKey,
        repository: Repository,
        generation: int,
        size: Size,
        fence: Fence,
    ) -> None:
        """Superseded when the namespace was prepared for a newer generation."""
        wanted = namespaces.Wanted(name, environment, repository, generation, size)
        await namespaces.prepare(self._api, wanted, fence, self._policy)

    async def inject(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
        fence: Fence,
    ) -> None:
        """Writes the Secret that `envFrom` of a bundle with secrets refers to."""
        await fence()
        await self._api.apply(secrets.injected(namespace, environment, repository, values))

    async def secret(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """A Secret of the operator's, for whoever may have it; None when there is none."""
        return await secrets.find(self._api, namespace, name)

    async def apply(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        """The objects were rendered for `namespace`."""
        if any(each["metadata"]["namespace"] != namespace for each in objects):
            raise ValueError(f"an object was rendered for another namespace than {namespace}")
        await apply_all(self._api, objects, fence)

    async def data(self, namespace: str, environment: EnvironmentKey) -> DataRecord | None:
        return await data.read(self._api, namespace, environment)

    async def record_data(
        self, namespace: str, environment: EnvironmentKey, record: DataRecord, fence: Fence
    ) -> None:
        await data.write(self._api, namespace, environment, record, fence)

    async def reset_data(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> Sequence[str]:
        return await data.reset(self._api, namespace, environment, fence)

    async def run_data_job(self, job: Manifest, fence: Fence) -> None:
        """Applies it and deletes the earlier ones of its kind."""
        await data.run(self._api, job, fence)

    async def prune(self, namespace: str, bundle: Bundle, fence: Fence) -> None:
        """Deletes what earlier releases applied and this one does not have; volumes stay."""
        await prune(self._api, namespace, bundle, fence)

    async def observe(self, namespace: str, objects: Sequence[Manifest]) -> Sequence[ObjectState]:
        return await observe(self._api, namespace, objects)

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        return await old_pods(self._api, namespace, release_id)

    async def running(self, namespace: str) -> Sequence[str]:
        return await running(self._api, namespace)

    async def delete_namespace(self, name: str, environment: EnvironmentKey, fence: Fence) -> None:
        await namespaces.delete(self._api, name, environment, fence)

    async def owned_namespaces(self) -> Sequence[OwnedNamespace]:
        return await namespaces.owned(self._api)

    async def owned_namespace(self, name: str) -> OwnedNamespace | None:
        return await namespaces.find_owned(self._api, name)
