"""Reads the live objects of a namespace for drift detection, and restores declared ones."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.cluster.apply import apply_all
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import (
    DAEMON_SET,
    GRPC_ROUTE,
    HTTP_ROUTE,
    IN_MANIFESTS,
    INGRESS,
    LIMIT_RANGE,
    NAMESPACE,
    POD,
    RESOURCE_QUOTA,
    Kind,
    kind_of,
)
from bot.cluster.health.observe import running_containers
from bot.cluster.names import FIELD_MANAGER, RECORD, TEMPLATE, content_name, pull_secret_name
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.secrets import injected
from bot.environments.ports import Fence
from bot.infrastructure.drift.fields import Path, lookup, pointer
from bot.infrastructure.drift.inventory import DryRun, Live
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import Bundle, Manifest
from bot.model.repository import Repository
from bot.model.size import Size

COMPARED: Sequence[Kind] = (
    *IN_MANIFESTS,
    HTTP_ROUTE,
    GRPC_ROUTE,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    replace(INGRESS, optional=True),
    replace(DAEMON_SET, optional=True),
)
"""The kinds that environments may contain, and those that may expose or run something there."""
_CONCURRENCY = 8


class KubernetesDrift:
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses."""

    manager = FIELD_MANAGER
    revision = TEMPLATE

    def __init__(
        self, api: KubernetesApi, namespaces: KubernetesNamespaces, custom: Sequence[Kind] = ()
    ) -> None:
        """`custom`: the kinds that the operator allows besides the built-in ones."""
        self._api = api
        self._custom = tuple(custom)
        self._namespaces = namespaces
        self._limit = asyncio.Semaphore(_CONCURRENCY)

    async def guard_rails(
        self, name: str, environment: EnvironmentKey, repository: Repository, size: Size, *, fork: bool
    ) -> Sequence[Manifest]:
        """The namespace with its labels, the bot's rights in it, and its guard rails."""
        return await self._namespaces.declared(name, environment, repository, size, fork=fork)

    async def read(self, namespace: str, declared: Sequence[Manifest]) -> Live:
        """One call per kind, and one for the namespace. A kind that cannot be listed is unreadable."""
        unreadable: dict[str, str] = {}

        async def listed(kind: Kind) -> list[dict[str, Any]]:
            async with self._limit:
                try:
                    return (await self._api.list(kind, namespace)).items
                except (Rejected, Unavailable) as error:
                    unreadable[kind.name] = str(error)
                    return []

        kinds = (*COMPARED, *self._custom)
        lists = await asyncio.gather(*(listed(kind) for kind in kinds))
        objects = [item for items in lists for item in items]
        try:
            own = await self._api.find(NAMESPACE, namespace)
        except (Rejected, Unavailable) as error:
            unreadable[NAMESPACE.name] = str(error)
        else:
            typed = {"apiVersion": NAMESPACE.api_version, "kind": NAMESPACE.name}
            objects += [{**typed, **own}] if own is not None else []
        running = running_containers(lists[kinds.index(POD)], declared)
        custom = frozenset(kind.name for kind in self._custom)
        return Live(tuple(objects), unreadable, tuple(running), custom)

    def kept(self, bundle: Bundle) -> Collection[tuple[str, str]]:
        """The record of the data, and the copies of the operator's Secrets for registries."""
        copies = {("Secret", pull_secret_name(secret)) for secret in bundle.pull_secrets}
        return {("ConfigMap", RECORD), *copies}

    async def dry_run(self, manifest: Manifest) -> DryRun:
        """What a write would store. An immutable field that differs is proof of a difference."""
        try:
            async with self._limit:
                return DryRun(await self._api.apply(manifest, dry_run=True))
        except Refused as error:
            return DryRun() if error.immutable_fields else DryRun(problem=str(error))
        except (Rejected, Unavailable) as error:
            return DryRun(problem=str(error))

    async def defaulted(self, manifest: Manifest) -> Manifest | None:
        """A new object with all default values, by a dry run under another name."""
        metadata = manifest["metadata"]
        copy = {**manifest, "metadata": {**metadata, "name": content_name(metadata["name"], "defaults")}}
        try:
            async with self._limit:
                return await self._api.apply(copy, dry_run=True)
        except (Rejected, Unavailable):
            return None

    async def injected(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
    ) -> Manifest:
        return injected(namespace, environment, repository, values)

    async def restore(
        self, manifest: Manifest, live: Manifest | None, undeclared: Sequence[Path], fence: Fence
    ) -> None:
        """Removes undeclared fields first, unless one of them changed since the object was read."""
        if live is not None and undeclared:
            metadata = live["metadata"]
            values = {place: lookup(live, path) for path in undeclared if (place := pointer(live, path))}
            steps = [
                {"op": operation, "path": place, **({"value": values[place]} if operation == "test" else {})}
                for place in sorted(values, key=_position, reverse=True)
                for operation in ("test", "remove")
            ]
            await fence()
            await self._api.patch(
                kind_of(manifest),
                metadata["name"],
                steps,
                metadata.get("namespace"),
                style="json-patch",
            )
        if manifest["kind"] == NAMESPACE.name:
            # Only its labels are declared: an apply without the annotations would remove them.
            await fence()
            labels = {"metadata": {"labels": dict(manifest["metadata"]["labels"])}}
            await self._api.patch(NAMESPACE, manifest["metadata"]["name"], labels)
        else:
            await apply_all(self._api, [manifest], fence)


def _position(pointer: str) -> list[tuple[int, str]]:
    """Sorts positions in lists as numbers, so that later items are removed first."""
    return [(int(part) if part.isdecimal() else -1, part) for part in pointer.split("/")]
