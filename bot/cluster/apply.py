"""Applies and prunes objects in parallel; each write is fenced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.forbidden import lacks_right
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    GRPC_ROUTE,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
    kind_of,
)
from bot.cluster.made_secrets import is_made
from bot.cluster.names import (
    ENVIRONMENT,
    LEASES,
    OWN_NAME,
    RECORD,
    SECRETS,
    TEMPLATE,
    TRACK,
    candidate_name,
    data_job,
    is_reserved_name,
    pull_secret_name,
)
from bot.cluster.pod_failures import is_failing
from bot.cluster.render.generated_values import fill, needed
from bot.cluster.replacement import apply_or_replace
from bot.cluster.secrets import copy_pull_secret, injected
from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Superseded
from bot.model.hooks import outlives_release
from bot.model.manifest import Bundle, FilledBundle, Manifest
from bot.model.repository import Repository
from bot.model.rollout import Side

_CONCURRENCY = 8
_WITHDRAWN = (CONFIG_MAP, ROLE, ROLE_BINDING, SECRET, SERVICE_ACCOUNT)
"""What earlier releases could read or do, and a fork's release must not."""
_APPLIED_LAST = frozenset(("RoleBinding",))
"""The API server checks a binding against its Role, which must exist before."""
_PRUNED = (
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    GRPC_ROUTE,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
"""All kinds but volume claims, whose data a later commit may use again."""
_STARTING = (GRPC_ROUTE, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE, POD)
"""What sends requests to workloads, starts them again, or cannot be scaled to zero."""

Item = TypeVar("Item")


class KubernetesWorkloads:
    """Raises Unavailable when the API server does not answer, Rejected when it refuses."""

    def __init__(self, api: KubernetesApi, kinds: Collection[Kind] = ()) -> None:
        """`kinds` are those that the operator allows."""
        self._api = api
        self._kinds = tuple(kinds)

    async def apply(
        self, namespace: str, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
    ) -> None:
        """Applies the objects of a wave; ValueError for one that was rendered for another namespace."""
        if any(manifest["metadata"]["namespace"] != namespace for manifest in objects):
            raise ValueError(f"an object was rendered for a namespace other than {namespace}")
        await apply_all(self._api, objects, fence, replaces=replaces)

    async def inject(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        values: Mapping[str, str],
        fence: Fence,
        *,
        candidate: str = "",
    ) -> None:
        """Writes the Secret that `envFrom` of a bundle with secrets refers to, or that of a candidate."""
        secret = injected(namespace, environment, repository, values)
        if candidate:
            secret["metadata"]["name"] = candidate_name(SECRETS, candidate)
            secret["metadata"]["labels"][TRACK] = Side.CANDIDATE.value
        await fence()
        await self._api.apply(secret)

    async def copy_pull_secrets(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        secrets: Sequence[str],
        fence: Fence,
    ) -> None:
        """Copies the operator's pull secrets, `NAMESPACE/NAME`, that changed or are absent."""

        async def copy(secret: str) -> None:
            await copy_pull_secret(self._api, secret, namespace, environment, repository, fence)

        await _run_parallel(secrets, copy)

    async def delete(self, namespace: str, objects: Sequence[Manifest], fence: Fence) -> None:
        """Deletes objects; absent ones count as deleted."""

        async def delete(manifest: Manifest) -> None:
            await fence()
            await self._api.delete(kind_of(manifest), manifest["metadata"]["name"], namespace)

        await _run_parallel(objects, delete)

    async def deployed(self, namespace: str, environment: EnvironmentKey) -> Sequence[Manifest]:
        """The objects that releases of the environment applied, without what Greenroom adds."""
        kinds = (*_PRUNED, PERSISTENT_VOLUME_CLAIM, *self._kinds)
        labels = f"{ENVIRONMENT}={environment.label}"
        try:
            lists = await asyncio.gather(*(self._api.list(kind, namespace, labels=labels) for kind in kinds))
        except Refused as error:
            if lacks_right(error):
                return ()  # The namespace was created, but not prepared: nothing was applied.
            raise
        return [
            {**item, "apiVersion": kind.api_version, "kind": kind.name}
            for kind, objects in zip(kinds, lists, strict=True)
            for item in objects.items
            if not is_reserved_name(item["metadata"]["name"])
            and (item["metadata"].get("labels") or {}).get(TRACK) != Side.CANDIDATE
            and not item["metadata"].get("ownerReferences")
        ]

    async def fill(self, namespace: str, environment: EnvironmentKey, bundle: Bundle) -> FilledBundle:
        """The bundle with generated values: kept from objects of the environment, otherwise new."""
        kinds = {kind_of(manifest) for manifest in needed(bundle)}
        labels = f"{ENVIRONMENT}={environment.label}"
        lists = await asyncio.gather(*(self._api.list(kind, namespace, labels=labels) for kind in kinds))
        live = {
            (kind.name, item["metadata"]["name"]): {**item, "kind": kind.name}
            for kind, objects in zip(kinds, lists, strict=True)
            for item in objects.items
        }
        return await asyncio.to_thread(fill, bundle, live)

    async def prune(self, namespace: str, bundle: Bundle, fence: Fence) -> None:
        """Deletes objects of ours that the bundle does not contain; volume claims and guard rails stay."""
        objects = [manifest for wave in bundle.waves.values() for manifest in wave]
        environment = next((manifest["metadata"]["labels"][ENVIRONMENT] for manifest in objects), None)
        if environment is not None:
            kinds = (*_PRUNED, *self._kinds)
            await self._delete_leftovers(kinds, namespace, environment, _kept(bundle), fence, policies=True)

    async def withdraw(
        self, namespace: str, environment: EnvironmentKey, bundle: Bundle, fence: Fence, *, fork: bool
    ) -> None:
        """Deletes the Secret of injected values if the bundle has none.

        For a fork, also deletes all configuration, Secrets, accounts and permissions of earlier releases, and
        the Secrets that controllers made for them, which Kubernetes would delete some time later.
        """
        if fork:
            kinds = (*_WITHDRAWN, *self._kinds)
            await self._delete_leftovers(kinds, namespace, environment.label, _kept(bundle), fence)
            for secret in filter(is_made, (await self._api.list(SECRET, namespace)).items):
                await fence()
                await self._api.delete(SECRET, secret["metadata"]["name"], namespace)
        elif not bundle.secrets:
            await fence()
            await self._api.delete(SECRET, SECRETS, namespace)

    async def stop(self, namespace: str, environment: EnvironmentKey, fence: Fence) -> None:
        """Deletes routes, autoscalers and bare pods that run."""
        pods = await self._api.list(POD, namespace, labels=f"{ENVIRONMENT}={environment.label}")
        ended = {
            (POD.name, pod["metadata"]["name"])
            for pod in pods.items
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        }
        await self._delete_leftovers(_STARTING, namespace, environment.label, ended, fence)

    async def _delete_leftovers(
        self,
        kinds: Sequence[Kind],
        namespace: str,
        environment: str,
        kept: Collection[tuple[str, str]],
        fence: Fence,
        *,
        policies: bool = False,
    ) -> None:
        """`policies`: objects that a chart keeps, or that are hooks, stay as Helm would leave them."""

        async def delete_leftovers(kind: Kind) -> None:
            live = await self._api.list(kind, namespace, labels=f"{ENVIRONMENT}={environment}")
            for leftover in _leftovers(kind, live.items, kept):
                if policies and outlives_release(leftover):
                    continue
                await fence()
                metadata = leftover["metadata"]
                preconditions = {"uid": metadata["uid"]}
                await self._api.delete(kind, metadata["name"], namespace, preconditions=preconditions)

        await _run_parallel(kinds, delete_leftovers)


async def apply_all(
    api: KubernetesApi, objects: Sequence[Manifest], fence: Fence, *, replaces: bool = False
) -> None:
    """Applies the objects of a wave. If several writes fail, raises the most significant error."""

    async def write(manifest: Manifest) -> None:
        await apply_or_replace(api, manifest, fence, replaces=replaces)
        if manifest["kind"] == "StatefulSet":
            await _delete_failing_pods(api, manifest, fence)

    await _run_parallel([manifest for manifest in objects if manifest["kind"] not in _APPLIED_LAST], write)
    await _run_parallel([manifest for manifest in objects if manifest["kind"] in _APPLIED_LAST], write)


async def _delete_failing_pods(api: KubernetesApi, manifest: Manifest, fence: Fence) -> None:
    """Deletes failing pods of an earlier revision.

    The StatefulSet controller waits for them to become ready before it replaces them.
    """
    metadata = manifest["metadata"]
    revision = manifest["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    for pod in (await api.list(POD, metadata["namespace"], labels=ENVIRONMENT)).items:
        owners = pod["metadata"].get("ownerReferences") or []
        own = any((owner["kind"], owner["name"]) == ("StatefulSet", metadata["name"]) for owner in owners)
        stale = (pod["metadata"].get("annotations") or {}).get(TEMPLATE) != revision
        if own and stale and is_failing(pod) and not pod["metadata"].get("deletionTimestamp"):
            await fence()
            preconditions = {"uid": pod["metadata"]["uid"]}
            await api.delete(POD, pod["metadata"]["name"], metadata["namespace"], preconditions=preconditions)


def _kept(bundle: Bundle) -> set[tuple[str, str]]:
    """Kind and name of all objects of the bundle."""
    objects = [manifest for wave in bundle.waves.values() for manifest in wave]
    kept = {
        (manifest["kind"], manifest["metadata"]["name"]) for manifest in (*objects, *bundle.checks.values())
    }
    kept |= {("Secret", pull_secret_name(secret)) for secret in bundle.pull_secrets}
    return kept | {("Secret", SECRETS)} if bundle.secrets else kept


def _leftovers(
    kind: Kind, live: Iterable[dict[str, Any]], kept: Collection[tuple[str, str]]
) -> list[dict[str, Any]]:
    reserved = {
        ("NetworkPolicy", OWN_NAME),
        ("RoleBinding", OWN_NAME),
        ("ServiceAccount", "default"),
        ("ConfigMap", RECORD),
        ("Secret", LEASES),  # the only record of issued credentials
    }
    return [
        candidate
        for candidate in live
        if (kind.name, candidate["metadata"]["name"]) not in {*kept, *reserved}
        # The data record names the current one of these; KubernetesData deletes the others.
        and not (kind is JOB and data_job(candidate["metadata"]["name"]))
        and not candidate["metadata"].get("deletionTimestamp")
        # A candidate's objects are deleted when it has no traffic left.
        and (candidate["metadata"].get("labels") or {}).get(TRACK) != Side.CANDIDATE
        # Objects of a controller are deleted with their owner.
        and not candidate["metadata"].get("ownerReferences")
    ]


async def _run_parallel(items: Iterable[Item], work: Callable[[Item], Awaitable[None]]) -> None:
    limit = asyncio.Semaphore(_CONCURRENCY)

    async def bounded(item: Item) -> None:
        async with limit:
            await work(item)

    results = await asyncio.gather(*(bounded(item) for item in items), return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise min(errors, key=_precedence)


def _precedence(error: BaseException) -> int:
    """Superseded stops the run, a refusal is final, other errors may be temporary."""
    for precedence, kind in enumerate((asyncio.CancelledError, Superseded, Rejected)):
        if isinstance(error, kind):
            return precedence
    return 3
